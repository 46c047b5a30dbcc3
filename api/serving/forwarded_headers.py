"""What proxies say of a request's origin, read from their headers. Pure functions.

Spec: RFC 7239 for `Forwarded`; `X-Forwarded-For`, `-Proto`, `-Host` and `-Port` have none, and are
read as nginx, HAProxy and Traefik write them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

__all__ = [
    "Address",
    "Hop",
    "Network",
    "Node",
    "Origin",
    "find_origin",
    "parse_address",
    "parse_forwarded",
    "parse_host",
    "parse_node",
    "parse_x_forwarded",
]

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_PORT_MAX = 65535
_MAX_HOPS = 32
"""More proxies than stand anywhere in a row. What was said before them takes time and is not read:
it comes from the client, who may say it thousands of times."""

_NAME_LENGTH_MAX = 255

# RFC 9110 calls it a token.
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
_PAIR = re.compile(rf"({_WORD})=(?:({_WORD})|({_QUOTED}))")
_BLANK = re.compile(r"[ \t]*")
_ESCAPED = re.compile(r"\\(.)")
_OBFUSCATED = re.compile(r"_[A-Za-z0-9._-]+")
_NODE = re.compile(r"(\[[^\]]*\]|[^:\[\]]+)(?::(?:([0-9]{1,5})|_[A-Za-z0-9._-]+))?")
_HOST = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?\.?)"
    r"(?::(?P<port>[0-9]{1,5}))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One end of a connection as a proxy names it.

    Attributes:
        name: an address without brackets, `unknown`, or an obfuscated identifier.
        address: of it, or None if it is hidden.
        port: 0 if it is not told.
    """

    name: str
    address: Address | None
    port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """What one proxy says of the request that came to it; None is what it does not say."""

    client: Node | None = None
    scheme: str | None = None
    host: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What is believed of a request that came through trusted proxies.

    Attributes:
        client: who made it; None if no proxy told, and it is whoever connected.
        scheme: `http` or `https`, which the client used.
        host: with its port, which the client asked for.
    """

    client: Node | None
    scheme: str | None
    host: str | None


def parse_address(text: str) -> Address | None:
    """Return an IP address, or None; an IPv4 address inside an IPv6 one is that IPv4 address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address
    return address


def parse_node(text: str) -> Node | None:
    """Return the node that a `for` parameter or an entry of X-Forwarded-For names, or None.

    Spec: RFC 7239, section 6. Proxies also write an IPv6 address without its brackets.
    """
    bare = parse_address(text)
    if bare is not None:
        return Node(name=str(bare), address=bare)
    match = _NODE.fullmatch(text)
    if match is None:
        return None
    name, port = match[1], int(match[2] or 0)
    if port > _PORT_MAX:
        return None
    if name.lower() == "unknown" or _OBFUSCATED.fullmatch(name):
        return Node(name=name, address=None, port=port)
    address = parse_address(name.removeprefix("[").removesuffix("]"))
    if address is None or (name.startswith("[") != (":" in name)):
        return None
    return Node(name=str(address), address=address, port=port)


def parse_host(text: str) -> str | None:
    """Return `text` if it is a host with or without a port, and nothing else; otherwise None.

    Spec: RFC 9110, section 7.2, without the characters of RFC 3986 that no host name has.
    """
    match = _HOST.fullmatch(text)
    if match is None or len(match["host"]) > _NAME_LENGTH_MAX:
        return None
    if match["port"] is not None and not 0 < int(match["port"]) <= _PORT_MAX:
        return None
    if match["host"].startswith("[") and parse_address(match["host"][1:-1]) is None:
        return None
    return text


def parse_forwarded(text: str) -> list[Hop] | None:
    """Return what each proxy said, the one nearest to the client first; None if malformed.

    What is well formed and means nothing here, such as an unknown parameter, says nothing.

    Spec: RFC 7239, section 4; several header fields are to be joined by commas.
    """
    elements: list[dict[str, str]] = [{}]
    position = _skip_blank(text, 0)
    while position < len(text):
        if text[position] == ",":
            elements.append({})
        elif text[position] != ";":
            match = _PAIR.match(text, position)
            if match is None or match[1].lower() in elements[-1]:
                return None
            quoted = match[3]
            elements[-1][match[1].lower()] = (
                match[2] if quoted is None else _ESCAPED.sub(r"\1", quoted[1:-1])
            )
            position = _skip_blank(text, match.end())
            if position < len(text) and text[position] not in ",;":
                return None
            continue
        position = _skip_blank(text, position + 1)
    hops = []
    for element in list(filter(None, elements))[-_MAX_HOPS:]:
        client = None
        if "for" in element:
            client = parse_node(element["for"])
            if client is None:
                return None
        hops.append(
            Hop(
                client=client,
                scheme=_parse_scheme(element.get("proto", "")),
                host=parse_host(element.get("host", "")),
            )
        )
    return hops


def parse_x_forwarded(
    clients: str | None,
    schemes: str | None = None,
    hosts: str | None = None,
    ports: str | None = None,
    *,
    asked_host: str | None = None,
) -> list[Hop] | None:
    """Return the same from the headers X-Forwarded-For, -Proto, -Host and -Port; None if malformed.

    A proxy may add to such a list or replace it. One with an entry for each client is read entry
    by entry; of any other only the last entry counts, which the nearest proxy wrote.

    Args:
        clients: X-Forwarded-For, with commas between its fields as in the others.
        schemes: X-Forwarded-Proto.
        hosts: X-Forwarded-Host.
        ports: X-Forwarded-Port, for a host that tells none.
        asked_host: the Host header, to which a lone X-Forwarded-Port belongs.
    """
    named = _split(clients)
    count = max(len(named), 1)
    entries = zip(
        named or [""],
        _align(_split(schemes), count),
        _align(_split(hosts), count),
        _align(_split(ports), count),
        strict=True,
    )
    hops = []
    for name, scheme_text, host_text, port in list(entries)[-_MAX_HOPS:]:
        node = parse_node(name) if name else None
        if name and node is None:
            return None
        scheme = _parse_scheme(scheme_text)
        host = parse_host(host_text)
        if host is None and port and not host_text and asked_host is not None:
            host = parse_host(asked_host)
        hops.append(Hop(client=node, scheme=scheme, host=_with_port(host, port, scheme)))
    return hops


def find_origin(hops: Sequence[Hop], trusted: Sequence[Network]) -> Origin:
    """Return what the farthest trusted proxy says of the client.

    The last hop is what the peer said, which is trusted. Each hop before it was said by the client
    that the one behind it names, and is believed if that client is a trusted proxy itself. What
    the farthest one does not tell is taken from the next.
    """
    believed: list[Hop] = []
    for hop in reversed(hops):
        believed.append(hop)
        address = None if hop.client is None else hop.client.address
        if address is None or not any(address in network for network in trusted):
            break
    believed.reverse()
    return Origin(
        client=believed[0].client if believed else None,
        scheme=next((hop.scheme for hop in believed if hop.scheme), None),
        host=next((hop.host for hop in believed if hop.host), None),
    )


def _skip_blank(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    return position if match is None else match.end()


def _parse_scheme(text: str) -> str | None:
    return text.lower() if text.lower() in {"http", "https"} else None


def _split(header: str | None) -> list[str]:
    if header is None:
        return []
    return [entry for part in header.split(",") if (entry := part.strip(" \t"))]


def _align(entries: list[str], count: int) -> list[str]:
    if len(entries) == count:
        return entries
    return [""] * (count - 1) + entries[-1:] if entries else [""] * count


def _with_port(host: str | None, port: str, scheme: str | None) -> str | None:
    if host is None or not port or host.rpartition("]")[2].count(":"):
        return host
    if port == {"http": "80", "https": "443"}.get(scheme or ""):
        return host
    return parse_host(f"{host}:{port}") or host
