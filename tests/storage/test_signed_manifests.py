"""Signed images of schema 1: what of them is stored, and how they come back."""

import json
from collections.abc import Sequence

import pytest
from anyio import create_task_group

from core.digest import Digest
from core.drivers import StorageDriver, create_driver
from core.errors import (
    DigestMismatch,
    DriverUnavailable,
    ManifestBlobUnknown,
    ManifestFaults,
    ManifestInvalid,
    ManifestUnverified,
    NameInvalid,
    RegistryError,
    Schema1Refused,
    TagInvalid,
)
from core.manifest import DOCKER_MANIFEST_V1_SIGNED
from core.manifest.schema1 import PrivateKey, split
from core.storage import Registry, Repository, RepositoryName, Tag, paths
from core.storage.copying import CopyTally, StoreCopier
from core.storage.signatures import MAX_STORED
from core.storage.signing_key import SigningKey
from tests.manifest.schema1.signing import ES, RS, Key, image, sign
from tests.storage.pushing import ROOT, all_files, push_blob

__all__: list[str] = []

NAME = RepositoryName("team/app")
V1 = Tag("1.0")
LAYER = b"a layer"
REPOSITORY = f"{ROOT}/repositories/team/app"


def payload(indent: int | None = 3, **members: object) -> bytes:
    layers = [{"blobSum": str(Digest.of(LAYER))}]
    return image(indent, **{"fsLayers": layers, **members})


@pytest.fixture
def registry(driver: StorageDriver) -> Registry:
    return Registry(driver, schema1="accept")


@pytest.fixture
async def repository(registry: Registry) -> Repository:
    repository = registry.repository(NAME)
    await push_blob(repository, LAYER)
    return repository


async def push(repository: Repository, document: bytes, reference: Tag | Digest = V1) -> Digest:
    manifest = await repository.manifests.read_signed(document, reference)
    tags = [reference] if isinstance(reference, Tag) else []
    await repository.manifests.put_signed(manifest, tags)
    return manifest.digest


async def faults_of(
    repository: Repository, document: bytes, reference: Tag | Digest = V1
) -> Sequence[RegistryError]:
    with pytest.raises(RegistryError) as caught:
        await push(repository, document, reference)
    if isinstance(caught.value, ManifestFaults):
        return caught.value.faults
    return [caught.value]


async def test_a_push_leaves_the_files_that_registries_of_the_time_left(
    driver: StorageDriver, repository: Repository
) -> None:
    document = sign(payload(), ES, RS)
    before = await all_files(driver)
    digest = await push(repository, document)
    assert digest == Digest.of(payload())
    entries = json.loads(document)["signatures"]
    blobs = [json.dumps(entry, separators=(",", ":")).encode() for entry in entries]
    revision = f"{REPOSITORY}/_manifests/revisions/sha256/{digest.encoded}"
    tag = f"{REPOSITORY}/_manifests/tags/1.0"
    stored = await all_files(driver)
    expected = {
        f"{ROOT}/blobs/sha256/{digest.encoded[:2]}/{digest.encoded}/data": payload(),
        f"{revision}/link": str(digest).encode(),
        f"{tag}/current/link": str(digest).encode(),
        f"{tag}/index/sha256/{digest.encoded}/link": str(digest).encode(),
    }
    for blob in blobs:
        signature = Digest.of(blob)
        expected |= {
            f"{ROOT}/blobs/sha256/{signature.encoded[:2]}/{signature.encoded}/data": blob,
            f"{revision}/signatures/sha256/{signature.encoded}/link": str(signature).encode(),
        }
    assert {path: stored[path] for path in stored if path not in before} == expected


@pytest.mark.parametrize("indent", [3, 1, None])
async def test_what_was_pushed_in_the_usual_form_comes_back_byte_for_byte(
    repository: Repository, indent: int | None
) -> None:
    document = sign(payload(indent), ES, RS)
    digest = await push(repository, document)
    for reference in (V1, digest):
        found = await repository.manifests.get(reference)
        assert found.payload == document
        assert (found.digest, found.media_type) == (digest, DOCKER_MANIFEST_V1_SIGNED)


async def test_what_was_pushed_in_another_form_comes_back_in_the_usual_one(
    repository: Repository,
) -> None:
    usual = sign(payload(), ES)
    spaced = usual.replace(b'"signatures": [', b'"signatures"  :[')
    digest = await push(repository, spaced)
    assert digest == Digest.of(payload())
    assert (await repository.manifests.get(V1)).payload == usual


async def test_signatures_of_several_pushes_are_joined(repository: Repository) -> None:
    digest = await push(repository, sign(payload(), ES))
    assert await push(repository, sign(payload(), RS)) == digest
    found = split((await repository.manifests.get(V1)).payload)
    assert sorted(one.key.key_id for one in found.signatures) == sorted([ES.kid, RS.kid])
    assert list(found.faults()) == []


async def test_a_manifest_keeps_no_more_than_so_many_signatures(repository: Repository) -> None:
    for _ in range(4):
        document = sign(payload(), *[ES] * 32)
        await push(repository, document)
    found = json.loads((await repository.manifests.get(V1)).payload)
    assert len(found["signatures"]) == MAX_STORED


async def test_signatures_belong_to_the_repository_that_they_were_pushed_to(
    registry: Registry, repository: Repository
) -> None:
    other = registry.repository(RepositoryName("team/other"))
    await push_blob(other, LAYER)
    named = payload(name="team/other")
    await push(other, sign(named, ES))
    await push(repository, sign(payload(), RS))
    found = split((await other.manifests.get(V1)).payload)
    assert [one.key.key_id for one in found.signatures] == [ES.kid]


async def test_a_manifest_without_signatures_gets_one_that_stays_the_same(
    driver: StorageDriver, repository: Repository
) -> None:
    digest = await push(repository, sign(payload(), ES))
    await driver.delete(f"{REPOSITORY}/_manifests/revisions/sha256/{digest.encoded}/signatures")
    first = (await repository.manifests.get(V1)).payload
    signed = split(first)
    assert signed.payload == payload()
    assert list(signed.faults()) == []
    # Another process over the store, which has to find the key.
    again = Registry(driver).repository(NAME)
    assert (await again.manifests.get(V1)).payload == first
    # Of making the key nothing is left but the key.
    ours = [path for path in await all_files(driver) if "/_moorage/" in path]
    assert ours == [f"{ROOT}/_moorage/schema1/key.pem"]
    own = PrivateKey(RS.private)
    given = Registry(driver, schema1_key=own).repository(NAME)
    [signature] = split((await given.manifests.get(V1)).payload).signatures
    assert signature.key.key_id == RS.kid


async def test_all_who_need_the_key_at_once_get_the_same(
    driver: StorageDriver, repository: Repository
) -> None:
    digest = await push(repository, sign(payload(), ES))
    await driver.delete(f"{REPOSITORY}/_manifests/revisions/sha256/{digest.encoded}/signatures")
    found = set()

    async def pull() -> None:
        manifests = Registry(driver).repository(NAME).manifests
        found.add((await manifests.get(V1)).payload)

    async with create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(pull)
    assert len(found) == 1


async def test_a_key_that_somebody_made_just_before_is_taken(driver: StorageDriver) -> None:
    made = await SigningKey(driver).get()
    # As if the other had not been done yet when this one first looked.
    assert (await SigningKey(driver)._make()).public.key_id == made.public.key_id


async def test_a_key_that_is_damaged_is_not_replaced(
    driver: StorageDriver, repository: Repository
) -> None:
    digest = await push(repository, sign(payload(), ES))
    await driver.delete(f"{REPOSITORY}/_manifests/revisions/sha256/{digest.encoded}/signatures")
    path = f"{ROOT}/_moorage/schema1/key.pem"
    await driver.put(path, b"junk")
    with pytest.raises(DriverUnavailable):
        await repository.manifests.get(V1)
    assert await driver.get(path) == b"junk"


async def test_signatures_that_are_damaged_are_left_out(
    driver: StorageDriver, repository: Repository
) -> None:
    digest = await push(repository, sign(payload(), ES, RS))
    revision = f"{REPOSITORY}/_manifests/revisions/sha256/{digest.encoded}/signatures/sha256"
    # Of another payload, no signature at all, one whose content is gone, and one without a link.
    other = split(sign(payload(tag="another"), ES)).signatures[0].compact()
    for content in (other, b"{}"):
        signature = await push_blob(repository, content)
        await driver.put(f"{revision}/{signature.encoded}/link", str(signature).encode())
    gone = Digest.of(b"gone")
    await driver.put(f"{revision}/{gone.encoded}/link", str(gone).encode())
    good = split(sign(payload(), Key("EC", 384))).signatures[0].compact()
    unlinked = await push_blob(repository, good)
    await driver.put(f"{revision}/{unlinked.encoded}/link", b"junk")
    found = await repository.manifests.get(V1)
    assert found.payload == sign_of(found.payload)
    assert len(split(found.payload).signatures) == 2


def sign_of(document: bytes) -> bytes:
    """The document, if all of its signatures are good."""
    assert list(split(document).faults()) == []
    return document


async def test_every_fault_is_told_at_once(repository: Repository) -> None:
    missing = [str(Digest.of(content)) for content in (b"1", b"2")]
    document = sign(
        payload(
            name="team/other",
            tag="2.0",
            fsLayers=[{"blobSum": digest} for digest in [missing[0], *missing]],
        ),
        entry={"signature": "A" * 86},
    )
    faults = await faults_of(repository, document)
    assert [(type(fault), fault.detail.get("field")) for fault in faults] == [
        (ManifestUnverified, "signatures[0].signature"),
        (NameInvalid, None),
        (TagInvalid, None),
        (ManifestInvalid, "history"),
        (ManifestBlobUnknown, "fsLayers[0].blobSum"),
        (ManifestBlobUnknown, "fsLayers[2].blobSum"),
    ]
    assert [fault.detail["digest"] for fault in faults[-2:]] == missing
    assert [fault.detail for fault in faults[1:3]] == [
        {
            "name": "team/other",
            "reason": "the manifest is pushed to team/app, and names another",
        },
        {"tag": "2.0", "reason": "the manifest is pushed to 1.0, and names another"},
    ]


@pytest.mark.parametrize(
    ("document", "kinds"),
    [
        (payload(), [ManifestUnverified]),
        (payload(tag="2"), [ManifestUnverified, TagInvalid]),
        (sign(payload(schemaVersion=7)), [ManifestInvalid]),
        (sign(payload(fsLayers=[{"blobSum": "sha256:x"}])), [RegistryError]),
        (sign(payload(fsLayers=[], history=[])), [ManifestInvalid]),
        (sign(payload().replace(b"{\n   ", b"{\n" + b" " * 65, 1)), [ManifestInvalid]),
        (b"{", [ManifestInvalid]),
    ],
    ids=["unsigned", "two faults", "version", "digest", "empty", "indent", "no JSON"],
)
async def test_a_bad_document_leaves_nothing_behind(
    driver: StorageDriver,
    repository: Repository,
    document: bytes,
    kinds: list[type[RegistryError]],
) -> None:
    before = await all_files(driver)
    faults = await faults_of(repository, document)
    assert len(faults) == len(kinds)
    assert all(isinstance(*pair) for pair in zip(faults, kinds, strict=True))
    assert await all_files(driver) == before


async def test_pushed_by_digest_a_document_has_any_tag_and_that_digest(
    repository: Repository,
) -> None:
    document = sign(payload(tag="whatever"))
    digest = split(document).payload
    assert await push(repository, document, Digest.of(digest)) == Digest.of(digest)
    [fault] = await faults_of(repository, document, Digest.of(document))
    assert isinstance(fault, DigestMismatch)


async def test_pushes_are_refused_unless_the_setting_allows_them_and_pulls_are_not(
    driver: StorageDriver, repository: Repository
) -> None:
    document = sign(payload())
    await push(repository, document)
    refusing = Registry(driver).repository(NAME)
    [fault] = await faults_of(refusing, document)
    assert isinstance(fault, Schema1Refused)
    assert "manifests.schema1" in fault.message
    assert (await refusing.manifests.get(V1)).payload == document


async def test_a_sparse_image_is_taken_where_others_are() -> None:
    driver = create_driver("memory", {})
    registry = Registry(driver, schema1="accept", missing_references="accept")
    await push(registry.repository(NAME), sign(payload()))


async def test_a_copy_of_a_store_has_the_signatures_too(
    driver: StorageDriver, repository: Repository
) -> None:
    document = sign(payload(), ES, RS)
    await push(repository, document)
    copied = create_driver("memory", {})
    tally = CopyTally()
    await StoreCopier(driver, copied, tally).copy()
    assert not tally.faults
    assert (await Registry(copied).repository(NAME).manifests.get(V1)).payload == document


async def test_signatures_that_were_collected_do_not_keep_a_copy_from_its_end(
    driver: StorageDriver, repository: Repository
) -> None:
    digest = await push(repository, sign(payload(), ES, RS))
    for signature in split((await repository.manifests.get(V1)).payload).signatures:
        # The incumbent's garbage collection takes them, and leaves their links.
        await driver.delete(paths.blob_data(Digest.of(signature.compact())).removesuffix("/data"))
    copied = create_driver("memory", {})
    tally = CopyTally()
    await StoreCopier(driver, copied, tally).copy()
    assert (tally.faults, tally.stale_links) == ([], 2)
    assert not await all_files(copied, paths.signatures(NAME, digest))
    found = await Registry(copied).repository(NAME).manifests.get(V1)
    assert split(found.payload).payload == payload()


async def test_signatures_that_were_collected_take_no_room(
    driver: StorageDriver, repository: Repository
) -> None:
    digest = await push(repository, sign(payload(), ES))
    for number in range(MAX_STORED):
        gone = Digest.of(str(number).encode())
        await driver.put(paths.signature_link(NAME, digest, gone), str(gone).encode())
    await push(repository, sign(payload(), RS))
    found = split((await repository.manifests.get(V1)).payload)
    assert sorted(one.key.key_id for one in found.signatures) == sorted([ES.kid, RS.kid])


async def test_a_second_push_heals_what_was_damaged(
    driver: StorageDriver, repository: Repository
) -> None:
    document = sign(payload(), Key("EC", 384))
    await push(repository, document)
    for path in await all_files(driver):
        if "/blobs/" in path and Digest.of(LAYER).encoded not in path:
            await driver.put(path, b"damaged")
    await push(repository, document)
    assert (await repository.manifests.get(V1)).payload == document
