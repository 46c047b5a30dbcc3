"""Pages of tags and of the catalog; a page has twenty entries at most here."""

from pathlib import Path

import pytest

from tests.api.content import EMPTY_JSON, Repository, digest_of, image
from tests.api.wire import Wire, add_query
from tests.live import running_registry

__all__: list[str] = []


def push_tags(repository: Repository, tags: list[str]) -> None:
    """Push one manifest under many tags."""
    repository.push_blob(EMPTY_JSON)
    query = "&".join(f"tag={tag}" for tag in tags)
    repository.push_manifest(image(), f"{digest_of(image())}?{query}")


def follow(wire: Wire, target: str, key: str) -> list[list[str]]:
    """Give the entries of every page from `target` on."""
    pages = []
    while True:
        answer = wire.get(target)
        assert answer.status == 200
        pages.append(answer.json()[key])
        link = answer.headers.get("link")
        if link is None:
            return pages
        assert link.endswith('>; rel="next"')
        target = link.partition(">")[0].removeprefix("<")


def test_a_page_larger_than_the_largest_is_cut_and_goes_on(repository: Repository) -> None:
    tags = sorted(f"t{number}" for number in range(25))
    push_tags(repository, tags)
    for asked in ("1000", "21", "99999999999999999999"):
        pages = follow(repository.wire, f"{repository.url}/tags/list?n={asked}", "tags")
        assert pages == [tags[:20], tags[20:]]
    assert follow(repository.wire, f"{repository.url}/tags/list", "tags") == [tags]


def test_the_link_keeps_no_other_parameter_and_escapes_the_last_entry(
    repository: Repository,
) -> None:
    push_tags(repository, ["a", "b"])
    answer = repository.wire.get(f"{repository.url}/tags/list?x=y&n=1")
    assert answer.headers["link"] == f'<{repository.url}/tags/list?n=1&last=a>; rel="next"'


BAD_NUMBERS = ["-1", "abc", "", "1.5", "1.0", "%2B1", "1_0", "0x1", "%D9%A1", "1e3", "%20", "%00"]


@pytest.mark.parametrize("number", BAD_NUMBERS)
@pytest.mark.parametrize("path", ["tags", "catalog", "referrers"])
def test_a_number_of_entries_that_is_none_is_refused(
    repository: Repository, path: str, number: str
) -> None:
    repository.push_image("tag")
    target = {
        "tags": f"{repository.url}/tags/list",
        "catalog": "/v2/_catalog",
        "referrers": f"{repository.url}/referrers/{digest_of(b'')}",
    }[path]
    answer = repository.wire.get(f"{target}?n={number}")
    assert answer.assert_error(400, "PAGINATION_NUMBER_INVALID")["parameter"] == "n"


@pytest.mark.parametrize("last", ["zzz", "b%00", "../x", "%ff", "B", "%2e", "x" * 5000])
def test_a_last_entry_that_is_none_is_only_a_place(repository: Repository, last: str) -> None:
    push_tags(repository, ["a", "c"])
    for target in (f"{repository.url}/tags/list", "/v2/_catalog"):
        assert repository.wire.get(f"{target}?last={last}").status == 200


def test_the_catalog_lists_a_parent_before_its_children_in_pages(tmp_path: Path) -> None:
    names = ["a", "a/0", "a/b", "a/b/c", "a-b", "a.b", "b/c", "b0"]
    with running_registry(tmp_path) as service:
        wire = Wire(service)
        assert wire.get("/v2/_catalog").json() == {"repositories": []}
        for name in names:
            Repository(wire, name).push_image("tag")
        Repository(wire, "only/blobs").push_blob(b"x")
        for size in range(1, len(names) + 2):
            pages = follow(wire, f"/v2/_catalog?n={size}", "repositories")
            assert [name for page in pages for name in page] == names
            assert all(len(page) == size for page in pages[:-1])
            assert pages[-1]
        link = wire.get("/v2/_catalog?n=3").headers["link"]
        assert link == '</v2/_catalog?n=3&last=a%2Fb>; rel="next"'
        for last, rest in (("a/00", names[2:]), ("a/z", names[4:]), ("a-", names[4:]), ("c", [])):
            answer = wire.get(add_query("/v2/_catalog", last=last))
            assert answer.json() == {"repositories": rest}
        zero = wire.get("/v2/_catalog?n=0")
        assert (zero.json(), "link" in zero.headers) == ({"repositories": []}, False)
