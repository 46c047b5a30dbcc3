"""A certificate authority of the test, and clients that believe it."""

import ipaddress
import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

__all__ = ["Authority", "Pair", "tls_variables"]

_DAY = timedelta(days=1)
_ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Files with a certificate and its key."""

    certificate: Path
    key: Path

    def replace_with(self, other: "Pair") -> None:
        """Put the content of another pair into these files, each at once."""
        for mine, theirs in ((self.key, other.key), (self.certificate, other.certificate)):
            fresh = mine.with_suffix(".new")
            fresh.write_bytes(theirs.read_bytes())
            fresh.replace(mine)

    def variables(self) -> dict[str, str]:
        """Give the settings of a service that shows this certificate."""
        return tls_variables(certificate=str(self.certificate), key=str(self.key))


class Authority:
    """An authority with a certificate of its own, `certificate`, a file in `folder`."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = folder / f"{name}.pem"
        signed = (
            self._builder(self._name, self._key, datetime.now(UTC) + _DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_SIGNS_CERTIFICATES, critical=True)
        )
        content = signed.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)
        self.certificate.write_bytes(content)

    def issue(
        self,
        file: str,
        *names: str,
        organizations: tuple[str, ...] = (),
        ends: datetime | None = None,
        passphrase: bytes | None = None,
    ) -> Pair:
        """Issue a certificate for 127.0.0.1, and for these common names."""
        key = ec.generate_private_key(ec.SECP256R1())
        parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations]
        parts += [x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names]
        alternative = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = self._builder(x509.Name(parts), key, ends or datetime.now(UTC) + _DAY)
        # RFC 5280, section 4.2.1.6: what alone says whose it is has to be understood. Python 3.13
        # looks for this, and for the identifiers of the keys.
        builder = builder.add_extension(
            x509.SubjectAlternativeName(alternative), critical=not parts
        )
        pair = Pair(certificate=self._folder / f"{file}.pem", key=self._folder / f"{file}.key")
        signed = builder.sign(self._key, hashes.SHA256())
        pair.certificate.write_bytes(signed.public_bytes(Encoding.PEM))
        encryption = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
        pair.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
        return pair

    def alter(self, pair: Pair, file: str, old: bytes, new: bytes) -> Pair:
        """Sign what a certificate says with some bytes of it replaced by as many others."""
        said = x509.load_pem_x509_certificate(pair.certificate.read_bytes()).tbs_certificate_bytes
        assert said.count(old) == 1
        assert len(new) == len(old)
        altered = said.replace(old, new)
        signature = b"\0" + self._key.sign(altered, ec.ECDSA(hashes.SHA256()))
        whole = _encode(0x30, altered + _ECDSA_WITH_SHA256 + _encode(0x03, signature))
        made = Pair(certificate=self._folder / f"{file}.pem", key=pair.key)
        made.certificate.write_text(ssl.DER_cert_to_PEM_cert(whole))
        return made

    def client(self, pair: Pair | None = None) -> ssl.SSLContext:
        """Make a client that believes this authority alone, and shows `pair` if asked."""
        context = ssl.create_default_context(cafile=self.certificate)
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        return context

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, ends: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(int.from_bytes(os.urandom(8)) | 1)
            .not_valid_before(ends - 10 * _DAY)
            .not_valid_after(ends)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )


def _encode(tag: int, content: bytes) -> bytes:
    """Return content in DER."""
    size = len(content)
    head = bytes([size]) if size < 0x80 else b"\x82" + size.to_bytes(2)
    return bytes([tag]) + head + content


def tls_variables(**settings: str) -> dict[str, str]:
    """Give further settings of the group `tls` as variables."""
    return {f"MOORAGE_TLS__{name.upper()}": value for name, value in settings.items()}
