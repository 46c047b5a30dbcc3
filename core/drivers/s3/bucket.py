"""The operations of S3 that a driver needs, each one request to one bucket.

Names and meanings are those of https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html
All of them raise `S3Refusal` and `CONNECTION_FAULTS`, which `s3_faults` knows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote_plus
from xml.etree.ElementTree import Element

from core.drivers.http import HttpAnswer
from core.drivers.s3.documents import completion, deletion, parse, text_of
from core.drivers.s3.options import PayloadCheck
from core.drivers.s3.part_body import PartBody
from core.drivers.s3.payloads import content_headers, request_headers
from core.drivers.s3.transport import NO_CONTENT, Answer, Request, Transport

__all__ = ["Bucket", "ObjectHead", "ObjectsPage", "Part", "PartsPage", "UploadsPage"]

_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part as the store has it.

    Attributes:
        number: its place, from 1.
        etag: tells its content; the MD5 of it, unless the store encrypts with other keys than
            its own.
        size: in bytes.
    """

    number: int
    etag: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectHead:
    """What the store tells of an object.

    Attributes:
        size: in bytes.
        etag: of this version of it.
        modified_at: when it was written.
        asked_at: when this was told, by the same clock.
    """

    size: int
    etag: str
    modified_at: datetime
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectsPage:
    """Some keys, those that are the same up to a delimiter as one, and how to ask for more."""

    keys: Sequence[str]
    prefixes: Sequence[str]
    token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsPage:
    """Some parts of an upload, and the number behind which there are more, if there are."""

    parts: Sequence[Part]
    marker: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundUpload:
    """An unfinished upload as it is listed."""

    key: str
    upload_id: str
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadsPage:
    """Some unfinished uploads, and the key and id behind which the next page begins."""

    uploads: Sequence[FoundUpload]
    marker: tuple[str, str] | None


class Bucket:
    """One bucket. What is stored has the headers that its caller gives, such as its class."""

    def __init__(self, transport: Transport, name: str, payload_check: PayloadCheck) -> None:
        self._transport = transport
        self._name = name
        self._check = payload_check

    async def put(self, key: str, content: PartBody, headers: Mapping[str, str] = _NOTHING) -> str:
        """Store an object, and return its ETag."""
        answer = await self._send("PutObject", key, _NOTHING, headers, content)
        return answer.headers["etag"]

    async def open(self, key: str, headers: Mapping[str, str] = _NOTHING) -> HttpAnswer:
        """Return the answer with an object, or with the range that `headers` ask for."""
        return await self._transport.open(
            await self._request("GetObject", "GET", key, headers=headers)
        )

    async def head(self, key: str) -> ObjectHead:
        """Return what there is to know about an object."""
        headers = (await self._ask("HeadObject", "HEAD", key)).headers
        modified_at = parsedate_to_datetime(headers["last-modified"])
        date = headers.get("date")
        return ObjectHead(
            size=int(headers["content-length"]),
            etag=headers["etag"],
            modified_at=modified_at,
            asked_at=parsedate_to_datetime(date) if date else datetime.now(UTC),
        )

    async def delete(self, key: str, etag: str = "") -> None:
        """Delete an object, or only this version of it; it need not be there."""
        headers = {"if-match": etag} if etag else _NOTHING
        await self._ask("DeleteObject", "DELETE", key, headers=headers)

    async def delete_all(self, keys: Sequence[str]) -> Sequence[tuple[str, str]]:
        """Delete up to a thousand objects; return those which are left, and the codes why."""
        answer = await self._ask(
            "DeleteObjects", "POST", query={"delete": ""}, document=deletion(keys)
        )
        return [
            (text_of(error, "Key"), text_of(error, "Code"))
            for error in parse(answer.body).iterfind("Error")
        ]

    async def copy(
        self, key: str, source: str, etag: str, headers: Mapping[str, str] = _NOTHING
    ) -> None:
        """Make an object a copy of that version of another."""
        await self._ask("CopyObject", "PUT", key, headers={**headers, **self._source(source, etag)})

    async def list_objects(
        self,
        prefix: str,
        *,
        delimiter: str = "",
        start_after: str = "",
        token: str = "",
        max_keys: int = 0,
    ) -> ObjectsPage:
        """Return the next keys that begin with a prefix, a thousand of them at most."""
        query = {"list-type": "2", "prefix": prefix, "encoding-type": "url"}
        if delimiter:
            query["delimiter"] = delimiter
        if start_after:
            query["start-after"] = start_after
        if token:
            query["continuation-token"] = token
        if max_keys:
            query["max-keys"] = str(max_keys)
        root = parse((await self._ask("ListObjectsV2", "GET", query=query)).body)
        is_encoded = root.findtext("EncodingType") == "url"

        def decoded(text: str) -> str:
            return unquote_plus(text) if is_encoded else text

        return ObjectsPage(
            keys=[decoded(text_of(found, "Key")) for found in root.iterfind("Contents")],
            prefixes=[
                decoded(text_of(found, "Prefix")) for found in root.iterfind("CommonPrefixes")
            ],
            token=text_of(root, "NextContinuationToken") if _is_truncated(root) else None,
        )

    async def create_upload(self, key: str, headers: Mapping[str, str] = _NOTHING) -> str:
        """Begin a multipart upload, and return its id."""
        answer = await self._ask(
            "CreateMultipartUpload", "POST", key, query={"uploads": ""}, headers=headers
        )
        return text_of(parse(answer.body), "UploadId")

    async def send_part(self, key: str, upload_id: str, number: int, content: PartBody) -> Part:
        """Store a part, in the place of one that had this number."""
        query = {"partNumber": str(number), "uploadId": upload_id}
        answer = await self._send("UploadPart", key, query, _NOTHING, content)
        return Part(number=number, etag=answer.headers["etag"], size=len(content))

    async def copy_part(
        self, key: str, upload_id: str, number: int, source: str, etag: str, start: int, stop: int
    ) -> Part:
        """Store the bytes `[start, stop)` of that version of an object as a part."""
        answer = await self._ask(
            "UploadPartCopy",
            "PUT",
            key,
            query={"partNumber": str(number), "uploadId": upload_id},
            headers={
                **self._source(source, etag),
                "x-amz-copy-source-range": f"bytes={start}-{stop - 1}",
            },
        )
        found = text_of(parse(answer.body), "ETag")
        return Part(number=number, etag=found, size=stop - start)

    async def list_parts(
        self, key: str, upload_id: str, marker: int = 0, max_parts: int = 0
    ) -> PartsPage:
        """Return the parts behind a number that the store has of an upload."""
        query = {"uploadId": upload_id}
        if marker:
            query["part-number-marker"] = str(marker)
        if max_parts:
            query["max-parts"] = str(max_parts)
        root = parse((await self._ask("ListParts", "GET", key, query=query)).body)
        parts = [
            Part(
                number=int(text_of(found, "PartNumber")),
                etag=text_of(found, "ETag"),
                size=int(text_of(found, "Size")),
            )
            for found in root.iterfind("Part")
        ]
        next_marker = int(text_of(root, "NextPartNumberMarker")) if _is_truncated(root) else None
        return PartsPage(parts=parts, marker=next_marker)

    async def complete_upload(self, key: str, upload_id: str, parts: Iterable[Part]) -> str:
        """Make an object of the parts, and return its ETag if the answer tells it."""
        answer = await self._ask(
            "CompleteMultipartUpload",
            "POST",
            key,
            query={"uploadId": upload_id},
            document=completion((part.number, part.etag) for part in parts),
        )
        return text_of(parse(answer.body), "ETag")

    async def abort_upload(self, key: str, upload_id: str) -> None:
        """Discard an upload and its parts."""
        await self._ask("AbortMultipartUpload", "DELETE", key, query={"uploadId": upload_id})

    async def list_uploads(
        self, prefix: str, key_marker: str = "", upload_marker: str = ""
    ) -> UploadsPage:
        """Return the unfinished uploads behind a key and an id whose keys begin with a prefix."""
        query = {"uploads": "", "prefix": prefix}
        if key_marker:
            query["key-marker"] = key_marker
        if upload_marker:
            query["upload-id-marker"] = upload_marker
        root = parse((await self._ask("ListMultipartUploads", "GET", query=query)).body)
        marker = None
        if _is_truncated(root):
            marker = (text_of(root, "NextKeyMarker"), text_of(root, "NextUploadIdMarker"))
        uploads = [
            FoundUpload(
                key=text_of(found, "Key"),
                upload_id=text_of(found, "UploadId"),
                started_at=datetime.fromisoformat(text_of(found, "Initiated")),
            )
            for found in root.iterfind("Upload")
        ]
        return UploadsPage(uploads=uploads, marker=marker)

    async def _ask(
        self,
        operation: str,
        method: str,
        key: str = "",
        *,
        query: Mapping[str, str] = _NOTHING,
        headers: Mapping[str, str] = _NOTHING,
        document: PartBody = NO_CONTENT,
    ) -> Answer:
        return await self._transport.ask(
            await self._request(
                operation, method, key, query=query, headers=headers, document=document
            )
        )

    async def _request(
        self,
        operation: str,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] = _NOTHING,
        headers: Mapping[str, str] = _NOTHING,
        document: PartBody = NO_CONTENT,
    ) -> Request:
        """Return a request whose content, if it has any, is a document."""
        return Request(
            operation=operation,
            method=method,
            key=key,
            query=query,
            headers={**headers, **await request_headers(document, self._check)},
            content=document,
        )

    async def _send(
        self,
        operation: str,
        key: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        content: PartBody,
    ) -> Answer:
        return await self._transport.ask(
            Request(
                operation=operation,
                method="PUT",
                key=key,
                query=query,
                headers={**headers, **await content_headers(content, self._check)},
                content=content,
            )
        )

    def _source(self, key: str, etag: str) -> Mapping[str, str]:
        return {
            "x-amz-copy-source": quote(f"{self._name}/{key}", safe="/-._~"),
            "x-amz-copy-source-if-match": etag,
        }


def _is_truncated(root: Element) -> bool:
    return text_of(root, "IsTruncated").lower() == "true"
