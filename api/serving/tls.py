"""The TLS of the service: made from its settings, and made anew when the files change."""

import ssl
import threading
import time
from pathlib import Path

import structlog
from cryptography import x509

from api.settings.tls import TlsSettings
from core.access.file_stamp import FileStamp

__all__ = ["Certificates", "Context", "TlsError", "make_context"]

_log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1
"""From one look at the files to the next."""

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_VERIFY_MODES = {
    "off": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}


class TlsError(Exception):
    """Files that cannot be used for TLS; the text is one line with the setting and the file."""


class Context(ssl.SSLContext):
    """A context that knows its age.

    Attributes:
        replaced_at: when it took the place of another one, in seconds since the epoch; 0 for the
            first of a process.
    """

    replaced_at = 0.0


class Certificates:
    """The certificate of the service and all that belongs to it, as the files have it now.

    A connection keeps what it has begun with. What is new in the files counts for the connections
    that come after the next look at them; what cannot be used there is logged once, and what was
    in force before stays so.

    Attributes:
        context: what a server is to be given, always the same.
    """

    def __init__(self, settings: TlsSettings) -> None:
        """Load everything for the first time.

        Raises:
            TlsError: it cannot be used.
        """
        self._settings = settings
        self._seen = _find_stamps(settings)
        self._current = self.context = make_context(settings)
        self.context.sni_callback = self._choose

    def watch(self) -> None:
        """Look at the files once a second from now on, in a thread that ends with the process.

        A file system that does not answer keeps neither clients nor a stop waiting.
        """
        threading.Thread(target=self._look_on, name="certificate-watch", daemon=True).start()

    def _look_on(self) -> None:
        while True:
            time.sleep(_LOOK_SECONDS)
            try:
                self._look()
            except Exception:  # noqa: BLE001 - it is logged, and what comes next may be well
                _log.exception("cannot look at the files of the certificate")

    def _look(self) -> None:
        found = _find_stamps(self._settings)
        if found == self._seen:
            return
        self._seen = found
        try:
            context = make_context(self._settings)
        except TlsError as error:
            _log.error("certificate refused; the one before stays in force", reason=str(error))
            return
        context.replaced_at = time.time()
        self._current = context
        _log.info("certificate loaded anew", certificate=str(self._settings.certificate))

    def _choose(
        self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext
    ) -> None:
        # OpenSSL calls it for clients that name no server too. A server keeps the context that it
        # was made with, and loading a pair that does not fit into that one would spoil it.
        if self._current is not self.context:
            connection.context = self._current


def make_context(settings: TlsSettings) -> Context:
    """Return a context for a server, made from the files as they are now.

    Ciphers, curves and the like are the defaults of Python's ssl module. TLS is on in `settings`.

    Raises:
        TlsError: a file cannot be read, is not what it should be, or the key is that of another
            certificate.
    """
    context = Context(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[settings.minimum_version]
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    _load_pair(context, settings)
    if settings.client_certificates != "off":
        assert settings.client_authorities is not None
        _load_authorities(context, settings.client_authorities)
        context.verify_mode = _VERIFY_MODES[settings.client_certificates]
        # A session that is taken up again brings its certificate along without a new check. What
        # OpenSSL remembers by itself, for TLS 1.2, cannot be switched off from here: those who
        # describe a connection look at the age of its session.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    return context


def _load_pair(context: ssl.SSLContext, settings: TlsSettings) -> None:
    certificate, key = settings.certificate, settings.key
    assert certificate is not None
    assert key is not None
    content = _read("tls.certificate", certificate)
    _read("tls.key", key)
    try:
        context.load_cert_chain(certificate, key, password=_refuse_passphrase)
    except _EncryptedKeyError:
        raise TlsError(f"tls.key: {key} needs a passphrase, which cannot be given") from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            reason = f"tls.key: {key} is not the key of the certificate in {certificate}"
        elif not _is_certificate(content):
            reason = f"tls.certificate: {certificate} is not a certificate in PEM"
        else:
            reason = f"tls.key: {key} cannot be used with {certificate}: {_reason_of(error)}"
        raise TlsError(reason) from None
    except OSError as error:
        # It was there a moment ago.
        raise TlsError(f"tls.certificate: cannot read {certificate}: {error.strerror}") from None


def _load_authorities(context: ssl.SSLContext, authorities: Path) -> None:
    _read("tls.client_authorities", authorities)
    try:
        context.load_verify_locations(authorities)
    except OSError as error:
        reason = _reason_of(error) if isinstance(error, ssl.SSLError) else error.strerror
        raise TlsError(
            f"tls.client_authorities: {authorities} has no certificates in PEM: {reason}"
        ) from None


class _EncryptedKeyError(Exception):
    """A private key that OpenSSL wants a passphrase for, which it would ask the terminal for."""


def _refuse_passphrase() -> str:
    raise _EncryptedKeyError


def _read(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsError(f"{setting}: cannot read {path}: {error.strerror}") from None


def _is_certificate(content: bytes) -> bool:
    try:
        x509.load_pem_x509_certificates(content)
    except ValueError:
        return False
    return True


def _reason_of(error: ssl.SSLError) -> str:
    return (error.reason or "not in PEM").replace("_", " ").lower()


def _find_stamps(settings: TlsSettings) -> list[FileStamp | None]:
    """Return what changes whenever one of the files does."""
    paths = (settings.certificate, settings.key, settings.client_authorities)
    return [FileStamp.find(path) for path in paths if path is not None]
