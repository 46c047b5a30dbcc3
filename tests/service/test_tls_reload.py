"""Certificates that change while the service runs, and files that cannot be used."""

import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509

from api.serving.tls import TlsError, make_context
from api.settings.tls import TlsSettings
from tests.service.authority import Authority, Pair, tls_variables
from tests.service.running import (
    Service,
    clean_environment,
    free_port,
    read_answer,
    running_service,
    running_service_over_tls,
)

__all__: list[str] = []


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return authority.issue("service", "first")


@pytest.fixture
def service(authority: Authority, pair: Pair, tmp_path: Path) -> Iterator[Service]:
    with running_service_over_tls(tmp_path, authority.client(), **pair.variables()) as running:
        yield running


def _shown(service: Service) -> str:
    """Return the common name of the certificate that the service shows now."""
    with service.connect() as connection:
        assert isinstance(connection, ssl.SSLSocket)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        assert read_answer(connection)[2] == b"hello"
        content = connection.getpeercert(binary_form=True)
    assert content is not None
    (name,) = x509.load_der_x509_certificate(content).subject
    return str(name.value)


def test_a_renewed_certificate_is_shown_to_new_connections_and_running_ones_go_on(
    service: Service, authority: Authority, pair: Pair
) -> None:
    with service.connect() as early:
        early.sendall(b"GET /slow/1000/4 HTTP/1.1\r\nHost: t\r\n\r\n")
        assert _shown(service) == "first"
        pair.replace_with(authority.issue("renewed", "second"))
        service.wait_for_log("certificate loaded anew", certificate=str(pair.certificate))
        assert _shown(service) == "second"
        assert len(read_answer(early)[2]) == 1_000_000
        early.sendall(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        assert read_answer(early)[2] == b"hello"


def test_several_workers_all_show_the_renewed_certificate(
    authority: Authority, pair: Pair, tmp_path: Path
) -> None:
    with running_service_over_tls(
        tmp_path, authority.client(), MOORAGE_SERVER__WORKERS="2", **pair.variables()
    ) as service:
        pair.replace_with(authority.issue("renewed", "second"))
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            lines = service.log_lines()
            if sum(line["event"] == "certificate loaded anew" for line in lines) == 2:
                break
            time.sleep(0.05)
        assert {_shown(service) for _ in range(20)} == {"second"}


def _break_certificate(pair: Pair, _: Authority) -> str:
    pair.certificate.write_text("-----BEGIN CERTIFICATE-----\nnonsense")
    return f"tls.certificate: {pair.certificate} is not a certificate in PEM"


def _break_key(pair: Pair, _: Authority) -> str:
    pair.key.write_text("nonsense")
    return f"tls.key: {pair.key} cannot be used with {pair.certificate}: "


def _take_key_away(pair: Pair, _: Authority) -> str:
    pair.key.unlink()
    return f"tls.key: cannot read {pair.key}: No such file or directory"


def _mix(pair: Pair, authority: Authority) -> str:
    pair.certificate.write_bytes(authority.issue("other").certificate.read_bytes())
    return f"tls.key: {pair.key} is not the key of the certificate in {pair.certificate}"


def _lock(pair: Pair, authority: Authority) -> str:
    pair.replace_with(authority.issue("locked", passphrase=b"secret"))
    return f"tls.key: {pair.key} needs a passphrase, which cannot be given"


_BREAKS = (_break_certificate, _break_key, _take_key_away, _mix, _lock)


def test_a_broken_renewal_is_refused_in_a_line_and_the_old_certificate_stays(
    service: Service, authority: Authority, pair: Pair
) -> None:
    event = "certificate refused; the one before stays in force"
    for number, spoil in enumerate((_mix, _break_certificate)):
        reason = spoil(pair, authority)
        line = service.wait_for_log(event, reason=reason)
        assert line["level"] == "error"
        time.sleep(1.5)
        assert sum(line["event"] == event for line in service.log_lines()) == number + 1
        assert _shown(service) == "first"
    pair.replace_with(authority.issue("renewed", "second"))
    service.wait_for_log("certificate loaded anew")
    assert _shown(service) == "second"


@pytest.mark.parametrize("spoil", _BREAKS)
def test_files_that_cannot_be_used_are_named_with_the_reason(
    pair: Pair, authority: Authority, spoil: Callable[[Pair, Authority], str]
) -> None:
    settings = TlsSettings(certificate=pair.certificate, key=pair.key)
    make_context(settings)
    reason = spoil(pair, authority)
    with pytest.raises(TlsError) as caught:
        make_context(settings)
    assert str(caught.value).startswith(reason)
    assert "\n" not in str(caught.value)


def test_authorities_that_are_none_are_named_with_the_reason(pair: Pair, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    settings = TlsSettings(
        certificate=pair.certificate,
        key=pair.key,
        client_certificates="optional",
        client_authorities=empty,
    )
    for content, reason in ((None, "cannot read"), ("", "has no certificates in PEM")):
        if content is not None:
            empty.write_text(content)
        with pytest.raises(TlsError, match=reason):
            make_context(settings)


def _start(tmp_path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api", "serve", "--port", str(free_port()), *arguments],
        cwd=tmp_path,
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )


def test_a_service_whose_certificate_cannot_be_used_does_not_start(
    pair: Pair, authority: Authority, tmp_path: Path
) -> None:
    reason = _mix(pair, authority)
    ended = _start(tmp_path, **pair.variables())
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].endswith(reason)
    assert "Traceback" not in ended.stderr


def test_settings_of_tls_that_need_others_are_refused_without_them(tmp_path: Path) -> None:
    for given, expected in (
        ({"certificate": "a"}, "expected certificate and key together"),
        ({"key": "a"}, "expected certificate and key together"),
        ({"client_certificates": "required"}, "expected certificate, key and client_authorities"),
    ):
        ended = _start(tmp_path, **tls_variables(**given))
        assert ended.returncode == 2
        assert expected in ended.stderr


@pytest.mark.parametrize(
    ("host", "variables", "is_warned"),
    [
        ("127.0.0.1", {}, False),
        ("0.0.0.0", {}, True),
        ("0.0.0.0", {"MOORAGE_SERVER__TRUSTED_PROXIES": "10.0.0.1"}, False),
    ],
)
def test_plain_http_where_others_can_reach_it_is_warned_of(
    tmp_path: Path, host: str, variables: dict[str, str], is_warned: bool
) -> None:
    with running_service(tmp_path, MOORAGE_SERVER__HOST=host, **variables) as service:
        warnings = [line for line in service.log_lines() if line["level"] == "warning"]
    events = [line["event"].partition(":")[0] for line in warnings]
    expected = "plain HTTP on an address that others can reach"
    assert events == ([expected] if is_warned else [])
