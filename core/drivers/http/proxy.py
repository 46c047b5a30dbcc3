"""Proxies: what the environment says of them, and the way through one (RFC 9110 section 9.3.6)."""

import asyncio
import base64
import socket
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

__all__ = ["Proxy", "environment_proxy", "open_tunnel"]

_MOST_HEAD_BYTES = 64 * 1024
_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy of HTTP.

    Attributes:
        host: its name or address.
        port: of it.
        authorization: the header by which it knows its users, or an empty text.
    """

    host: str
    port: int
    authorization: str = ""


def environment_proxy(scheme: str, host: str) -> Proxy | None:
    """Return what the variables `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say about a server."""
    address = getproxies().get(scheme)
    if not address or proxy_bypass(host):
        return None
    url = urlsplit(address if "://" in address else f"http://{address}")
    authorization = ""
    if url.username is not None:
        user = f"{unquote(url.username)}:{unquote(url.password or '')}"
        authorization = f"Basic {base64.b64encode(user.encode()).decode('ascii')}"
    return Proxy(host=url.hostname or "", port=url.port or 80, authorization=authorization)


async def open_tunnel(proxy: Proxy, host: str, port: int) -> socket.socket:
    """Return a connection through a proxy to a server, over which nothing was said yet.

    Raises:
        OSError: there is no way to the proxy, or it refuses.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(proxy.host, proxy.port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, address = found[0]
    tunnel = socket.socket(family, kind, protocol)
    try:
        tunnel.settimeout(0)
        await loop.sock_connect(tunnel, address)
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {authority} HTTP/1.1", f"host: {authority}"]
        if proxy.authorization:
            lines.append(f"proxy-authorization: {proxy.authorization}")
        await loop.sock_sendall(tunnel, "\r\n".join([*lines, "", ""]).encode("latin-1"))
        answer = b""
        while not answer.endswith(_END):
            # The server speaks only when it was spoken to, so nothing follows the head.
            piece = await loop.sock_recv(tunnel, _MOST_HEAD_BYTES)
            answer += piece
            if not piece or len(answer) > _MOST_HEAD_BYTES:
                raise ConnectionError("the proxy has not answered")
        status = answer.split(b" ", 2)[1:2]
        if status != [b"200"]:
            raise ConnectionError("the proxy refuses")
    except BaseException:
        tunnel.close()
        raise
    return tunnel
