"""Certificates of clients: who is let in, and what the application is told of them."""

import json
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.serving.client_certificates import ClientIdentity, subject_of
from tests.service.authority import Authority, Pair, tls_variables
from tests.service.running import Service, read_answer, running_service_over_tls

__all__: list[str] = []

_IDENTITY = "moorage.client_identity"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("authority")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder)


@pytest.fixture(scope="module")
def ann(authority: Authority) -> Pair:
    return authority.issue("ann", "ann", organizations=("build", "ops, night"))


@pytest.fixture(scope="module", params=["optional", "required"])
def service(
    request: pytest.FixtureRequest,
    authority: Authority,
    ann: Pair,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    with running_service_over_tls(
        tmp_path_factory.mktemp(request.param),
        authority.client(ann),
        **authority.issue("service").variables(),
        **tls_variables(
            client_certificates=request.param, client_authorities=str(authority.certificate)
        ),
    ) as running:
        yield running


def _is_required(service: Service) -> bool:
    return "required" in str(service.log_file)


def _ask(service: Service, context: ssl.SSLContext) -> dict[str, Any]:
    """Return what the application is told, which in TLS 1.3 is the first sign of a refusal."""
    with (
        socket.create_connection(("127.0.0.1", service.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(b"GET /tls HTTP/1.1\r\nHost: t\r\n\r\n")
        told: dict[str, Any] = json.loads(read_answer(connection)[2])
    return told


def test_the_application_is_told_who_has_shown_a_certificate(
    service: Service, authority: Authority, ann: Pair
) -> None:
    told = _ask(service, authority.client(ann))
    assert told[_IDENTITY] == {"common_name": "ann", "organizations": ["build", "ops, night"]}
    assert told["client_cert_name"] == "CN=ann,O=ops\\, night,O=build"
    assert told["client_cert_chain"] == [ann.certificate.read_text()]
    assert told["client_cert_error"] is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # A common name that is bits, and a version of X.509 that has not been in use.
        (b"\x0c\x04bits", b"\x03\x04\0its"),
        (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01"),
    ],
    ids=["name", "version"],
)
def test_a_certificate_that_only_openssl_can_read_names_nobody(
    service: Service, authority: Authority, old: bytes, new: bytes
) -> None:
    altered = authority.alter(authority.issue("bits", "bits"), "altered", old, new)
    context = authority.client(altered)
    told = _ask(service, context)
    assert _IDENTITY not in told
    assert told["client_cert_error"] == "the certificate cannot be read"
    assert service.wait_for_log("client certificate cannot be read")


def test_a_client_without_a_certificate_is_nobody_or_refused(
    service: Service, authority: Authority
) -> None:
    if _is_required(service):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            _ask(service, authority.client())
        return
    told = _ask(service, authority.client())
    assert _IDENTITY not in told
    assert (told["client_cert_name"], told["client_cert_chain"]) == (None, [])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_certificate_that_is_not_valid_is_refused_whether_one_is_needed_or_not(
    service: Service, authority: Authority, version: ssl.TLSVersion, tmp_path: Path
) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    later = datetime.now(UTC) + timedelta(days=12)
    # Of the same name, and so with nothing but its signature wrong.
    stranger = Authority(tmp_path)
    for pair in (
        authority.issue("expired", "ann", ends=yesterday),
        authority.issue("early", "ann", ends=later),
        stranger.issue("foreign", "ann"),
    ):
        context = authority.client(pair)
        context.minimum_version = context.maximum_version = version
        with pytest.raises((ssl.SSLError, ConnectionError)):
            _ask(service, context)


@pytest.mark.parametrize("names", [(), ("ann", "root"), ("ann\r\nX: y",), ("ann\x00root",), (" ",)])
def test_a_certificate_that_names_nobody_for_certain_is_nobodys(
    service: Service, authority: Authority, names: tuple[str, ...]
) -> None:
    told = _ask(service, authority.client(authority.issue("odd", *names)))
    assert _IDENTITY not in told
    assert told["client_cert_chain"]


class _Resuming:
    """A client that takes up its session again, as OpenSSL's do with TLS 1.2 unless told not to."""

    def __init__(self, service: Service, context: ssl.SSLContext) -> None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        self._service = service
        self._context = context
        self._session: ssl.SSLSession | None = None

    def ask(self) -> tuple[bool, str]:
        """Return whether the session was taken up again, and as whom the client is known."""
        plain = socket.create_connection(("127.0.0.1", self._service.port), timeout=10)
        with self._context.wrap_socket(
            plain, server_hostname="127.0.0.1", session=self._session
        ) as connection:
            connection.sendall(b"GET /tls HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
            told = json.loads(read_answer(connection)[2])
            self._session, is_reused = connection.session, bool(connection.session_reused)
            # Of a connection that was only cut, the server would forget the session.
            connection.unwrap().close()
            return is_reused, told[_IDENTITY]["common_name"]


def test_new_authorities_count_for_new_connections_and_sessions_of_before_are_no_way_around(
    tmp_path: Path,
) -> None:
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(old.certificate.read_bytes())
    early, late = old.issue("early", "ann"), new.issue("late", "ann")
    with running_service_over_tls(
        tmp_path,
        old.client(early),
        **old.issue("service").variables(),
        **tls_variables(client_certificates="required", client_authorities=str(trusted)),
    ) as service:
        resuming = _Resuming(service, old.client(early))
        assert resuming.ask() == (False, "ann")
        assert resuming.ask() == (True, "ann")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            _ask(service, old.client(late))
        trusted.write_bytes(new.certificate.read_bytes())
        service.wait_for_log("certificate loaded anew")
        assert _ask(service, old.client(late))[_IDENTITY]["common_name"] == "ann"
        for _ in range(2):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                resuming.ask()


def test_a_session_does_not_outlive_the_certificate_that_was_shown_in_it(
    service: Service, authority: Authority
) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=4)
    resuming = _Resuming(service, authority.client(authority.issue("brief", "ann", ends=ends)))
    assert resuming.ask() == (False, "ann")
    assert resuming.ask() == (True, "ann")
    time.sleep(max(0.0, (ends - datetime.now(UTC)).total_seconds()) + 1)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        resuming.ask()


def test_tls_1_3_has_no_sessions_where_clients_show_certificates(
    service: Service, authority: Authority, ann: Pair
) -> None:
    context = authority.client(ann)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with (
        socket.create_connection(("127.0.0.1", service.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        assert read_answer(connection)[2] == b"hello"
        assert connection.session is None or not connection.session.has_ticket


def test_the_user_is_the_common_name_and_the_groups_are_the_organizations() -> None:
    subject = (
        (("countryName", "DE"),),
        (("organizationName", "build"), ("organizationalUnitName", "x")),
        (("organizationName", "ops"),),
        (("commonName", "ann"),),
    )
    expected = ClientIdentity(common_name="ann", organizations=("build", "ops"))
    assert subject_of({"subject": subject}) == expected
    assert subject_of(None) is None
    assert subject_of({}) is None


@given(st.text(), st.lists(st.text()))
def test_no_name_that_a_certificate_can_hold_has_more_than_one_line(
    name: str, groups: list[str]
) -> None:
    subject = ((("commonName", name),), *((("organizationName", group),) for group in groups))
    identity = subject_of({"subject": subject})
    if identity is not None:
        assert identity.common_name == name
        assert all(text.isprintable() and text for text in (name, *identity.organizations))
