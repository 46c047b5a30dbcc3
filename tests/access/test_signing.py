"""The keys that tokens are signed with: made once, replaced in time, found at once."""

import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from core.access.state import AccessState
from core.access.tokens.authority import CertifiedKey, create_authority, sign_certificate
from core.access.tokens.signing import SigningKeys
from core.drivers import CheckedDriver, FilesystemDriver, StorageDriver
from core.errors import AccessUnavailable, DriverUnavailable
from tests.access.nodes import all_at_once, crashes_everywhere
from tests.faulty import Call, FaultyDriver

__all__: list[str] = []

DAY = 86400.0
ROTATION = timedelta(days=30)
TOKEN = timedelta(minutes=5)


class Clock:
    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def keys_of(state: AccessState, clock: Clock) -> SigningKeys:
    return SigningKeys(state, rotation=ROTATION, token_lifetime=TOKEN, now=clock)


async def test_nodes_that_make_the_first_key_at_once_sign_with_the_same(
    driver: StorageDriver, clock: Clock
) -> None:
    nodes = [keys_of(AccessState(driver), clock) for _ in range(6)]
    made = await all_at_once(*(node.current for node in nodes))
    assert len({key.kid for key in made}) == 1
    assert len(await nodes[0].list_keys()) == 1
    assert len({await node.certificate() for node in nodes}) == 1


async def test_a_certificate_is_signed_by_the_authority_and_by_nothing_else(
    state: AccessState, clock: Clock
) -> None:
    keys = keys_of(state, clock)
    authority = x509.load_pem_x509_certificate((await keys.certificate()).encode())
    kid = (await keys.current()).kid
    leaf = CertifiedKey.parse(await state.driver.get(state.paths.key(kid))).certificate
    leaf.verify_directly_issued_by(authority)
    assert authority.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    with pytest.raises(ValueError, match="issuer"):
        leaf.verify_directly_issued_by(create_authority(clock.now).certificate)


async def test_a_certificate_never_outlives_its_authority() -> None:
    authority = create_authority(time.time())
    late = authority.not_after - DAY
    signed = sign_certificate(authority, late, timedelta(days=60))
    assert signed.not_after == authority.not_after


async def test_a_key_is_replaced_when_it_is_old_and_verifies_until_its_tokens_have_expired(
    driver: StorageDriver, state: AccessState, clock: Clock
) -> None:
    keys = keys_of(state, clock)
    first = await keys.current()
    clock.now += 29 * DAY
    assert (await keys.current()).kid == first.kid
    clock.now += 1 * DAY + 1
    second = await keys.current()
    assert second.kid != first.kid
    assert await keys.find(first.kid) is not None
    assert [key.kid for key in await keys.list_keys()] == [second.kid, first.kid]
    clock.now = first.not_after + 1
    assert await keys.find(first.kid) is None
    clock.now = first.not_after + DAY
    await keys.current()
    assert first.kid not in [entry.name async for entry in driver.list(state.paths.keys)]


async def test_a_key_that_is_made_within_a_second_of_the_last_is_the_newer(
    driver: StorageDriver, clock: Clock
) -> None:
    keys = keys_of(AccessState(driver), clock)
    for _ in range(5):
        made = await keys.rotate()
        assert (await keys_of(AccessState(driver), clock).current()).kid == made.kid


async def test_a_key_that_another_node_has_just_made_is_found_within_a_second(
    driver: StorageDriver, clock: Clock
) -> None:
    here, there = (keys_of(AccessState(driver), clock) for _ in range(2))
    await here.current()
    made = await there.rotate()
    began = time.monotonic()
    found = await here.find(made.kid)
    assert found is not None
    assert found.kid == made.kid
    assert time.monotonic() - began < 1.5


async def test_kids_that_are_made_up_cost_one_look_a_second_together(
    driver: StorageDriver, clock: Clock
) -> None:
    looks: list[float] = []

    async def note(call: Call) -> None:
        if (call.method, call.moment) == ("list", "before"):
            looks.append(time.monotonic())

    await keys_of(AccessState(driver), clock).current()
    keys = keys_of(AccessState(FaultyDriver(driver, note)), clock)
    await keys.current()
    looks.clear()

    found = await all_at_once(*(partial(keys.find, f"made-up-{number}") for number in range(50)))
    assert found == [None] * 50
    assert len(looks) == 1


async def test_a_key_with_another_name_or_a_damaged_one_is_no_key(
    driver: StorageDriver, state: AccessState, clock: Clock
) -> None:
    good = await keys_of(state, clock).current()
    content = await driver.get(state.paths.key(good.kid))
    await driver.put(state.paths.key("another-name"), content)
    await driver.put(state.paths.key("damaged"), content[: len(content) // 2])
    keys = keys_of(AccessState(driver), clock)
    assert [key.kid for key in await keys.list_keys()] == [good.kid]


async def test_a_damaged_authority_is_not_replaced(
    driver: StorageDriver, state: AccessState, clock: Clock
) -> None:
    await driver.put(state.paths.authority, b"damaged")
    with pytest.raises(AccessUnavailable, match="damaged"):
        await keys_of(state, clock).current()
    assert await driver.get(state.paths.authority) == b"damaged"


async def test_an_old_key_goes_on_while_the_store_does_not_answer(
    driver: StorageDriver, clock: Clock
) -> None:
    is_away = False

    async def away(call: Call) -> None:
        if is_away:
            raise DriverUnavailable(call.path, "away")

    keys = keys_of(AccessState(FaultyDriver(driver, away)), clock)
    first = await keys.current()
    is_away = True
    clock.now += 31 * DAY
    assert (await keys.current()).kid == first.kid
    # A token that is made now would outlive the certificate.
    clock.now = first.not_after - TOKEN.total_seconds() + 1
    with pytest.raises(DriverUnavailable):
        await keys.current()


async def test_a_clock_that_was_wrong_for_a_while_leaves_no_key_that_nobody_trusts(
    driver: StorageDriver, clock: Clock
) -> None:
    wrong = Clock()
    wrong.now += 400 * DAY
    await keys_of(AccessState(driver), wrong).current()
    key = await keys_of(AccessState(driver), clock).current()
    assert datetime.fromtimestamp(key.made_at, UTC) <= datetime.fromtimestamp(clock.now, UTC)


async def test_a_node_that_crashes_while_it_makes_keys_harms_nobody(
    tmp_path: Path, clock: Clock
) -> None:
    stores = iter(range(100))

    def open_driver() -> StorageDriver:
        return CheckedDriver(FilesystemDriver(tmp_path / str(next(stores))))

    async def rotate(state: AccessState) -> None:
        await keys_of(state, clock).rotate()

    async for state in crashes_everywhere(open_driver, rotate):
        here, there = (keys_of(AccessState(state.driver), clock) for _ in range(2))
        key = await here.current()
        assert await there.find(key.kid) is not None
        assert await here.certificate() == await there.certificate()


async def test_private_keys_are_in_no_text_of_a_key(state: AccessState, clock: Clock) -> None:
    key = await keys_of(state, clock).current()
    assert "d" not in key.public()
    assert str(key.key.as_dict(private=True)["d"]) not in f"{key!r}{key.public()!r}"
