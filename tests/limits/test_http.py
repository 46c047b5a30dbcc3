"""What clients are answered where something is limited."""

import hashlib
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.limits import create_limiter
from api.settings import Settings
from core.drivers import MemoryDriver
from tests.access.guarded import guarded, settings_of
from tests.api.wire import Wire
from tests.live import Service, running_registry
from tests.servers.redis import running_redis

__all__: list[str] = []

_CONTENT = b"x" * 10_000
_PUSH = f"/v2/a/b/blobs/uploads/?digest=sha256:{hashlib.sha256(_CONTENT).hexdigest()}"


@contextmanager
def _running(
    tmp_path: Path, *, proxy: str = "", name: str = "limited", **limits: int | str
) -> Iterator[Service]:
    variables = {f"MOORAGE_LIMITS__{name.upper()}": str(value) for name, value in limits.items()}
    variables["MOORAGE_SERVER__TRUSTED_PROXIES"] = proxy
    with running_registry(tmp_path, root=None, name=name, **variables) as service:
        yield service


def test_too_many_requests_are_answered_as_the_specification_has_it(tmp_path: Path) -> None:
    """Spec: distribution-spec 1.1, "Error Codes": TOOMANYREQUESTS."""
    with _running(tmp_path, requests=3, requests_period_seconds=6) as service:
        wire = Wire(service)
        # Waiting for the start may have taken some of them.
        answers = [wire.get("/v2/") for _ in range(4)]
        refused = answers[-1]
        wait = int(refused.headers["retry-after"])
        assert refused.assert_error(429, "TOOMANYREQUESTS") == {"retry_after_seconds": wait}
        assert wait in {1, 2}
        assert wire.head("/v2/a/b/manifests/none").status == 429
        # A client that sends on reads the answer all the same.
        assert wire.ask("POST", _PUSH, b"x" * 5_000_000).status == 429
        assert httpx.get(f"{service.url}/healthz").text == "ok\n"
        time.sleep(wait)
        assert wire.get("/v2/").status == 200
    (line, *_) = (line for line in service.log_lines() if line.get("status") == 429)
    assert line["level"] == "info"


def test_bytes_of_both_directions_count(tmp_path: Path) -> None:
    with _running(tmp_path, transferred_bytes=15_000, transferred_period_seconds=1000) as service:
        wire = Wire(service)
        assert wire.ask("POST", _PUSH, _CONTENT).status == 201
        digest = _PUSH.rpartition("=")[2]
        assert wire.get(f"/v2/a/b/blobs/{digest}").body == _CONTENT
        refused = wire.get("/v2/")
        assert refused.status == 429
        assert 300 < int(refused.headers["retry-after"]) < 400


def _begin_upload(service: Service, location: str) -> socket.socket:
    connection = service.connect()
    connection.sendall(
        f"PATCH {location} HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nabc".encode()
    )
    return connection


def test_uploads_at_once_are_bounded_and_free_again_when_they_end(tmp_path: Path) -> None:
    with _running(tmp_path, concurrent_uploads=1) as service:
        wire = Wire(service)
        location = wire.ask("POST", "/v2/a/b/blobs/uploads/").headers["location"]
        with _begin_upload(service, location):
            deadline = time.monotonic() + 10
            while (answer := wire.ask("POST", _PUSH, _CONTENT)).status == 201:
                assert time.monotonic() < deadline
            assert answer.status == 429
            assert answer.headers["retry-after"] == "1"
            without_slash = _PUSH.replace("/uploads/", "/uploads")
            assert wire.ask("POST", without_slash, _CONTENT).status == 429
            assert wire.ask("POST", "/v2/a/b/blobs/uploads/").status == 202
        # The client has hung up in the middle.
        while wire.ask("POST", _PUSH, _CONTENT).status == 429:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.needs("redis-server")
def test_a_redis_that_is_not_there_keeps_nobody_out(tmp_path: Path) -> None:
    with _running(
        tmp_path, requests=1, driver="redis", redis_url="redis://127.0.0.1:1/0"
    ) as service:
        assert {Wire(service).get("/v2/").status for _ in range(10)} == {200}
        event = "Redis is out of order; the limit of requests goes on without it"
        assert service.wait_for_log(event)["level"] == "warning"


@pytest.mark.needs("redis-server")
def test_nodes_that_share_a_redis_let_in_no_more_together_than_one_does(tmp_path: Path) -> None:
    with running_redis(tmp_path) as redis, ExitStack() as stack:
        nodes = [
            stack.enter_context(
                _running(
                    tmp_path,
                    name=name,
                    requests=20,
                    requests_period_seconds=2000,
                    driver="redis",
                    redis_url=redis.url,
                )
            )
            for name in ("first", "second")
        ]
        statuses = [Wire(node).get("/v2/").status for _ in range(20) for node in nodes]
        assert [node.stop() for node in nodes] == [0, 0]
    # One of each was taken to see whether the node had started.
    assert statuses == [200] * 18 + [429] * 22
    lines = [line for node in nodes for line in node.log_lines()]
    assert not [line for line in lines if line["level"] in {"warning", "error"}]


def test_clients_behind_a_trusted_proxy_are_told_apart(tmp_path: Path) -> None:
    with _running(tmp_path, proxy="127.0.0.1", requests=1) as service:
        wire = Wire(service)
        for client in ("192.0.2.1", "192.0.2.2", "2001:db8:0:1::1", "2001:db8:0:2::1"):
            assert wire.get("/v2/", X_Forwarded_For=client).status == 200
        assert wire.get("/v2/", X_Forwarded_For="192.0.2.1").status == 429
        assert wire.get("/v2/", X_Forwarded_For="2001:db8:0:1:f::1").status == 429


async def test_a_request_whose_user_is_known_counts_for_the_user(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, limits={"requests": 2})
    async with guarded(settings) as registry:
        clients = {name: registry.client(name) for name in ("ann", "bob")}
        # Each password is proven by a request that still counts for the address.
        asked = ["ann", "bob", "ann", "ann", "ann", "bob", "bob", "bob"]
        statuses = [(await clients[name].get("/v2/")).status_code for name in asked]
        async with registry.client() as nobody:
            assert (await nobody.get("/v2/")).status_code == 429
    assert statuses == [200, 200, 200, 200, 429, 200, 200, 429]


async def test_made_up_credentials_count_for_the_address(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, limits={"requests": 2})
    async with guarded(settings) as registry, registry.client() as nobody:
        statuses = [
            (await nobody.get("/v2/", headers={"Authorization": f"Bearer {number}"})).status_code
            for number in range(3)
        ]
    assert statuses == [401, 401, 429]


def test_nothing_is_counted_where_nothing_is_limited() -> None:
    assert create_limiter(Settings().limits) is None
    app = create_app(Settings(), MemoryDriver())
    assert "LimitsMiddleware" not in json.dumps(repr(vars(app.front._app)))  # type: ignore[attr-defined]
