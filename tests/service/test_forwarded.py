"""What a request through a proxy looks like to the registry, and where its answers point."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import pytest
from starlette.types import Message, Receive, Scope, Send

from api.serving.forwarded import ForwardedMiddleware
from api.settings.groups import ServerSettings
from tests.live import Service, running_registry

__all__: list[str] = []

_UPLOADS = "/v2/team/app/blobs/uploads/"


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Service]]:
    """Registries that trust this machine, another one, or nobody."""
    folder = tmp_path_factory.mktemp("forwarded")
    start = partial(running_registry, folder, MOORAGE_SERVER__LOCATIONS="absolute")
    with ExitStack() as stack:
        yield {
            "trusting": stack.enter_context(
                start(name="trusting", MOORAGE_SERVER__TRUSTED_PROXIES="127.0.0.1,10.0.0.0/8")
            ),
            "distant": stack.enter_context(
                start(name="distant", MOORAGE_SERVER__TRUSTED_PROXIES='["10.0.0.0/8"]')
            ),
            "external": stack.enter_context(
                start(
                    name="external",
                    MOORAGE_SERVER__EXTERNAL_URL="https://outside.example:8443/",
                    MOORAGE_SERVER__TRUSTED_PROXIES="127.0.0.0/8",
                )
            ),
            "relative": stack.enter_context(
                start(
                    name="relative",
                    MOORAGE_SERVER__LOCATIONS="relative",
                    MOORAGE_SERVER__TRUSTED_PROXIES="127.0.0.1",
                )
            ),
        }


@pytest.fixture
def trusting(services: dict[str, Service]) -> Service:
    return services["trusting"]


def _start_upload(service: Service, *headers: str, host: str = "reg.example") -> dict[str, str]:
    lines = (f"POST {_UPLOADS} HTTP/1.1", f"Host: {host}", "Content-Length: 0", *headers, "", "")
    status, answered, _ = service.ask("\r\n".join(lines).encode("latin-1"))
    assert status == 202
    return answered


def _client(service: Service, answered: dict[str, str]) -> str:
    line = service.wait_for_log("request", request_id=answered["x-request-id"])
    assert isinstance(line["client"], str)
    return line["client"]


@pytest.mark.parametrize(
    ("headers", "client", "base"),
    [
        (
            ["Forwarded: for=192.0.2.1;proto=https;host=a.example"],
            "192.0.2.1",
            "https://a.example",
        ),
        (
            [
                'Forwarded: for=_forged;host=evil.example, for="192.0.2.1:44";proto=https',
                "Forwarded: for=10.0.0.9",
            ],
            "192.0.2.1:44",
            "https://reg.example",
        ),
        (
            ["X-Forwarded-For: 192.0.2.66, 192.0.2.1, 10.0.0.9", "X-Forwarded-Proto: https"],
            "192.0.2.1",
            "https://reg.example",
        ),
        (
            ["X-Forwarded-For: 2001:db8::1", "X-Forwarded-Host: [2001:db8::2]:8443"],
            "2001:db8::1",
            "http://[2001:db8::2]:8443",
        ),
        (["X-Forwarded-Port: 8443"], "127.0.0.1:", "http://reg.example:8443"),
        (["Forwarded: for=unknown;proto=https"], "unknown", "https://reg.example"),
    ],
)
def test_what_a_trusted_proxy_says_is_believed(
    trusting: Service, headers: list[str], client: str, base: str
) -> None:
    answered = _start_upload(trusting, *headers)
    assert answered["location"].startswith(f"{base}{_UPLOADS}")
    seen = _client(trusting, answered)
    assert seen.startswith(client) if client.endswith(":") else seen == client


@pytest.mark.parametrize(
    "headers",
    [
        ["Forwarded: for=192.0.2.1;proto=https;host=evil.example"],
        [
            "X-Forwarded-For: 192.0.2.1",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: evil.example",
        ],
    ],
)
def test_anybody_elses_headers_are_as_good_as_not_there(
    services: dict[str, Service], headers: list[str]
) -> None:
    service = services["distant"]
    answered = _start_upload(service, *headers)
    assert answered["location"].startswith(f"http://reg.example{_UPLOADS}")
    assert _client(service, answered).startswith("127.0.0.1:")


@pytest.mark.parametrize(
    "headers",
    [
        ["Forwarded: for=192.0.2.1;proto=https;host=evil.example;for=192.0.2.2"],
        ['Forwarded: for=192.0.2.1;host="evil'],
        ["X-Forwarded-For: 192.0.2.1, evil", "X-Forwarded-Proto: https"],
        ["X-Forwarded-Host: evil.example/x"],
        ["X-Forwarded-Host: evil@example"],
        ["X-Forwarded-Host: evil\texample", "X-Forwarded-Port: 1\xff"],
        ["X-Forwarded-Proto: javascript"],
        ["Forwarded: for=192.0.2.1;host=evil.example", "X-Forwarded-For: 192.0.2.2"],
        ["Forwarded: host=evil.example", "X-Forwarded-For: 127.0.0.1"],
    ],
)
def test_what_is_malformed_or_contradicts_itself_is_ignored(
    trusting: Service, headers: list[str]
) -> None:
    answered = _start_upload(trusting, *headers)
    assert answered["location"].startswith(f"http://reg.example{_UPLOADS}")
    assert _client(trusting, answered).startswith("127.0.0.1")


def test_a_contradiction_is_told_once(trusting: Service) -> None:
    for number in range(3):
        _start_upload(trusting, f"Forwarded: for=192.0.2.{number}", "X-Forwarded-For: 192.0.2.9")
    told = [line for line in trusting.log_lines() if "contradict" in line["event"]]
    assert [line["level"] for line in told] == ["warning"]


@pytest.mark.parametrize("host", ["a b", "u@h", "h/x", "h?", "a,b"])
def test_a_host_that_is_none_leaves_locations_relative(
    services: dict[str, Service], host: str
) -> None:
    answered = _start_upload(services["distant"], host=host)
    assert answered["location"].startswith(_UPLOADS)


def test_an_external_url_wins_over_everything(services: dict[str, Service]) -> None:
    answered = _start_upload(
        services["external"], "Forwarded: for=192.0.2.1;proto=http;host=a.example"
    )
    assert answered["location"].startswith(f"https://outside.example:8443{_UPLOADS}")
    assert _client(services["external"], answered) == "192.0.2.1"


def test_locations_stay_relative_unless_asked_for(services: dict[str, Service]) -> None:
    answered = _start_upload(services["relative"], "X-Forwarded-For: 192.0.2.1")
    assert answered["location"].startswith(_UPLOADS)
    assert _client(services["relative"], answered) == "192.0.2.1"


def test_the_location_of_an_error_is_absolute_too(trusting: Service) -> None:
    location = _start_upload(trusting)["location"].removeprefix("http://reg.example")
    path = location.partition("?")[0]
    lines = (f"PATCH {path}?offset=7 HTTP/1.1", "Host: reg.example", "Content-Length: 1", "", "x")
    status, headers, _ = trusting.ask("\r\n".join(lines).encode())
    assert (status, headers["location"]) == (416, f"http://reg.example{location}")


@pytest.mark.parametrize(("proxies", "client"), [(("unix",), ("192.0.2.1", 0)), (("::1",), None)])
async def test_a_peer_over_a_unix_socket_is_trusted_by_name(
    proxies: tuple[str, ...], client: tuple[str, int] | None
) -> None:
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["client"])

    async def receive() -> Message:
        raise AssertionError("nothing is to be received")

    async def send(message: Message) -> None:
        raise AssertionError("nothing is to be sent")

    middleware = ForwardedMiddleware(app, ServerSettings(trusted_proxies=proxies))
    headers = [(b"x-forwarded-for", b"192.0.2.1")]
    await middleware({"type": "http", "client": None, "headers": headers}, receive, send)
    assert seen == [client]


@pytest.mark.parametrize("forwarded", [[(b"x-forwarded-for", b"192.0.2.1")], []])
@pytest.mark.parametrize(("peer", "is_shown"), [("10.0.0.1", False), ("10.0.0.2", True)])
async def test_the_certificate_of_a_proxy_is_nobodys_who_comes_through_it(
    peer: str, is_shown: bool, forwarded: list[tuple[bytes, bytes]]
) -> None:
    seen: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert "other" in scope["extensions"]
        seen.append("tls" in scope["extensions"])

    async def receive() -> Message:
        raise AssertionError("nothing is to be received")

    async def send(message: Message) -> None:
        raise AssertionError("nothing is to be sent")

    middleware = ForwardedMiddleware(app, ServerSettings(trusted_proxies=("10.0.0.1",)))
    scope = {"type": "http", "client": (peer, 1), "headers": forwarded}
    await middleware({**scope, "extensions": {"tls": {}, "other": {}}}, receive, send)
    assert seen == [is_shown]


def test_nothing_stands_in_the_way_where_nothing_is_asked_of_it() -> None:
    assert not ForwardedMiddleware.is_needed(ServerSettings())
    assert ForwardedMiddleware.is_needed(ServerSettings(locations="absolute"))
    assert ForwardedMiddleware.is_needed(ServerSettings(trusted_proxies=("::1",)))
