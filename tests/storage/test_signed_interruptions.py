"""Signed images whose push or conversion is cut off anywhere, or meets another one."""

from collections.abc import Awaitable, Callable

import pytest
from anyio import CancelScope, create_task_group
from anyio.lowlevel import checkpoint

from core.digest import Digest
from core.drivers import StorageDriver
from core.errors import DriverError, DriverUnavailable, ManifestUnknown
from core.manifest.schema1 import split
from core.storage import Registry, RepositoryName, Tag
from tests.faulty import Call, Crash, FaultyDriver, fails_at
from tests.manifest.schema1.signing import ES, RS, image, sign
from tests.storage.pushing import ROOT, all_files, push_blob

__all__: list[str] = []

NAME = RepositoryName("team/app")
V1 = Tag("1.0")
LAYER = b"a layer"
PAYLOAD = image(3, fsLayers=[{"blobSum": str(Digest.of(LAYER))}])
DOCUMENT = sign(PAYLOAD, ES, RS)
MANIFESTS = f"{ROOT}/repositories/{NAME}/_manifests"
CONVERTED = f"{ROOT}/repositories/{NAME}/_converted"

Step = Callable[[StorageDriver], Awaitable[None]]


async def push(driver: StorageDriver, document: bytes = DOCUMENT) -> None:
    manifests = Registry(driver, schema1="accept").repository(NAME).manifests
    await manifests.put_signed(await manifests.read_signed(document, V1), [V1])


async def convert(driver: StorageDriver) -> None:
    repository = Registry(driver, schema1="convert").repository(NAME)
    assert repository.conversions is not None
    signed = await Registry(driver).repository(NAME).manifests.get(V1)
    await repository.conversions.to_image(signed, "oci")


async def pull(driver: StorageDriver) -> bytes | None:
    """The image, or None if there is no such tag; a tag without its image fails."""
    repository = Registry(driver).repository(NAME)
    if await repository.tags.find(V1) is None:
        return None
    return (await repository.manifests.get(V1)).payload


async def pull_by_digest(driver: StorageDriver) -> bytes | None:
    """The image, or None if the repository does not have it."""
    try:
        return (await Registry(driver).repository(NAME).manifests.get(Digest.of(PAYLOAD))).payload
    except ManifestUnknown:
        return None


async def count_calls(driver: StorageDriver, step: Step) -> int:
    numbers = []

    async def count(call: Call) -> None:
        numbers.append(call.number)

    await step(FaultyDriver(driver, count))
    return max(numbers) + 1


async def interrupt(
    driver: StorageDriver, step: Step, number: int, moment: str, fault: Callable[[], BaseException]
) -> bool:
    """Cut a step off at one call; say whether that was so: a call that fails has no end."""
    try:
        await step(FaultyDriver(driver, fails_at(number, moment, fault)))
    except (Crash, DriverError):
        return True
    except BaseExceptionGroup as group:
        # Some calls are made in tasks of their own.
        assert group.subgroup(Crash) is not None
        return True
    return False


@pytest.fixture(autouse=True)
async def layer(driver: StorageDriver) -> None:
    await push_blob(Registry(driver).repository(NAME), LAYER)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("fault", [Crash, lambda: DriverUnavailable("/x", "told to fail")])
async def test_a_push_that_is_interrupted_anywhere_shows_nothing_without_its_signatures(
    driver: StorageDriver, moment: str, fault: Callable[[], BaseException]
) -> None:
    interruptions = 0
    for number in range(await count_calls(driver, push)):
        await driver.delete(MANIFESTS)
        interruptions += await interrupt(driver, push, number, moment, fault)
        assert await pull(driver) in {None, DOCUMENT}
        # Signed by its own key, it would be another document to whoever asks in between.
        assert await pull_by_digest(driver) in {None, DOCUMENT}
        await push(driver)
        assert await pull(driver) == DOCUMENT
    assert interruptions > 8


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_push_that_is_cancelled_anywhere_has_happened_whole_or_not_at_all(
    driver: StorageDriver, moment: str
) -> None:
    outcomes = set()
    for number in range(await count_calls(driver, push)):
        await driver.delete(MANIFESTS)
        with CancelScope() as scope:

            async def cancel(call: Call, number: int = number, scope: CancelScope = scope) -> None:
                if (call.number, call.moment) == (number, moment):
                    scope.cancel()
                    await checkpoint()

            await push(FaultyDriver(driver, cancel))
        outcomes.add(await pull(driver))
        if await pull(driver) is None:
            await push(driver)
    assert outcomes == {None, DOCUMENT}


async def test_two_who_push_at_once_with_keys_of_their_own_are_both_among_the_signers(
    driver: StorageDriver,
) -> None:
    async with create_task_group() as tasks:
        for key in (ES, RS):
            tasks.start_soon(push, driver, sign(PAYLOAD, key))
    document = await pull(driver)
    assert document is not None
    signers = {signature.key.key_id for signature in split(document).signatures}
    assert signers == {ES.kid, RS.kid}


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_conversion_that_is_interrupted_anywhere_is_made_again(
    driver: StorageDriver, moment: str
) -> None:
    await push(driver)
    total = await count_calls(driver, convert)
    expected = await all_files(driver)
    interruptions = 0
    for number in range(total):
        for path in await all_files(driver, CONVERTED):
            digest = Digest.parse((await driver.get(path)).decode())
            await driver.delete(path)
            await Registry(driver).repository(NAME).manifests.delete(digest)
        interruptions += await interrupt(driver, convert, number, moment, Crash)
        await convert(driver)
        assert await all_files(driver) == expected
    assert interruptions > 8
