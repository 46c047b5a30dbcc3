"""Paths and methods that are none, and what the framework refuses by itself."""

import pytest

from tests.api.content import Repository, digest_of
from tests.api.wire import Wire

__all__: list[str] = []

DIGEST = digest_of(b"")
METHODS = {
    "/v2/": "GET, HEAD",
    "/v2/_catalog": "GET",
    "/v2/a/b/tags/list": "GET",
    "/v2/a/b/manifests/tag": "DELETE, GET, HEAD, PUT",
    f"/v2/a/b/blobs/{DIGEST}": "DELETE, GET, HEAD",
    "/v2/a/b/blobs/uploads/": "POST",
    "/v2/a/b/blobs/uploads/some-id": "DELETE, GET, HEAD, PATCH, PUT",
    f"/v2/a/b/referrers/{DIGEST}": "GET",
}
ALL_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT", "TRACE")


@pytest.mark.parametrize(
    "path",
    [
        "/v2/a",
        "/v2/a/b",
        "/v2/_catalog/",
        "/v2/a/tags",
        "/v2/a/tags/list/",
        "/v2/a/tags/other",
        "/v2/a/manifests/",
        "/v2/a/manifests/x/y",
        "/v2/a/blobs/uploads/x/y",
        "/v2/a/unknown/x",
        "/v1/",
        "/v22/",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS"])
def test_a_path_that_is_no_endpoint_is_not_found(wire: Wire, method: str, path: str) -> None:
    answer = wire.ask(method, path)
    if method == "HEAD":
        assert (answer.status, answer.body) == (404, b"")
    else:
        assert answer.assert_error(404, "NOT_FOUND") == {"path": path}


@pytest.mark.parametrize("path", METHODS)
def test_a_method_that_an_endpoint_has_not_is_refused_with_those_it_has(
    wire: Wire, path: str
) -> None:
    for method in set(ALL_METHODS) - set(METHODS[path].split(", ")):
        answer = wire.ask(method, path)
        assert (answer.status, answer.headers["allow"]) == (405, METHODS[path])
        if method == "HEAD":
            assert answer.body == b""
        else:
            detail = answer.assert_error(405, "UNSUPPORTED")
            assert detail == {"method": method, "allow": METHODS[path]}


@pytest.mark.parametrize("path", METHODS)
def test_options_tell_the_methods(wire: Wire, path: str) -> None:
    answer = wire.ask("OPTIONS", path)
    assert (answer.status, answer.body, answer.headers["allow"]) == (200, b"", METHODS[path])


@pytest.mark.parametrize(
    "path",
    [
        "/v2/a/b/manifests/unknown",
        "/v2/a/b/manifests/sha256:bad",
        f"/v2/a/b/blobs/{DIGEST}",
        "/v2/A/blobs/x",
        "/v2/a/b/blobs/uploads/unknown",
        "/v2/a/b/tags/list",
        "/nothing",
    ],
)
def test_not_one_byte_follows_the_header_of_an_error_to_head(wire: Wire, path: str) -> None:
    request = f"HEAD {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n".encode()
    with wire.service.connect() as connection:
        connection.sendall(request)
        with connection.makefile("rb") as stream:
            head, separator, body = stream.read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 40")
    assert (separator, body) == (b"\r\n\r\n", b"")


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("offset", ["abc", "-1", ""])
def test_a_parameter_that_the_framework_refuses_has_the_body_of_the_specification(
    repository: Repository, method: str, offset: str
) -> None:
    location = repository.start().partition("?")[0]
    answer = repository.wire.ask(method, f"{location}?offset={offset}")
    detail = answer.assert_error(400, "UNSUPPORTED")
    assert (detail["parameter"], detail["value"]) == ("offset", offset)
    assert detail["reason"]


def test_a_slash_of_a_name_may_be_escaped(repository: Repository) -> None:
    payload = repository.push_image("tag")
    escaped = repository.url.removeprefix("/v2/").replace("/", "%2F")
    for slash in ("%2F", "%2f"):
        name = escaped.replace("%2F", slash)
        answer = repository.wire.get(f"/v2/{name}/manifests/tag")
        assert (answer.status, answer.body) == (200, payload)
        digest = digest_of(payload).replace(":", "%3A")
        assert repository.wire.get(f"/v2/{name}/manifests/{digest}").body == payload
    started = repository.wire.ask("POST", f"/v2/{escaped}/blobs/uploads/")
    assert started.headers["location"].startswith(f"{repository.url}/blobs/uploads/")


@pytest.mark.parametrize("name", ["a/blobs", "manifests", "a/tags/list", "blobs/uploads", "v2"])
def test_a_repository_may_have_the_name_of_an_endpoint(wire: Wire, name: str) -> None:
    repository = Repository(wire, name)
    payload = repository.push_image("tag")
    assert wire.get(f"{repository.url}/manifests/tag").body == payload
    assert wire.get(f"{repository.url}/tags/list").json() == {"name": name, "tags": ["tag"]}
    digest = repository.push_blob(b"content")
    assert wire.get(f"{repository.url}/blobs/{digest}").body == b"content"
