"""What clients do, each a sequence of requests of which later ones use earlier answers."""

import hashlib
import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass, field

from bench.content import Content
from bench.wire import Answer, Request, format_request

__all__ = ["Fetch", "Operation", "Outcome", "PushBlob", "PushImage", "Pushed", "Steps"]

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_STREAM = "application/octet-stream"
_SMALL_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What a push has left in a store: a blob or a manifest."""

    digest: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one operation did.

    Attributes:
        moved_bytes: of content, in either direction.
        pushed: in the order of the pushes.
    """

    moved_bytes: int
    pushed: tuple[Pushed, ...] = ()


Steps = Generator[Request, Answer, Outcome]


class Operation(ABC):
    """Something that a connection does again and again."""

    def prepare(self) -> None:  # noqa: B027 - most need nothing
        """Compute what can be computed before the clock runs, in the process of the load."""

    @abstractmethod
    def steps(self) -> Steps:
        """Yield one request after the other, and receive their answers."""


@dataclass(slots=True, kw_only=True)
class Fetch(Operation):
    """GET or HEAD of one path, and of where that leads.

    Attributes:
        path: what is asked for.
        size: what the Content-Length has to be.
        method: GET or HEAD.
        digest: what a body has to be; None, for measuring, looks at its length only.
        redirect: whether the answer has to lead to another port, which has the content.
        authorization: credentials, as the header has them.
    """

    path: str
    size: int
    method: str = "GET"
    digest: str | None = None
    redirect: bool = False
    authorization: str | None = None
    _request: Request | None = field(init=False, default=None)

    def prepare(self) -> None:
        """Make the first request that there is."""
        head = format_request(self.method, self.path, authorization=self.authorization)
        if self.redirect:
            has_body = self.method == "GET"
            self._request = Request(head=head, status=307, has_answer_body=has_body)
        else:
            self._request = self._ask_for_content(head)

    def steps(self) -> Steps:
        """Ask once, and once more where the answer leads to."""
        assert self._request is not None
        answer = yield self._request
        if self.redirect:
            # The signature of the address covers the host.
            host = answer.other_host
            head = format_request(self.method, answer.location, host=host)
            yield self._ask_for_content(head, port=int(host.rpartition(":")[2]))
        return Outcome(moved_bytes=self.size)

    def _ask_for_content(self, head: bytes, *, port: int | None = None) -> Request:
        has_body = self.method == "GET"
        return Request(
            head=head,
            status=200,
            length=self.size,
            digest=self.digest if has_body else None,
            has_answer_body=has_body,
            port=port,
        )


@dataclass(slots=True, kw_only=True)
class PushBlob(Operation):
    """A blob that is new to the store: POST, PATCH if `patch`, PUT; first HEAD if `ask`."""

    repository: str
    size: int
    patch: bool = False
    ask: bool = False

    def prepare(self) -> None:
        """Hash the part that all contents of this size share."""
        Content.make(self.size)

    def steps(self) -> Steps:
        """Push one."""
        content = Content.make(self.size)
        blobs = f"/v2/{self.repository}/blobs"
        if self.ask:
            yield Request(
                head=format_request("HEAD", f"{blobs}/{content.digest}"),
                status=404,
                has_answer_body=False,
            )
        head = format_request("POST", f"{blobs}/uploads/", length=0)
        answer = yield Request(head=head, status=202)
        if self.patch:
            answer = yield _send("PATCH", answer.location, content, status=202)
        separator = "&" if "?" in answer.location else "?"
        last = f"{answer.location}{separator}digest={content.digest}"
        if self.patch:
            yield Request(head=format_request("PUT", last, length=0), status=201)
        else:
            yield _send("PUT", last, content, status=201)
        pushed = Pushed(digest=content.digest, size=content.size)
        return Outcome(moved_bytes=content.size, pushed=(pushed,))


@dataclass(slots=True, kw_only=True)
class PushImage(Operation):
    """A configuration and layers, each asked for and pushed in chunks, and their manifest.

    Attributes:
        repository: takes it all.
        tag: to set; None is a new one each time.
        blob_bytes: size of each blob.
        blobs: how many, the configuration included.
    """

    repository: str
    tag: str | None = None
    blob_bytes: int = 4096
    blobs: int = 3

    def steps(self) -> Steps:
        """Push one."""
        push = PushBlob(repository=self.repository, size=self.blob_bytes, patch=True, ask=True)
        pushed: list[Pushed] = []
        for _ in range(self.blobs):
            outcome = yield from push.steps()
            pushed += outcome.pushed
        payload = _format_manifest(pushed)
        tag = self.tag or uuid.uuid4().hex
        path = f"/v2/{self.repository}/manifests/{tag}"
        head = format_request("PUT", path, length=len(payload), content_type=_MANIFEST)
        yield Request(head=head + payload, status=201)
        digest = f"sha256:{hashlib.sha256(payload).hexdigest()}"
        pushed.append(Pushed(digest=digest, size=len(payload)))
        return Outcome(moved_bytes=sum(item.size for item in pushed), pushed=tuple(pushed))


def _send(method: str, path: str, content: Content, *, status: int) -> Request:
    head = format_request(method, path, length=content.size, content_type=_STREAM)
    if content.size <= _SMALL_BYTES:
        return Request(head=head + content.read(), status=status)
    return Request(head=head, status=status, content=content)


def _format_manifest(blobs: list[Pushed]) -> bytes:
    def describe(blob: Pushed, media_type: str) -> dict[str, str | int]:
        return {"mediaType": media_type, "digest": blob.digest, "size": blob.size}

    document = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": describe(blobs[0], _CONFIG),
        "layers": [describe(blob, _LAYER) for blob in blobs[1:]],
    }
    return json.dumps(document, indent=2).encode("ascii")
