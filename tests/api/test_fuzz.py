"""Requests made up at random: none makes the server fail, and every error is well said."""

import http.client
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.content import EMPTY_JSON, MANIFEST_TYPE, Repository, digest_of, image
from tests.api.wire import Wire
from tests.live import Service

__all__: list[str] = []

NAMES = ["fuzz/a", "fuzz%2Fa", "fuzz/unknown", "..", "a//b", "A", ""]
DIGESTS = [digest_of(EMPTY_JSON), digest_of(image()), "sha256:ab", "sha512:" + "0" * 128, "x:y"]
UPLOADS = ["7b7c61a5-2ab0-4f6c-a5c3-0b1f2a64f4b5", "x", "..", "%00"]
PARAMETERS = ["n", "last", "digest", "mount", "from", "tag", "offset", "artifactType", "other"]
HEADERS = [
    "Accept",
    "Content-Range",
    "Content-Type",
    "If-Match",
    "If-None-Match",
    "If-Range",
    "Range",
    "X-Request-Id",
]
HEADER_VALUES = ["bytes=0-0", "bytes=-1", "0-1", "1-0", "*", f'"{DIGESTS[0]}"', MANIFEST_TYPE]

quoted = st.text(max_size=12).map(lambda text: quote(text.encode("utf-8", "replace"), safe="/"))
name = st.sampled_from(NAMES) | quoted
digest = st.sampled_from(DIGESTS) | quoted
paths = st.one_of(
    st.just("/v2/_catalog"),
    st.builds("/v2/{}/tags/list".format, name),
    st.builds("/v2/{}/manifests/{}".format, name, st.just("tag") | digest),
    st.builds("/v2/{}/blobs/{}".format, name, digest),
    st.builds("/v2/{}/blobs/uploads/{}".format, name, st.sampled_from(["", *UPLOADS]) | quoted),
    st.builds("/v2/{}/referrers/{}".format, name, digest),
    st.builds("/v2/{}".format, quoted),
)
values = st.sampled_from([*DIGESTS, "0", "-1", "1", "tag", "fuzz/a"]).map(quote) | quoted
queries = st.lists(st.tuples(st.sampled_from(PARAMETERS), values), max_size=3)
printable = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"))
header_values = st.sampled_from(HEADER_VALUES) | printable.map(lambda text: text[:40].strip())
headers = st.dictionaries(st.sampled_from(HEADERS), header_values, max_size=3)
bodies = st.none() | st.sampled_from([b"", EMPTY_JSON, image(), b"\xff"]) | st.binary(max_size=30)
methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])


@pytest.fixture(scope="module")
def fuzzed(api_service: Service) -> Wire:
    """A registry with an image in `fuzz/a`."""
    wire = Wire(api_service)
    Repository(wire, "fuzz/a").push_image("tag")
    return wire


@settings(
    max_examples=1500,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(method=methods, path=paths, query=queries, sent=headers, body=bodies)
def test_nothing_that_is_asked_makes_the_registry_fail(
    fuzzed: Wire,
    method: str,
    path: str,
    query: list[tuple[str, str]],
    sent: dict[str, str],
    body: bytes | None,
) -> None:
    """`Wire.ask` checks the body of every error."""
    target = path
    if query:
        target += "?" + "&".join(f"{key}={value}" for key, value in query)
    answer = fuzzed.ask(method, target, body, sent)
    assert answer.status < http.client.INTERNAL_SERVER_ERROR
    if method == "HEAD":
        assert answer.body == b""
