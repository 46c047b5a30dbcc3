"""The objects of one bucket: the calls of the JSON API, each as one method.

All of them may be repeated: what must not happen twice carries the generation that it expects,
and whether an attempt that failed was carried out after all is read from the object itself.
"""

import base64
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import httpx
from anyio import to_thread

from core.drivers.gcs.bodies import CONTENT_TYPE, Abandoned, document_body, related_body
from core.drivers.gcs.client import GCSClient
from core.drivers.gcs.parallel import run_all

__all__ = ["ABSENT", "MAX_SOURCES", "Bucket", "Page", "StoredObject"]

ABSENT = "0"
"""The generation of an object that is not there."""

MAX_SOURCES = 32
"""Most objects that one call can compose."""

_FIELDS = "name,size,generation,contentType,md5Hash,crc32c,updated,timeCreated"
_DELETES_AT_ONCE = 16
_INLINE_BYTES = 64 * 1024
_OK = frozenset({200})
_OK_OR_ABSENT = frozenset({200, 404})
_OK_OR_OTHER = frozenset({200, 412})
_OK_ABSENT_OR_OTHER = frozenset({200, 404, 412})
_DELETED = frozenset({200, 204, 404, 412})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """One generation of an object.

    Attributes:
        key: its name.
        size: in bytes.
        generation: changes with every write of the object, and is never used again.
        content_type: as it was stored.
        md5: of the content in base 64; None for what was composed.
        crc32c: of the content in base 64; None where the store does not tell it.
        updated_at: when it was last written.
        created_at: when this generation was made.
    """

    key: str
    size: int
    generation: str
    content_type: str
    md5: str | None
    crc32c: str | None
    updated_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of a listing.

    Attributes:
        objects: in the order of their names.
        prefixes: what was cut at the delimiter, with it, in order.
    """

    objects: Sequence[StoredObject]
    prefixes: Sequence[str]


class Bucket:
    """Objects by their names."""

    def __init__(self, client: GCSClient, name: str) -> None:
        self.name = name
        self._client = client
        self._objects = f"/storage/v1/b/{quote(name, safe='')}/o"

    async def find(self, key: str) -> StoredObject | None:
        """Return what is known of an object, or None if it is not there."""
        found = await self.find_with_age(key)
        return None if found is None else found[0]

    async def find_with_age(self, key: str) -> tuple[StoredObject, float] | None:
        """Return an object, and the seconds since it was written by the clock of the store."""
        answer = await self._client.call(
            "GET", self._path(key), key=key, expected=_OK_OR_ABSENT, params={"fields": _FIELDS}
        )
        if answer.response.status_code != httpx.codes.OK:
            return None
        found = _parsed(answer.response.json())
        asked_at = parsedate_to_datetime(answer.response.headers["Date"])
        return found, max(0.0, (asked_at - found.updated_at).total_seconds())

    async def insert(
        self,
        key: str,
        content: bytes | bytearray,
        *,
        generation: str | None = None,
        abandoned: Abandoned | None = None,
    ) -> StoredObject | None:
        """Store an object whole, verified by its MD5.

        With `generation`, only in the place of that one, else None is returned. An object that
        is not that, but has this content, is taken for the result of an earlier attempt.

        Raises:
            BodyAbandoned: `abandoned` was set before the body was sent; nothing is stored.
        """
        md5 = await _md5(content)
        params = {"uploadType": "multipart", "fields": _FIELDS}
        if generation is not None:
            params["ifGenerationMatch"] = generation
        answer = await self._client.call(
            "POST",
            f"/upload{self._objects}",
            key=key,
            expected=_OK_OR_OTHER if generation is not None else _OK,
            params=params,
            body=related_body(key, content, md5, abandoned),
        )
        if answer.response.status_code == httpx.codes.OK:
            return _parsed(answer.response.json())
        found = await self.find(key)
        if found is not None and (found.size, found.md5) == (len(content), md5):
            return found
        return None

    async def compose(self, sources: Sequence[StoredObject], key: str) -> StoredObject | None:
        """Put objects together under a name; None if one of them is gone or another by now."""
        document = {
            "sourceObjects": [
                {
                    "name": source.key,
                    "generation": source.generation,
                    "objectPreconditions": {"ifGenerationMatch": source.generation},
                }
                for source in sources
            ],
            "destination": {"contentType": CONTENT_TYPE},
        }
        answer = await self._client.call(
            "POST",
            f"{self._path(key)}/compose",
            key=key,
            expected=_OK_ABSENT_OR_OTHER,
            params={"fields": _FIELDS},
            body=document_body(document),
        )
        if answer.response.status_code != httpx.codes.OK:
            return None
        return _parsed(answer.response.json())

    async def rewrite(
        self, source: StoredObject, key: str, *, generation: str | None = None
    ) -> StoredObject | None:
        """Copy an object inside the store; None if the source is gone or another by now.

        With `generation`, the copy only takes the place of that one, and None is also returned
        where something else stands.
        """
        params = {
            "sourceGeneration": source.generation,
            "ifSourceGenerationMatch": source.generation,
            "fields": f"done,rewriteToken,resource({_FIELDS})",
        }
        if generation is not None:
            params["ifGenerationMatch"] = generation
        target = f"b/{quote(self.name, safe='')}/o/{quote(key, safe='')}"
        while True:
            answer = await self._client.call(
                "POST",
                f"{self._path(source.key)}/rewriteTo/{target}",
                key=key,
                expected=_OK_ABSENT_OR_OTHER,
                params=params,
            )
            if answer.response.status_code != httpx.codes.OK:
                found = await self.find(key) if generation is not None else None
                same = found is not None and (found.size, found.crc32c) == (
                    source.size,
                    source.crc32c,
                )
                return found if same else None
            told = answer.response.json()
            if told["done"]:
                return _parsed(told["resource"])
            # Large objects, or other places and classes of storage, take several calls.
            params["rewriteToken"] = told["rewriteToken"]

    async def delete(self, key: str, generation: str | None = None) -> bool:
        """Delete an object, and say whether it was there. With `generation`, only that one."""
        params = {} if generation is None else {"ifGenerationMatch": generation}
        answer = await self._client.call(
            "DELETE", self._path(key), key=key, expected=_DELETED, params=params
        )
        if answer.response.status_code == httpx.codes.NOT_FOUND:
            return answer.repeated
        return answer.response.status_code != httpx.codes.PRECONDITION_FAILED

    async def delete_all(self, keys: Iterable[str]) -> None:
        """Delete objects, some at a time; those that are gone already are no fault."""
        await run_all((self._delete_any(key) for key in keys), _DELETES_AT_ONCE)

    async def open_media(
        self, key: str, headers: Mapping[str, str], generation: str | None, expected: frozenset[int]
    ) -> httpx.Response:
        """Ask for the content of an object; the caller closes what is returned."""
        params = {"alt": "media"}
        if generation is not None:
            params["generation"] = generation
        return await self._client.open_stream(
            self._path(key), key=key, expected=expected, params=params, headers=headers
        )

    async def pages(
        self, prefix: str, *, delimiter: str = "", start_offset: str = "", page_size: int = 1000
    ) -> AsyncIterator[Page]:
        """Yield the objects whose names begin with `prefix`, in the order of their names.

        With `delimiter`, names are cut behind the first one after the prefix. Names before
        `start_offset` may be left out.
        """
        params = {
            "prefix": prefix,
            "maxResults": str(page_size),
            "fields": f"items({_FIELDS}),prefixes,nextPageToken",
        }
        if delimiter:
            params["delimiter"] = delimiter
        if start_offset:
            params["startOffset"] = start_offset
        while True:
            answer = await self._client.call(
                "GET", self._objects, key=prefix, expected=_OK, params=params
            )
            told = answer.response.json()
            yield Page(
                objects=[_parsed(item) for item in told.get("items", ())],
                prefixes=told.get("prefixes", ()),
            )
            token = told.get("nextPageToken", "")
            if not token:
                return
            params["pageToken"] = token

    async def aclose(self) -> None:
        """End the connections."""
        await self._client.aclose()

    async def _delete_any(self, key: str) -> None:
        await self.delete(key)

    def _path(self, key: str) -> str:
        return f"{self._objects}/{quote(key, safe='')}"


def _parsed(told: Mapping[str, Any]) -> StoredObject:
    updated_at = datetime.fromisoformat(told["updated"])
    return StoredObject(
        key=told["name"],
        size=int(told["size"]),
        generation=told["generation"],
        content_type=told.get("contentType", ""),
        md5=told.get("md5Hash"),
        crc32c=told.get("crc32c"),
        updated_at=updated_at,
        created_at=datetime.fromisoformat(told["timeCreated"]),
    )


async def _md5(content: bytes | bytearray) -> str:
    def digest() -> bytes:
        return hashlib.md5(content, usedforsecurity=False).digest()

    hashed = digest() if len(content) <= _INLINE_BYTES else await to_thread.run_sync(digest)
    return base64.b64encode(hashed).decode("ascii")
