"""Targets are split as the parser of URLs splits them, the common ones without it."""

from urllib.parse import unquote

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.serving import request_head
from api.serving.request_head import split_target

__all__: list[str] = []


def _parse(target: bytes) -> tuple[str, bytes, bytes]:
    parsed = httptools.parse_url(target)
    return unquote(parsed.path.decode("ascii")), parsed.path, parsed.query or b""


@given(st.binary(max_size=20).map(lambda rest: b"/" + rest))
@example(b"/")
@example(b"//host/path")
@example(b"/v2/a%2Fb/manifests/1?n=1&last=?")
@example(b"/a?")
@example(b"/a?b#c")
@example(b"/a#b?c")
@example(b"/a b")
@example("/é".encode())
def test_a_target_is_split_as_the_parser_of_urls_does(target: bytes) -> None:
    try:
        expected = _parse(target)
    except (httptools.HttpParserError, UnicodeDecodeError) as error:
        with pytest.raises(type(error)):
            split_target(target)
    else:
        assert split_target(target) == expected


def test_an_absolute_target_is_understood() -> None:
    assert split_target(b"http://host:5000/v2/?n=1") == ("/v2/", b"/v2/", b"n=1")


def test_a_common_target_is_split_without_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(request_head, "httptools")
    assert split_target(b"/v2/a%2fb/?n=1") == ("/v2/a/b/", b"/v2/a%2fb/", b"n=1")
