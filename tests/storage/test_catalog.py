"""The catalog: every repository that has or had manifests, page by page."""

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.digest import SHA512, Digest
from core.drivers import StorageDriver, create_driver
from core.errors import NameInvalid, TagInvalid
from core.storage import Registry, RepositoryName, Tag, parse_reference, paths
from tests.storage.pushing import ROOT, image, push_blob, push_image

__all__: list[str] = []


async def plant(driver: StorageDriver, name: str) -> None:
    await driver.put(f"{ROOT}/repositories/{name}/_manifests/tags/t/current/link", b"")


async def catalog(driver: StorageDriver, start_after: str = "") -> list[str]:
    return [str(name) async for name in Registry(driver).list_repositories(start_after)]


async def test_an_empty_store_has_no_repositories(driver: StorageDriver) -> None:
    assert await catalog(driver) == []


async def test_a_parent_comes_before_what_is_below_it_and_that_before_its_neighbours(
    driver: StorageDriver,
) -> None:
    for name in ("a-b", "a/b/c", "a", "a/b", "b/c", "a.b", "0"):
        await plant(driver, name)
    assert await catalog(driver) == ["0", "a", "a/b", "a/b/c", "a-b", "a.b", "b/c"]


async def test_a_repository_is_listed_once_it_had_a_manifest(driver: StorageDriver) -> None:
    blobs_only = Registry(driver).repository(RepositoryName("blobs"))
    await push_blob(blobs_only, b"content")
    await push_image(Registry(driver).repository(RepositoryName("images/one")), image())
    assert await catalog(driver) == ["images/one"]


async def test_what_other_programs_made_is_passed_over(driver: StorageDriver) -> None:
    await plant(driver, "a")
    await plant(driver, "Upper")
    await driver.put(f"{ROOT}/repositories/file", b"")
    await driver.put(f"{ROOT}/repositories/a/_other/_manifests/x", b"")
    assert await catalog(driver) == ["a"]


COMPONENT = st.sampled_from(["a", "b", "a-b", "a.b", "0", "ab"])
NAMES = st.lists(COMPONENT, min_size=1, max_size=3).map("/".join)


@settings(max_examples=60, deadline=None)
@given(names=st.sets(NAMES, max_size=12), start_after=st.one_of(st.just(""), NAMES))
def test_a_page_is_what_comes_behind_any_name(names: set[str], start_after: str) -> None:
    async def page() -> list[str]:
        driver = create_driver("memory", {})
        for name in names:
            await plant(driver, name)
        return await catalog(driver, start_after)

    in_order = sorted(names, key=lambda name: name.split("/"))
    behind = [name for name in in_order if name.split("/") > start_after.split("/")]
    assert anyio.run(page) == (behind if start_after else in_order)


# Names and paths.


@pytest.mark.parametrize(
    "text", ["a", "a/b", "a-b", "a--b", "a_b", "a__b", "a.b", "0/1", "a" * 255]
)
def test_a_name_within_the_grammar_is_a_name(text: str) -> None:
    assert str(RepositoryName.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "/", "a/", "/a", "a//b", "A", "a_", "-a", "a..b", "..", "a/../b", "a___b", "a b", "a\n",
     "_uploads", "a/_layers", "é", "a\0", "a:b", "a" * 256],
)  # fmt: skip
def test_a_name_outside_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(NameInvalid) as caught:
        RepositoryName.parse(text)
    assert caught.value.detail["name"] == text


@pytest.mark.parametrize("text", ["", ".a", "-a", "a/b", "a b", "a\n", "..", "é", "a" * 129])
def test_a_tag_outside_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(TagInvalid):
        Tag.parse(text)


def test_a_reference_with_a_colon_is_a_digest() -> None:
    digest = Digest.of(b"")
    assert parse_reference(str(digest)) == digest
    for text in ("v1", "_", "a" * 128, "A.b-c_d"):
        assert parse_reference(text) == Tag(text)


def test_every_path_is_the_one_that_the_incumbent_writes() -> None:
    name, tag, digest = RepositoryName("n/m"), Tag("T"), Digest.of(b"")
    h = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    r = "/docker/registry/v2/repositories/n/m"
    assert paths.blob_data(digest) == f"/docker/registry/v2/blobs/sha256/e3/{h}/data"
    assert paths.layer_link(name, digest) == f"{r}/_layers/sha256/{h}/link"
    assert paths.revision_link(name, digest) == f"{r}/_manifests/revisions/sha256/{h}/link"
    assert paths.tag_directory(name, tag) == f"{r}/_manifests/tags/T"
    assert paths.tag_current_link(name, tag) == f"{r}/_manifests/tags/T/current/link"
    assert paths.tag_index_link(name, tag, digest) == (
        f"{r}/_manifests/tags/T/index/sha256/{h}/link"
    )
    assert paths.upload_data(name, "u") == f"{r}/_uploads/u/data"
    assert paths.upload_started_at(name, "u") == f"{r}/_uploads/u/startedat"
    long = Digest.of(b"", SHA512)
    assert paths.blob_data(long) == f"/docker/registry/v2/blobs/sha512/cf/{long.encoded}/data"
