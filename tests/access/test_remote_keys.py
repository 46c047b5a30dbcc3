"""Keys that an issuer publishes: fetched, kept, renewed, and done without."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import respx
from structlog.typing import EventDict

from core.access.tokens.issuer_client import Document, IssuerClient, check_address
from core.access.tokens.remote_keys import RemoteKeys
from core.errors import AccessUnavailable
from tests.access.minting import Authority, Signer, jwk_set, pem
from tests.access.test_key_files import Clock
from tests.servers.issuer import Issuer, Manner, running_issuer

__all__: list[str] = []

KEYS = "https://issuer.example.com/keys"


class Published:
    """What an issuer has put at its address, which tests change, and how often it was fetched."""

    def __init__(self, *signers: Signer) -> None:
        self.content: bytes | None = jwk_set(*(signer.jwk() for signer in signers))
        self.max_age_seconds: float | None = None
        self.fetched = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> Document:
        """Return it once the gate is open."""
        self.fetched += 1
        await self.gate.wait()
        if self.content is None:
            raise AccessUnavailable("nobody there")
        return Document(content=self.content, max_age_seconds=self.max_age_seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def published() -> Published:
    return Published(Signer(kid="one"))


@pytest.fixture
async def keys(published: Published, clock: Clock) -> AsyncIterator[RemoteKeys]:
    source = RemoteKeys(
        published, name="issuer", refresh_seconds=600, retry_seconds=10, clock=clock
    )
    yield source
    await source.aclose()


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0.005)


async def test_keys_are_fetched_once_for_however_many_ask(
    keys: RemoteKeys, published: Published
) -> None:
    found = await asyncio.gather(*(keys.find("one") for _ in range(20)))
    assert all(len(one) == 1 for one in found)
    assert published.fetched == 1


async def test_a_new_key_is_found_as_soon_as_a_token_names_it(
    keys: RemoteKeys, published: Published, clock: Clock
) -> None:
    assert await keys.find("one")
    before = keys.generation
    published.content = jwk_set(Signer(kid="two").jwk())
    clock.seconds = 10
    assert await keys.find("two")
    assert not await keys.find("one")
    assert keys.generation > before
    assert published.fetched == 2


async def test_made_up_names_have_the_keys_fetched_no_more_than_once_in_a_while(
    keys: RemoteKeys, published: Published, clock: Clock
) -> None:
    for second in range(60):
        clock.seconds = second
        for number in range(50):
            assert not await keys.find(f"{second}-{number}")
    assert published.fetched == 6


async def test_a_set_that_is_not_fresh_is_used_while_another_is_fetched(
    keys: RemoteKeys, published: Published, clock: Clock
) -> None:
    assert await keys.find("one")
    clock.seconds = 601
    published.gate.clear()
    published.content = jwk_set(Signer(kid="two").jwk())
    assert await keys.find("one")
    published.gate.set()
    await settled()
    assert published.fetched == 2
    assert not await keys.find("one")


async def test_the_old_set_stays_in_force_while_the_issuer_is_away(
    keys: RemoteKeys, published: Published, clock: Clock, logs: list[EventDict]
) -> None:
    assert await keys.find("one")
    good, published.content = published.content, None
    for hour in range(1, 4):
        clock.seconds = hour * 3600
        assert await keys.find("one")
        await settled()
    assert published.fetched == 4
    assert [line["event"] for line in logs] == ["the keys of an issuer cannot be had"] * 3
    with pytest.raises(AccessUnavailable, match="the keys of issuer cannot be had: nobody there"):
        await keys.find("two")
    published.content = good
    clock.seconds += 10
    assert not await keys.find("two")
    assert await keys.find("one")


async def test_an_issuer_that_was_away_is_asked_again_soon(
    keys: RemoteKeys, published: Published, clock: Clock
) -> None:
    assert await keys.find("one")
    good, published.content = published.content, None
    clock.seconds = 601
    assert await keys.find("one")
    await settled()
    published.content = good
    for second, fetched in ((610, 2), (611, 3), (1200, 3)):
        clock.seconds = second
        assert await keys.find("one")
        await settled()
        assert published.fetched == fetched


async def test_a_set_that_is_of_no_use_takes_the_place_of_none(
    keys: RemoteKeys, published: Published, clock: Clock
) -> None:
    assert await keys.find("one")
    published.content = jwk_set()
    clock.seconds = 601
    assert await keys.find("one")
    await settled()
    assert await keys.find("one")


async def test_without_any_keys_nothing_can_be_said_and_the_issuer_is_not_pestered(
    keys: RemoteKeys, published: Published, clock: Clock
) -> None:
    good, published.content = published.content, None
    for _ in range(5):
        with pytest.raises(AccessUnavailable):
            await keys.find("one")
    assert published.fetched == 1
    published.content = good
    clock.seconds = 10
    assert await keys.find("one")


@pytest.mark.parametrize(
    ("said", "fresh"), [(None, 600), (300, 300), (0, 60), (5, 60), (10**8, 600)]
)
async def test_an_issuer_says_how_long_its_keys_are_fresh_within_bounds(
    keys: RemoteKeys, published: Published, clock: Clock, said: float | None, fresh: float
) -> None:
    published.max_age_seconds = said
    assert await keys.find("one")
    clock.seconds = fresh - 1
    assert await keys.find("one")
    await settled()
    assert published.fetched == 1
    clock.seconds = fresh
    assert await keys.find("one")
    await settled()
    assert published.fetched == 2


async def test_who_goes_away_while_keys_are_fetched_does_not_stop_it(
    keys: RemoteKeys, published: Published
) -> None:
    published.gate.clear()
    waiting = asyncio.create_task(keys.find("one"))
    await settled()
    waiting.cancel()
    await settled()
    published.gate.set()
    assert await keys.find("one")
    assert published.fetched == 1


async def test_to_load_is_to_begin_and_to_close_is_to_end_it(
    keys: RemoteKeys, published: Published
) -> None:
    published.gate.clear()
    await keys.load()
    await settled()
    assert published.fetched == 1
    await keys.aclose()


# The client, against a real server.


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as issuer:
        yield issuer


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[IssuerClient]:
    # A file of one is read a hundred times faster than the authorities of the whole world.
    authority = tmp_path / "authority.pem"
    authority.write_bytes(pem(Authority.root().certificate))
    client = IssuerClient(ca_file=str(authority))
    yield client
    await client.aclose()


async def test_the_keys_of_an_issuer_are_found_by_its_configuration(
    issuer: Issuer, client: IssuerClient
) -> None:
    issuer.cache_control = "public, max-age=120, must-revalidate"
    document = await client.fetch_keys_of(issuer.url)
    assert document.content == issuer.keys()
    assert document.max_age_seconds == 120
    assert issuer.asked == {"/.well-known/openid-configuration": 1, "/keys": 1}


@pytest.mark.parametrize(
    ("manner", "said"),
    [
        ("failing", "answers 500"),
        ("cut", "RemoteProtocolError"),
        ("redirect", "answers 302"),
        ("other issuer", "its configuration is of another issuer"),
        ("no keys", "its configuration names no keys"),
        ("keys elsewhere", "the address of its keys: https, or http to a loopback address"),
        ("huge", "has more than 262144 bytes"),
        ("endless", "has more than 262144 bytes"),
        ("compressed", "is compressed"),
    ],
)
async def test_an_issuer_that_misbehaves_is_one_that_cannot_be_asked(
    issuer: Issuer, client: IssuerClient, manner: Manner, said: str
) -> None:
    issuer.manner = manner
    with pytest.raises(AccessUnavailable, match=said):
        await client.fetch_keys_of(issuer.url)
    assert issuer.asked["/elsewhere"] == 0


async def test_an_issuer_that_takes_too_long_is_one_that_cannot_be_asked(
    issuer: Issuer, client: IssuerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.access.tokens.issuer_client._TOTAL_SECONDS", 0.1)
    issuer.manner, issuer.slow_seconds = "slow", 0.5
    with pytest.raises(AccessUnavailable, match="TimeoutError"):
        await client.fetch(f"{issuer.url}/keys")


@pytest.mark.parametrize("manner", ["garbage", "empty set"])
async def test_keys_that_are_none_are_told_of_and_end_nothing(
    issuer: Issuer, client: IssuerClient, manner: Manner
) -> None:
    keys = RemoteKeys(lambda: client.fetch_keys_of(issuer.url), name=issuer.url, retry_seconds=0)
    assert await keys.find("first")
    issuer.manner = manner
    with pytest.raises(AccessUnavailable, match="cannot be had"):
        await keys.find("second")
    assert await keys.find("first")
    await keys.aclose()


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example.com/keys",
        "http://10.0.0.1/keys",
        "http://127.0.0.1.example.com/keys",
        "http://localhost.example.com/keys",
        "https://user:secret@issuer.example.com/keys",
        "https:///keys",
        "file:///etc/passwd",
        "ftp://issuer.example.com/keys",
        "https://issuer.example.com/keys#here",
        "issuer.example.com",
        "",
        "http://[::1",
    ],
)
def test_keys_are_fetched_from_no_such_address(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|https"):
        check_address(url)


@pytest.mark.parametrize(
    "url", [KEYS, "http://127.0.0.1:8080/keys", "http://localhost/keys", "http://[::1]:1/keys"]
)
def test_keys_are_fetched_from_such_an_address(url: str) -> None:
    check_address(url)


@respx.mock
async def test_an_issuer_elsewhere_cannot_have_this_host_asked(client: IssuerClient) -> None:
    url = "https://issuer.example.com"
    answer = {"issuer": url, "jwks_uri": "http://127.0.0.1:9/keys"}
    respx.get(f"{url}/.well-known/openid-configuration").respond(json=answer)
    with pytest.raises(AccessUnavailable, match="the address of its keys"):
        await client.fetch_keys_of(url)


@respx.mock
@pytest.mark.parametrize(
    "error", [httpx.ConnectError("no"), httpx.ReadTimeout("no"), httpx.TooManyRedirects("no")]
)
async def test_a_request_that_fails_is_told_of_by_its_kind(
    client: IssuerClient, error: httpx.HTTPError
) -> None:
    respx.get(KEYS).mock(side_effect=error)
    with pytest.raises(AccessUnavailable, match=f"{KEYS}: {type(error).__name__}"):
        await client.fetch(KEYS)


@respx.mock
@pytest.mark.parametrize(
    ("control", "seconds"),
    [
        ("", None),
        ("max-age=60", 60),
        ("Public,Max-Age=60", 60),
        ("s-maxage=60", None),
        ("max-age=-1", None),
        ("max-age=60, no-cache", 0),
        ("no-store", 0),
        ("x-no-store", None),
    ],
)
async def test_how_long_an_answer_is_good_is_read_from_its_header(
    client: IssuerClient, control: str, seconds: float | None
) -> None:
    respx.get(KEYS).respond(content=b"{}", headers={"cache-control": control})
    assert (await client.fetch(KEYS)).max_age_seconds == seconds


@respx.mock
async def test_a_configuration_that_is_no_json_is_told_of(client: IssuerClient) -> None:
    url = "https://issuer.example.com"
    respx.get(f"{url}/.well-known/openid-configuration").respond(text="<html>")
    with pytest.raises(AccessUnavailable, match="its configuration: not JSON"):
        await client.fetch_keys_of(url)
