"""What the headers of proxies mean, and that nothing in them can do harm."""

import re
import time
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.serving.forwarded_headers import (
    Hop,
    Node,
    Origin,
    find_origin,
    parse_forwarded,
    parse_host,
    parse_node,
    parse_x_forwarded,
)

__all__: list[str] = []

_SAFE_HOST = re.compile(r"[A-Za-z0-9._\[\]:-]+")
_TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))

_header_texts = st.text(st.characters(max_codepoint=255), max_size=200) | st.lists(
    st.sampled_from(
        [
            *(
                "for=",
                "proto=",
                "host=",
                '"',
                "\\",
                ",",
                ";",
                " ",
                "[",
                "]",
                ":",
                "::1",
                "10.0.0.1",
            ),
            *("_x", "unknown", "https", "a.example", "99999", "%", "\r\n", "\x00"),
        ]
    ),
    max_size=20,
).map("".join)


def _node(name: str, port: int = 0) -> Node:
    try:
        return Node(name=name, address=ip_address(name), port=port)
    except ValueError:
        return Node(name=name, address=None, port=port)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # The examples of RFC 7239, sections 4 and 7.1.
        ('for="_gazonk"', [Hop(client=_node("_gazonk"))]),
        ('For="[2001:db8:cafe::17]:4711"', [Hop(client=_node("2001:db8:cafe::17", 4711))]),
        (
            "for=192.0.2.60;proto=http;by=203.0.113.43",
            [Hop(client=_node("192.0.2.60"), scheme="http")],
        ),
        (
            "for=192.0.2.43, for=198.51.100.17",
            [Hop(client=_node("192.0.2.43")), Hop(client=_node("198.51.100.17"))],
        ),
        (
            'for=192.0.2.43, for="[2001:db8:cafe::17]"',
            [Hop(client=_node("192.0.2.43")), Hop(client=_node("2001:db8:cafe::17"))],
        ),
        (
            'for=_hidden, for=_SEVKISEK, for=unknown;host="a.example:8443"',
            [
                Hop(client=_node("_hidden")),
                Hop(client=_node("_SEVKISEK")),
                Hop(client=_node("unknown"), host="a.example:8443"),
            ],
        ),
        (r'for="192.0.2.\4\3:80"', [Hop(client=_node("192.0.2.43", 80))]),
        ('for="192.0.2.43:_port"', [Hop(client=_node("192.0.2.43"))]),
        ('for="::ffff:192.0.2.43"', [Hop(client=_node("192.0.2.43"))]),
        (" , for=192.0.2.43 ; PROTO=HTTPS; ,\t", [Hop(client=_node("192.0.2.43"), scheme="https")]),
        ('secret="a, for=10.1.1.1;\\"", proto=https', [Hop(), Hop(scheme="https")]),
        ('proto=gopher;host="a/b"', [Hop()]),
        ("", []),
    ],
)
def test_a_forwarded_header_is_read_as_rfc_7239_has_it(text: str, expected: list[Hop]) -> None:
    assert parse_forwarded(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "for",
        "for=",
        "for =192.0.2.43",
        "for=192.0.2.43 proto=http",
        "for=192.0.2.43;for=192.0.2.44",
        "for=[2001:db8::1]",
        "for=192.0.2.43:80",
        'for="2001:db8::1]"',
        'for="192.0.2.43:99999"',
        'for="[192.0.2.43]"',
        'for="fe80::1%eth0"',
        'for="192.0.2.43',
        'for="192.0.2.43\\"',
        "for=nobody",
        "for=192.0.2.43,;=",
    ],
)
def test_a_malformed_forwarded_header_says_nothing_at_all(text: str) -> None:
    assert parse_forwarded(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.43", _node("192.0.2.43")),
        ("192.0.2.43:80", _node("192.0.2.43", 80)),
        ("2001:db8::1", _node("2001:db8::1")),
        ("[2001:db8::1]", _node("2001:db8::1")),
        ("[2001:DB8::1]:80", _node("2001:db8::1", 80)),
        ("unknown", _node("unknown")),
        ("a.example", None),
        ("192.0.2.43:", None),
        ("192.0.2.043", None),
        ("", None),
        (" 192.0.2.43", None),
    ],
)
def test_a_node_is_an_address_in_any_spelling_of_proxies(text: str, expected: Node | None) -> None:
    assert parse_node(text) == expected


@pytest.mark.parametrize(
    "text", ["a", "registry.example.com", "a:1", "a.:65535", "127.0.0.1:80", "[::1]", "[::1]:443"]
)
def test_a_host_is_a_name_or_an_address_with_or_without_a_port(text: str) -> None:
    assert parse_host(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            ":80",
            "a:",
            "a:0",
            "a:65536",
            "a:b",
            "a b",
            "a/b",
            "a?b",
            "a#b",
            "u@a",
            "a,b",
            "a\\b",
        ),
        *(
            "a\r\nX: y",
            "a\n",
            "[::1",
            "::1",
            "[::zz]",
            "[fe80::1%1]",
            "-a",
            "é",
            "a" * 256,
            "a%20b",
        ),
    ],
)
def test_nothing_else_is_a_host(text: str) -> None:
    assert parse_host(text) is None


def test_a_list_with_an_entry_for_each_client_is_read_entry_by_entry() -> None:
    assert parse_x_forwarded("192.0.2.1, 10.0.0.2", "https,http", "a.example, inner") == [
        Hop(client=_node("192.0.2.1"), scheme="https", host="a.example"),
        Hop(client=_node("10.0.0.2"), scheme="http", host="inner"),
    ]


def test_of_any_other_list_only_what_the_nearest_proxy_wrote_counts() -> None:
    assert parse_x_forwarded("192.0.2.1, 10.0.0.2, 10.0.0.3", "ftp, https", "a.example") == [
        Hop(client=_node("192.0.2.1")),
        Hop(client=_node("10.0.0.2")),
        Hop(client=_node("10.0.0.3"), scheme="https", host="a.example"),
    ]
    assert parse_x_forwarded(None, "https", None) == [Hop(scheme="https")]


@pytest.mark.parametrize(
    ("host", "asked", "port", "scheme", "expected"),
    [
        ("a.example", "inner", "8443", "https", "a.example:8443"),
        ("a.example", "inner", "443", "https", "a.example"),
        ("a.example", "inner", "443", "http", "a.example:443"),
        ("a.example:1", "inner", "8443", "https", "a.example:1"),
        ("[::1]", "inner", "8443", "https", "[::1]:8443"),
        (None, "inner", "8443", "https", "inner:8443"),
        (None, "inner:1", "8443", "https", "inner:1"),
        ("a.example", "inner", "99999", "https", "a.example"),
        ("a b", "inner", "8443", "https", None),
    ],
)
def test_a_port_of_its_own_belongs_to_a_host_without_one(
    host: str | None, asked: str, port: str, scheme: str, expected: str | None
) -> None:
    (hop,) = parse_x_forwarded(None, scheme, host, port, asked_host=asked) or []
    assert hop.host == expected


@pytest.mark.parametrize("text", ["192.0.2.1, a.example", "192.0.2.1 10.0.0.1", "x"])
def test_malformed_clients_say_nothing_at_all(text: str) -> None:
    assert parse_x_forwarded(text, "https", "a.example") is None


def test_what_a_client_says_thousands_of_times_is_not_read_so_often() -> None:
    last = Node(name="192.0.2.1", address=ip_address("192.0.2.1"))
    started = time.process_time()
    hops = parse_x_forwarded(f"{'1,' * 30_000}192.0.2.1", f"{'http,' * 30_000}https", None)
    # The one before it cannot be read.
    assert hops is None
    hops = parse_x_forwarded(f"{'!,' * 100}{'203.0.113.5,' * 40}192.0.2.1", "https")
    assert hops is not None
    assert hops[-1] == Hop(client=last, scheme="https")
    assert len(hops) < 40
    hops = parse_forwarded(f"{'for=203.0.113.5,' * 5_000}for=192.0.2.1")
    assert hops is not None
    assert hops[-1] == Hop(client=last)
    assert len(hops) < 40
    assert time.process_time() - started < 0.3


def test_the_client_is_the_nearest_one_that_is_no_trusted_proxy() -> None:
    hops = [
        Hop(client=_node("192.0.2.66"), scheme="http", host="forged.example"),
        Hop(client=_node("192.0.2.1"), scheme="https", host="a.example"),
        Hop(client=_node("10.0.0.2"), scheme="http", host="inner"),
        Hop(client=_node("fd00::3")),
    ]
    assert find_origin(hops, _TRUSTED) == Origin(
        client=_node("192.0.2.1"), scheme="https", host="a.example"
    )


def test_what_the_farthest_proxy_does_not_tell_is_taken_from_the_next() -> None:
    hops = [Hop(client=_node("192.0.2.1"), scheme="https"), Hop(client=_node("10.0.0.2"), host="a")]
    assert find_origin(hops, _TRUSTED) == Origin(
        client=_node("192.0.2.1"), scheme="https", host="a"
    )


@pytest.mark.parametrize("name", ["unknown", "_hidden"])
def test_nothing_is_believed_beyond_a_client_that_is_hidden(name: str) -> None:
    hops = [Hop(client=_node("192.0.2.66")), Hop(client=_node(name)), Hop(client=_node("10.0.0.2"))]
    assert find_origin(hops, _TRUSTED).client == _node(name)


def test_where_all_are_trusted_the_farthest_one_is_the_client() -> None:
    hops = [Hop(client=_node("10.0.0.1")), Hop(client=_node("10.0.0.2"))]
    assert find_origin(hops, _TRUSTED).client == _node("10.0.0.1")


@given(text=_header_texts)
def test_no_forwarded_header_breaks_the_parser_or_smuggles_anything(text: str) -> None:
    hops = parse_forwarded(text) or []
    _assert_harmless(find_origin(hops, _TRUSTED))
    for hop in hops:
        _assert_harmless(find_origin([hop], ()))


@given(
    clients=st.none() | _header_texts,
    schemes=st.none() | _header_texts,
    hosts=st.none() | _header_texts,
    ports=st.none() | _header_texts,
    asked=st.none() | _header_texts,
)
def test_no_x_forwarded_headers_break_the_parser_or_smuggle_anything(
    clients: str | None,
    schemes: str | None,
    hosts: str | None,
    ports: str | None,
    asked: str | None,
) -> None:
    hops = parse_x_forwarded(clients, schemes, hosts, ports, asked_host=asked) or []
    _assert_harmless(find_origin(hops, _TRUSTED))


@given(
    elements=st.lists(
        st.tuples(
            st.ip_addresses(),
            st.integers(0, 65535),
            st.sampled_from(["http", "https"]),
            st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8}){0,3}(:[1-9][0-9]{0,3})?", fullmatch=True),
        ),
        max_size=5,
    )
)
def test_what_a_proper_proxy_writes_is_read_back(
    elements: list[tuple[object, int, str, str]],
) -> None:
    text = ", ".join(
        f'for="{f"[{address}]" if ":" in str(address) else address}:{port}";'
        f'proto={scheme};host="{host}"'
        for address, port, scheme, host in elements
    )
    hops = parse_forwarded(text)
    assert hops is not None
    assert [(hop.client and hop.client.port, hop.scheme, hop.host) for hop in hops] == [
        (port, scheme, host) for _, port, scheme, host in elements
    ]


def _assert_harmless(origin: Origin) -> None:
    assert origin.scheme in {None, "http", "https"}
    assert origin.host is None or _SAFE_HOST.fullmatch(origin.host)
    if origin.client is not None:
        assert re.fullmatch(r"[A-Za-z0-9._:-]+", origin.client.name)
        assert 0 <= origin.client.port <= 65535
