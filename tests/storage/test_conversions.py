"""Images from and to schema 1: what clients get, and what of it is kept."""

import gzip
import io
import json
import tarfile
import time
import zlib
from collections.abc import Callable

import pytest
from anyio import create_task_group
from anyio.lowlevel import checkpoint

from core.digest import SHA512, Digest, get_algorithm
from core.drivers import StorageDriver, create_driver
from core.errors import ManifestInvalid, ManifestUnknown
from core.manifest import (
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_V1_SIGNED,
    OCI_INDEX,
    OCI_MANIFEST,
    parse_manifest,
)
from core.manifest.schema1 import EMPTY_LAYER, EMPTY_LAYER_DIGEST, ImageFormat, split
from core.storage import (
    Conversions,
    Registry,
    Repository,
    RepositoryName,
    StoredManifest,
    Tag,
    paths,
    unpacking,
)
from core.storage.copying import CopyTally, StoreCopier
from tests.faulty import Call, FaultyDriver
from tests.manifest.schema1.signing import image, sign
from tests.storage.pushing import all_files, push_blob, read_layer

__all__: list[str] = []

NAME = RepositoryName("team/app")
V1 = Tag("1.0")
FORMATS: tuple[ImageFormat, ...] = ("schema2", "oci")
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"


def archive(content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        entry = tarfile.TarInfo("a")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return file.getvalue()


# Zeros that unpack to much more than is read or kept of them at once.
PLAIN = archive(bytes(5_000_000))
OTHER = archive(b"other")
PACKED = gzip.compress(PLAIN)


@pytest.fixture
def registry(driver: StorageDriver) -> Registry:
    return Registry(driver, schema1="convert")


@pytest.fixture
def repository(registry: Registry) -> Repository:
    return registry.repository(NAME)


def conversions(repository: Repository) -> Conversions:
    assert repository.conversions is not None
    return repository.conversions


def step(place: int, parent: int | None = None, **members: object) -> dict[str, str]:
    found: dict[str, object] = {"id": f"{place:064x}", **members}
    if parent is not None:
        found["parent"] = f"{parent:064x}"
    return {"v1Compatibility": json.dumps(found)}


async def push_signed(repository: Repository, *layers: bytes) -> StoredManifest:
    """Push an image of these layers, the newest first; what is empty is so by its history."""
    sums = [await push_blob(repository, layer or EMPTY_LAYER) for layer in layers]
    last = len(layers) - 1
    history = [
        step(place, None if place == last else place + 1, throwaway=not layer)
        for place, layer in enumerate(layers)
    ]
    members = {"fsLayers": [{"blobSum": str(one)} for one in sums], "history": history}
    manifest = await repository.manifests.read_signed(sign(image(3, **members)), V1)
    await repository.manifests.put_signed(manifest, [V1])
    return await repository.manifests.get(V1)


async def push_layer(repository: Repository, digest: Digest) -> StoredManifest:
    """Push a signed image of one layer that is there already."""
    members = {"fsLayers": [{"blobSum": str(digest)}], "history": [step(1)]}
    manifest = await repository.manifests.read_signed(sign(image(3, **members)), V1)
    await repository.manifests.put_signed(manifest, [V1])
    return await repository.manifests.get(V1)


async def push_image(repository: Repository, *layers: bytes, **config: object) -> StoredManifest:
    """Push an OCI image of these layers, the oldest first."""
    content = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": ["sha256:x"] * len(layers)},
            "history": [*[{"created_by": "x"}] * len(layers), {"empty_layer": True}],
            **config,
        }
    ).encode()
    blobs = [(CONFIG_TYPE, content)]
    blobs += [("application/vnd.oci.image.layer.v1.tar+gzip", layer) for layer in layers]
    described = [
        {"mediaType": kind, "digest": str(await push_blob(repository, blob)), "size": len(blob)}
        for kind, blob in blobs
    ]
    return await push_document(
        repository,
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": described[0],
            "layers": described[1:],
        },
    )


async def push_document(repository: Repository, document: dict[str, object]) -> StoredManifest:
    payload = json.dumps(document).encode()
    manifest = parse_manifest(payload, str(document["mediaType"]), Digest.of(payload))
    await repository.manifests.put(manifest, [V1])
    return await repository.manifests.get(V1)


@pytest.mark.parametrize(
    ("image_format", "media_type"), [("schema2", DOCKER_MANIFEST), ("oci", OCI_MANIFEST)]
)
async def test_a_signed_image_becomes_another_whose_blobs_are_all_there(
    repository: Repository, image_format: ImageFormat, media_type: str
) -> None:
    signed = await push_signed(repository, PACKED, b"", OTHER, PACKED)
    found = await conversions(repository).to_image(signed, image_format)
    assert (found.media_type, found.digest) == (media_type, Digest.of(found.payload))
    assert await repository.manifests.get(found.digest) == found
    document = json.loads(found.payload)
    assert [layer["digest"] for layer in document["layers"]] == [
        str(Digest.of(content)) for content in (PACKED, OTHER, PACKED)
    ]
    assert [layer["size"] for layer in document["layers"]] == [len(PACKED), len(OTHER), len(PACKED)]
    packed = [layer["mediaType"].endswith("gzip") for layer in document["layers"]]
    assert packed == [True, False, True]
    config = await read_layer(repository, Digest.parse(document["config"]["digest"]))
    assert len(config) == document["config"]["size"]
    assert json.loads(config)["rootfs"]["diff_ids"] == [
        str(Digest.of(content)) for content in (PLAIN, OTHER, PLAIN)
    ]
    assert [step.get("empty_layer") for step in json.loads(config)["history"]] == [
        *(None, None, True, None),
    ]


async def test_a_conversion_is_made_once(driver: StorageDriver, repository: Repository) -> None:
    signed = await push_signed(repository, PACKED)
    found = []

    async def convert() -> None:
        found.append(await conversions(repository).to_image(signed, "oci"))

    async with create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(convert)
    before = await all_files(driver)
    # Without its layer it could not be made again.
    await repository.layers.delete(Digest.of(PACKED))
    assert await conversions(repository).to_image(signed, "oci") == found[0]
    assert len({one.payload for one in found}) == 1
    await repository.manifests.delete(found[0].digest)
    with pytest.raises(ManifestInvalid):
        await conversions(repository).to_image(signed, "oci")
    await push_blob(repository, PACKED)
    assert await conversions(repository).to_image(signed, "oci") == found[0]
    assert await all_files(driver) == before


async def test_of_those_who_want_a_conversion_at_once_one_reads_each_layer_once(
    driver: StorageDriver, repository: Repository
) -> None:
    signed = await push_signed(repository, PACKED, OTHER, PACKED)
    layer = paths.blob_data(Digest.of(PACKED))
    reads: list[Call] = []

    async def count(call: Call) -> None:
        if call.path == layer and call.method == "open_reader" and call.moment == "before":
            reads.append(call)
            await checkpoint()

    counted = Registry(FaultyDriver(driver, count), schema1="convert").repository(NAME)
    async with create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(conversions(counted).to_image, signed, "oci")
    assert len(reads) == 1


async def test_a_conversion_that_was_collected_does_not_keep_a_copy_from_its_end(
    driver: StorageDriver, repository: Repository
) -> None:
    signed = await push_signed(repository, PACKED)
    found = {
        image_format: await conversions(repository).to_image(signed, image_format)
        for image_format in FORMATS
    }
    # The incumbent deletes manifests without tags if it is told to; its link to one is ours alone.
    gone = found["oci"].digest
    await driver.delete(paths.blob_data(gone).removesuffix("/data"))
    await driver.delete(paths.revision_link(NAME, gone).removesuffix("/link"))
    copied = create_driver("memory", {})
    tally = CopyTally()
    await StoreCopier(driver, copied, tally).copy()
    assert (tally.faults, tally.stale_links) == ([], 1)
    again = conversions(Registry(copied, schema1="convert").repository(NAME))
    assert paths.converted_link(NAME, signed.digest, "schema2") in await all_files(copied)
    for image_format in FORMATS:
        assert await again.to_image(signed, image_format) == found[image_format]


async def test_layers_in_several_members_are_unpacked_whole(repository: Repository) -> None:
    content = gzip.compress(PLAIN[:5000]) + gzip.compress(PLAIN[5000:])
    signed = await push_signed(repository, content)
    found = await conversions(repository).to_image(signed, "oci")
    config = json.loads(found.payload)["config"]["digest"]
    rootfs = json.loads(await read_layer(repository, Digest.parse(config)))["rootfs"]
    assert rootfs["diff_ids"] == [str(Digest.of(PLAIN))]


def test_a_layer_of_many_members_takes_time_in_proportion() -> None:
    def seconds_for(content: bytes, times: int) -> float:
        reading = unpacking._Reading()
        begin = time.process_time()
        for _ in range(times):
            reading.update(content)
        return time.process_time() - begin

    members = gzip.compress(b"", mtime=0) * 3000
    seconds_for(members, 1)
    assert seconds_for(members * 16, 1) < 4 * seconds_for(members, 16)


@pytest.mark.parametrize(
    "layer",
    [PACKED[:-9], PACKED + b"junk", b"\x1f\x8bjunk", b"\x28\xb5\x2f\xfd junk"],
    ids=["cut", "behind the end", "no gzip", "zstd"],
)
async def test_a_layer_that_cannot_be_unpacked_leaves_nothing_behind(
    driver: StorageDriver, repository: Repository, layer: bytes
) -> None:
    signed = await push_signed(repository, layer)
    before = await all_files(driver)
    with pytest.raises(ManifestInvalid):
        await conversions(repository).to_image(signed, "oci")
    assert await all_files(driver) == before


async def test_a_layer_that_unpacks_to_too_much_is_refused(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = await push_signed(repository, PACKED)
    monkeypatch.setattr(unpacking, "_MAX_UNPACKED_BYTES", len(PLAIN) - 1)
    with pytest.raises(ManifestInvalid):
        await conversions(repository).to_image(signed, "oci")
    monkeypatch.setattr(unpacking, "_MAX_UNPACKED_BYTES", len(PLAIN))
    await conversions(repository).to_image(signed, "oci")


@pytest.mark.parametrize("name", ["sha256", "sha512", "tarsum.v1+sha256"])
async def test_a_layer_that_is_damaged_is_not_made_part_of_another_image(
    driver: StorageDriver, repository: Repository, name: str
) -> None:
    digest = Digest.of(PLAIN, get_algorithm(name))
    # As a registry of the time stored it, if it is named by its archive.
    await driver.put(paths.blob_data(digest), PLAIN)
    await driver.put(paths.layer_link(NAME, digest), str(digest).encode())
    signed = await push_layer(repository, digest)
    place = PLAIN.index(bytes(1024))
    for damaged in (PLAIN[:place] + b"x" + PLAIN[place + 1 :], PLAIN[: place + 1]):
        await driver.put(paths.blob_data(digest), damaged)
        before = await all_files(driver)
        with pytest.raises(ManifestInvalid, match=r"damaged|early"):
            await conversions(repository).to_image(signed, "oci")
        assert await all_files(driver) == before
    await driver.put(paths.blob_data(digest), PLAIN)
    await conversions(repository).to_image(signed, "oci")


async def test_an_image_becomes_a_signed_one_with_its_own_digest(
    driver: StorageDriver, repository: Repository
) -> None:
    stored = await push_image(repository, PACKED)
    found = await conversions(repository).to_schema1(stored, V1)
    signed = split(found.payload)
    assert list(signed.faults()) == []
    assert (found.media_type, found.digest) == (
        DOCKER_MANIFEST_V1_SIGNED,
        Digest.of(signed.payload),
    )
    document = json.loads(signed.payload)
    assert (document["name"], document["tag"]) == ("team/app", "1.0")
    assert [layer["blobSum"] for layer in document["fsLayers"]] == [
        str(EMPTY_LAYER_DIGEST),
        str(Digest.of(PACKED)),
    ]
    assert await read_layer(repository, EMPTY_LAYER_DIGEST) == EMPTY_LAYER
    # By its digest, again, and from another process, it is the same.
    assert await repository.manifests.get(found.digest) == found
    before = await all_files(driver)
    again = conversions(Registry(driver, schema1="convert").repository(NAME))
    assert await again.to_schema1(stored, V1) == found
    assert await all_files(driver) == before


@pytest.mark.parametrize(
    "config_type", ["application/octet-stream", "application/json", "text/html"]
)
async def test_an_image_whose_configuration_was_called_something_else_is_one(
    repository: Repository, config_type: str
) -> None:
    stored = await push_image(repository, PACKED)
    expected = await conversions(repository).to_schema1(stored, V1)
    document = json.loads(stored.payload)
    document["mediaType"] = DOCKER_MANIFEST
    document["config"]["mediaType"] = config_type
    renamed = await push_document(repository, document)
    assert await conversions(repository).to_schema1(renamed, V1) == expected


async def test_of_a_list_the_image_for_linux_on_amd64_is_taken(repository: Repository) -> None:
    first = await push_image(repository, OTHER)
    wanted = await push_image(repository, PACKED)
    platforms = [("linux", "arm64", first), ("linux", "amd64", wanted), ("linux", "amd64", first)]
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [
            {
                "mediaType": OCI_MANIFEST,
                "digest": str(child.digest),
                "size": len(child.payload),
                "platform": {"os": os, "architecture": architecture},
            }
            for os, architecture, child in platforms
        ],
    }
    index = await push_document(repository, document)
    found = await conversions(repository).to_schema1(index, V1)
    assert found == await conversions(repository).to_schema1(wanted, V1)
    del document["manifests"][1:]  # type: ignore[attr-defined]
    index = await push_document(repository, document)
    with pytest.raises(ManifestUnknown):
        await conversions(repository).to_schema1(index, V1)


def list_of(media_type: str, child: StoredManifest, size: int) -> dict[str, object]:
    """An index with one child, for Linux on amd64."""
    platform = {"os": "linux", "architecture": "amd64"}
    entry = {"mediaType": media_type, "digest": str(child.digest), "size": size}
    return {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [{**entry, "platform": platform}],
    }


async def test_an_image_of_schema_1_in_a_list_is_taken_as_it_is(repository: Repository) -> None:
    signed = await push_signed(repository, PACKED)
    size = len(split(signed.payload).payload)
    index = await push_document(repository, list_of(DOCKER_MANIFEST_V1_SIGNED, signed, size))
    assert await conversions(repository).to_schema1(index, V1) == signed


async def test_a_list_in_a_list_is_no_image(repository: Repository) -> None:
    stored = await push_image(repository, PACKED)
    inner = await push_document(repository, list_of(OCI_MANIFEST, stored, len(stored.payload)))
    outer = await push_document(repository, list_of(OCI_INDEX, inner, len(inner.payload)))
    with pytest.raises(ManifestInvalid):
        await conversions(repository).to_schema1(outer, V1)


async def test_a_configuration_that_is_too_large_is_not_read(
    driver: StorageDriver, repository: Repository
) -> None:
    stored = await push_image(repository, PACKED, padding="x" * 4 * 1024 * 1024)
    config = Digest.parse(json.loads(stored.payload)["config"]["digest"])

    async def refuse(call: Call) -> None:
        assert call.path != paths.blob_data(config) or call.method == "stat"

    reading = Registry(FaultyDriver(driver, refuse), schema1="convert").repository(NAME)
    with pytest.raises(ManifestInvalid, match="too large"):
        await conversions(reading).to_schema1(stored, V1)


def _artifact(document: dict[str, object]) -> None:
    document["config"]["mediaType"] = "application/vnd.example"  # type: ignore[index]


def _zstd(document: dict[str, object]) -> None:
    layer = document["layers"][0]  # type: ignore[index]
    layer["mediaType"] = "application/vnd.oci.image.layer.v1.tar+zstd"


def _config_gone(document: dict[str, object]) -> None:
    document["config"]["digest"] = str(Digest.of(b"gone"))  # type: ignore[index]


@pytest.mark.parametrize("spoil", [_artifact, _zstd, _config_gone])
async def test_what_schema_1_has_no_form_for_is_refused(
    repository: Repository, spoil: Callable[[dict[str, object]], None]
) -> None:
    stored = await push_image(repository, PACKED)
    document = json.loads(stored.payload)
    spoil(document)
    payload = json.dumps(document).encode()
    spoiled = StoredManifest(payload=payload, media_type=OCI_MANIFEST, digest=Digest.of(payload))
    with pytest.raises(ManifestInvalid):
        await conversions(repository).to_schema1(spoiled, V1)


async def test_a_layer_of_another_algorithm_keeps_its_name(repository: Repository) -> None:
    digest = await push_blob(repository, PACKED, SHA512)
    found = await conversions(repository).to_image(await push_layer(repository, digest), "oci")
    assert json.loads(found.payload)["layers"][0]["digest"] == str(digest)


async def test_a_layer_named_by_its_archive_gets_a_name_by_its_bytes(
    driver: StorageDriver, repository: Repository
) -> None:
    # As a registry of the time stored it.
    tarsum = Digest.of(PLAIN, get_algorithm("tarsum.v1+sha256"))
    root = "/docker/registry/v2"
    place = f"tarsum/v1/sha256/{tarsum.encoded[:2]}/{tarsum.encoded}"
    await driver.put(f"{root}/blobs/{place}/data", PLAIN)
    link = f"tarsum/v1/sha256/{tarsum.encoded}/link"
    await driver.put(f"{root}/repositories/{NAME}/_layers/{link}", str(tarsum).encode())
    found = await conversions(repository).to_image(await push_layer(repository, tarsum), "oci")
    [layer] = json.loads(found.payload)["layers"]
    assert layer["digest"] == str(Digest.of(PLAIN))
    assert await read_layer(repository, Digest.of(PLAIN)) == PLAIN
    assert await read_layer(repository, tarsum) == PLAIN


def test_the_empty_layer_unpacks_to_an_archive_with_nothing_in_it() -> None:
    assert zlib.decompress(EMPTY_LAYER, 31) == bytes(1024)
