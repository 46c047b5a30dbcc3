"""Whose an upload is, told by its id."""

import uuid

import pytest

from core.access import ANONYMOUS, Principal
from core.access.upload_owners import UploadOwners

__all__: list[str] = []

ANN = Principal(kind="user", name="ann")


def owners(byte: bytes = b"s") -> UploadOwners:
    async def find_secret() -> bytes:
        return byte * 32

    return UploadOwners(find_secret)


OWNERS = owners()


async def test_an_id_is_a_uuid_of_version_8_and_no_two_are_alike() -> None:
    made = {await OWNERS.make(ANN, "team/app") for _ in range(1000)}
    assert len(made) == 1000
    for upload_id in made:
        found = uuid.UUID(upload_id)
        assert str(found) == upload_id
        assert (found.version, found.variant) == (8, uuid.RFC_4122)


async def test_an_upload_is_of_who_began_it_on_every_node_and_in_no_other_repository() -> None:
    upload_id = await OWNERS.make(ANN, "team/app")
    assert await owners().is_of(upload_id, Principal(kind="user", name="ann"), "team/app")
    assert not await OWNERS.is_of(upload_id, Principal(kind="user", name="bob"), "team/app")
    assert not await OWNERS.is_of(upload_id, Principal(kind="robot", name="ann"), "team/app")
    assert not await OWNERS.is_of(upload_id, ANONYMOUS, "team/app")
    assert not await OWNERS.is_of(upload_id, ANN, "team/app2")
    assert not await owners(b"t").is_of(upload_id, ANN, "team/app")


async def test_an_id_with_any_bit_changed_is_nobodys() -> None:
    value = uuid.UUID(await OWNERS.make(ANN, "team/app")).int
    for bit in range(128):
        changed = uuid.UUID(int=value ^ (1 << bit))
        if changed.version == 8:
            assert not await OWNERS.is_of(str(changed), ANN, "team/app"), bit


@pytest.mark.parametrize("text", ["7b7c61a5-2ab0-4f6c-a5c3-0b1f2a64f4b5", "x", "", "９" * 32])
async def test_an_id_that_was_made_elsewhere_is_for_everybody(text: str) -> None:
    assert await OWNERS.is_of(text, ANN, "team/app")
