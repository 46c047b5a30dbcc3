"""A small issuer of ID tokens on loopback, which can rotate its keys and misbehave."""

import gzip
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

from tests.access.minting import Signer, jwk_set, mint

__all__ = ["Issuer", "running_issuer"]

Manner = Literal[
    "good", "failing", "cut", "slow", "other issuer", "no keys", "keys elsewhere", "redirect",
    "huge", "endless", "compressed", "garbage", "empty set",
]  # fmt: skip


class Issuer:
    """Serves its configuration and its keys, and signs tokens.

    Attributes:
        url: that its tokens are of.
        signers: whose keys it publishes; the last one signs.
        manner: how it answers.
        cache_control: of the keys.
        asked: how often for each path.
        slow_seconds: that it takes for an answer when slow.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.signers = [Signer(kid="first")]
        self.manner: Manner = "good"
        self.cache_control: str | None = None
        self.asked: Counter[str] = Counter()
        self.slow_seconds = 2.0

    def rotate(self, kid: str) -> None:
        """Sign with a new key from now on, and publish no other."""
        self.signers = [Signer(kid=kid)]

    def token(self, **claims: object) -> str:
        """Return a token with these claims, good for some minutes from now."""
        now = int(time.time())
        return mint(
            self.signers[-1],
            {"iss": self.url, "sub": "job", "iat": now, "nbf": now, "exp": now + 300, **claims},
        )

    def configuration(self) -> bytes:
        """Return what discovery is answered with."""
        found = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        if self.manner == "other issuer":
            found["issuer"] = "https://other.example.com"
        if self.manner == "keys elsewhere":
            found["jwks_uri"] = "http://192.0.2.1/keys"
        if self.manner == "no keys":
            del found["jwks_uri"]
        return json.dumps(found).encode()

    def keys(self) -> bytes:
        """Return what is at the address of the keys."""
        if self.manner == "empty set":
            return jwk_set()
        if self.manner == "garbage":
            return b"[" * 100_000
        filling = {"filling": "n" * 300_000} if self.manner == "huge" else {}
        return jwk_set(*(signer.jwk(**filling) for signer in self.signers))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    issuer: Issuer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        issuer = self.server.issuer
        issuer.asked[self.path] += 1
        if issuer.manner == "failing":
            self.send_error(500)
            return
        if issuer.manner == "cut":
            self.close_connection = True
            return
        if issuer.manner == "slow":
            time.sleep(issuer.slow_seconds)
        if issuer.manner == "redirect":
            self.send_response(302)
            self.send_header("location", f"{issuer.url}/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()
            return
        discovered = self.path == "/.well-known/openid-configuration"
        self._answer(issuer, issuer.configuration() if discovered else issuer.keys())

    def _answer(self, issuer: Issuer, content: bytes) -> None:
        self.send_response(200)
        if issuer.manner == "compressed":
            content = gzip.compress(content)
            self.send_header("content-encoding", "gzip")
        if issuer.cache_control is not None:
            self.send_header("cache-control", issuer.cache_control)
        if issuer.manner == "endless":
            self.close_connection = True
            self.end_headers()
            for _ in range(100):
                self.wfile.write(b" " * 65536)
            return
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
        """Say nothing."""

    def handle(self) -> None:
        """Answer until the client goes, which it may do in the middle of an answer."""
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    """Run an issuer on a free port until the block ends."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.issuer = Issuer(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.issuer
        finally:
            server.shutdown()
            thread.join()
