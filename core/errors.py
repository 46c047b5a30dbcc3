"""Every error that Moorage raises on purpose.

    RegistryError
    ├── DigestInvalid             (also ValueError)
    │   ├── DigestUnsupported     an algorithm nobody here knows
    │   ├── ArchiveTruncated      the beginning of an archive, where its tarsum is needed
    │   └── DigestMismatch        content that is not what its digest says
    │       └── ArchiveInvalid    content that has no tarsum, whatever follows it
    ├── SizeInvalid
    ├── NameInvalid               (also ValueError)
    ├── NameUnknown
    ├── TagInvalid                (also ValueError)
    ├── BlobTooLarge
    ├── BlobUnknown
    ├── UploadUnknown
    ├── UploadBusy                another request is writing this upload now
    ├── RangeInvalid              a chunk that does not start where the upload ends
    ├── ManifestUnknown
    ├── ManifestInvalid
    │   └── Schema1Refused        a signed image, which the settings do not take
    ├── ManifestTooLarge
    ├── ManifestBlobUnknown
    ├── ManifestUnverified        a signature that is missing, malformed or not good
    ├── ManifestFaults            several of the above, found in one manifest
    ├── PaginationInvalid
    ├── OperationUnsupported
    ├── AuthenticationRequired    nobody in particular, or someone who has to prove more
    │   └── LoginRefused          credentials of a request for a token that prove nothing
    ├── TokenRequestInvalid       a request for a token that is none
    ├── AccessDenied              someone who may not do this
    │   └── TagImmutable          nobody may: the tag stays where it is
    ├── AccessUnavailable         who asks cannot be found out now
    ├── TooManyRequests           of one client, within a time or at once
    └── DriverError               what a storage driver raises, and all it raises
        ├── PathNotFound
        ├── PathInvalid
        ├── PathConflict          a file where a directory is needed, or the reverse
        ├── OffsetInvalid
        ├── WriterBusy            another writer has claimed this path
        ├── StorageFull
        └── DriverUnavailable

`detail` is what a client may see, and is JSON. The text of a DriverError is for logs only: it
names paths of the store. This module knows no HTTP; `api/errors.py` maps each class to a code of
the distribution spec and a status.
"""

from collections.abc import Mapping, Sequence

__all__ = [
    "AccessDenied",
    "AccessUnavailable",
    "ArchiveInvalid",
    "ArchiveTruncated",
    "AuthenticationRequired",
    "BlobTooLarge",
    "BlobUnknown",
    "DigestInvalid",
    "DigestMismatch",
    "DigestUnsupported",
    "DriverError",
    "DriverUnavailable",
    "LoginRefused",
    "ManifestBlobUnknown",
    "ManifestFaults",
    "ManifestInvalid",
    "ManifestTooLarge",
    "ManifestUnknown",
    "ManifestUnverified",
    "NameInvalid",
    "NameUnknown",
    "OffsetInvalid",
    "OperationUnsupported",
    "PaginationInvalid",
    "PathConflict",
    "PathInvalid",
    "PathNotFound",
    "RangeInvalid",
    "RegistryError",
    "Schema1Refused",
    "SizeInvalid",
    "StorageFull",
    "TagImmutable",
    "TagInvalid",
    "TokenRequestInvalid",
    "TooManyRequests",
    "UploadBusy",
    "UploadUnknown",
    "WriterBusy",
]

DetailValue = str | int | Sequence[str]


class RegistryError(Exception):
    """The root: a fault with a sentence for people and a detail for programs."""

    def __init__(self, message: str, /, **detail: DetailValue | None) -> None:
        super().__init__(message)
        self.message = message
        self.detail: Mapping[str, DetailValue] = {
            name: value for name, value in detail.items() if value is not None
        }


class DigestInvalid(RegistryError, ValueError):
    """A text that is no digest, where one is needed."""

    def __init__(self, text: str, reason: str, *, field: str | None = None) -> None:
        super().__init__(reason, digest=text, reason=reason, field=field)


class DigestUnsupported(DigestInvalid):
    """A digest whose algorithm is not known here."""


class DigestMismatch(DigestInvalid):
    """Content whose digest is not the one that was promised."""

    def __init__(self, *, expected: str, actual: str, field: str | None = None) -> None:
        super().__init__(expected, "the content has another digest", field=field)
        self.detail = {**self.detail, "expected": expected, "actual": actual}


class ArchiveInvalid(DigestMismatch):
    """Content that has no tarsum: no archive, or one past the limits of what is read.

    Attributes:
        reason: what is wrong, in a sentence.
    """

    def __init__(self, reason: str, *, digest: str | None = None) -> None:
        RegistryError.__init__(self, reason, digest=digest, reason=reason)
        self.reason = reason


class ArchiveTruncated(DigestInvalid):
    """Content that has no tarsum yet: an archive that has begun and not ended.

    Attributes:
        reason: where it ends, in a sentence.
    """

    def __init__(self, reason: str, *, digest: str | None = None) -> None:
        RegistryError.__init__(self, reason, digest=digest, reason=reason)
        self.reason = reason


class SizeInvalid(RegistryError):
    """Content whose length in bytes is not the one that was promised."""

    def __init__(
        self, *, expected: int, actual: int, digest: str | None = None, field: str | None = None
    ) -> None:
        super().__init__(
            f"expected {expected} bytes, found {actual}",
            expected=expected,
            actual=actual,
            digest=digest,
            field=field,
        )


class NameInvalid(RegistryError, ValueError):
    """A repository name outside the grammar."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason, name=name, reason=reason)


class NameUnknown(RegistryError):
    """A repository that holds nothing."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no repository {name}", name=name)


class TagInvalid(RegistryError, ValueError):
    """A tag outside the grammar."""

    def __init__(self, tag: str, reason: str) -> None:
        super().__init__(reason, tag=tag, reason=reason)


class BlobTooLarge(RegistryError):
    """A blob over the size limit."""

    def __init__(self, *, limit: int) -> None:
        super().__init__(f"blobs are limited to {limit} bytes", limit=limit)


class BlobUnknown(RegistryError):
    """A blob that this repository does not link."""

    def __init__(self, *, digest: str, name: str) -> None:
        super().__init__(f"no blob {digest} in {name}", digest=digest, name=name)


class UploadUnknown(RegistryError):
    """An upload that was never started, is finished or cancelled, or has lost its data."""

    def __init__(self, *, upload_id: str, name: str) -> None:
        super().__init__(f"no upload {upload_id} in {name}", upload=upload_id, name=name)


class UploadBusy(RegistryError):
    """An upload that another request is writing at this moment."""

    def __init__(self, *, upload_id: str, name: str) -> None:
        super().__init__(
            "another request is writing this upload",
            upload=upload_id,
            name=name,
            reason="another request is writing this upload",
        )


class RangeInvalid(RegistryError):
    """A chunk that does not start where the upload ends.

    Attributes:
        offset: the number of bytes that the upload holds, where the next chunk must start.
    """

    def __init__(self, reason: str, *, offset: int, given: str | None = None) -> None:
        super().__init__(reason, reason=reason, offset=offset, given=given)
        self.offset = offset


class ManifestUnknown(RegistryError):
    """A tag or digest under which this repository has no manifest."""

    def __init__(self, *, name: str, reference: str) -> None:
        super().__init__(f"no manifest {reference} in {name}", name=name, reference=reference)


class ManifestInvalid(RegistryError):
    """A document that is not the manifest it should be.

    `field` is the dotted place of the fault, such as `layers[2].size`.
    """

    def __init__(
        self, reason: str, *, field: str | None = None, expected: str | Sequence[str] | None = None
    ) -> None:
        super().__init__(reason, reason=reason, field=field, expected=expected)


class Schema1Refused(ManifestInvalid):
    """A signed image of schema 1, where the registry is set up not to take any."""

    def __init__(self, *, expected: Sequence[str]) -> None:
        super().__init__(
            'images of schema 1 are refused: the setting manifests.schema1 is "refuse"',
            field="mediaType",
            expected=expected,
        )


class ManifestTooLarge(RegistryError):
    """A manifest over the size limit."""

    def __init__(self, *, limit: int) -> None:
        super().__init__(f"manifests are limited to {limit} bytes", limit=limit)


class ManifestBlobUnknown(RegistryError):
    """A manifest that refers to content its repository does not have."""

    def __init__(self, *, digest: str, field: str) -> None:
        super().__init__(f"{field} refers to {digest}", digest=digest, field=field)


class ManifestUnverified(RegistryError):
    """A signed manifest whose signatures are missing, malformed, or not good.

    `field` is the dotted place of the fault, such as `signatures[0].header.jwk`.
    """

    def __init__(self, reason: str, *, field: str | None = None) -> None:
        super().__init__(reason, reason=reason, field=field)


class ManifestFaults(RegistryError):
    """All that is wrong with one manifest.

    Attributes:
        faults: two or more errors, in the order of the document.
    """

    def __init__(self, faults: Sequence[RegistryError]) -> None:
        super().__init__(f"{len(faults)} faults in one manifest")
        self.faults = tuple(faults)


class PaginationInvalid(RegistryError):
    """A page that cannot be given: its size is no number, or is negative."""

    def __init__(self, parameter: str, value: str, reason: str) -> None:
        super().__init__(reason, parameter=parameter, value=value, reason=reason)


class OperationUnsupported(RegistryError):
    """An operation that this registry is set up not to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, reason=reason)


class AuthenticationRequired(RegistryError):
    """A request of nobody who may do what it asks for, and who might be someone who may.

    Attributes:
        wanted: what the request asks for, as scopes.
        error: what is wrong with the credentials at hand, if there are any: `invalid_token` or
            `insufficient_scope`.
        challenge: how to prove it, in the words of the protocol that the client speaks.
    """

    def __init__(
        self,
        reason: str,
        *,
        wanted: Sequence[str] = (),
        error: str | None = None,
        challenge: str | None = None,
    ) -> None:
        super().__init__(reason, reason=reason, access=list(wanted) or None)
        self.wanted = tuple(wanted)
        self.error = error
        self.challenge = challenge


class LoginRefused(AuthenticationRequired):
    """Credentials with which a token was asked for, and which prove nothing."""


class TokenRequestInvalid(RegistryError):
    """A request for a token that is outside the grammar, or asks for what there is not.

    Attributes:
        error: what is wrong in the words of RFC 6749, section 5.2, and RFC 8693, section 2.2.2.
    """

    def __init__(self, error: str, reason: str) -> None:
        super().__init__(reason, error=error, reason=reason)
        self.error = error


class AccessDenied(RegistryError):
    """A request of someone who may not do what it asks for."""

    def __init__(self, reason: str, *, repository: str | None = None, **detail: str | None) -> None:
        super().__init__(reason, reason=reason, repository=repository, **detail)


class TagImmutable(AccessDenied):
    """A tag that may be created once, and points elsewhere already, or is to be removed."""

    def __init__(self, *, name: str, tag: str, digest: str) -> None:
        reason = f"tag {tag} is write-once and points to {digest}"
        super().__init__(reason, repository=name, tag=tag, digest=digest)


class AccessUnavailable(RegistryError):
    """Who asks cannot be found out now; the text is for logs only."""


class TooManyRequests(RegistryError):
    """A client that has asked for more than its share, or too often for a password.

    Attributes:
        retry_after_seconds: how long to wait before asking again, in whole seconds from 1.
    """

    def __init__(self, *, retry_after_seconds: int, reason: str | None = None) -> None:
        super().__init__(
            f"try again in {retry_after_seconds} seconds",
            retry_after_seconds=retry_after_seconds,
            reason=reason,
        )
        self.retry_after_seconds = retry_after_seconds


class DriverError(RegistryError):
    """A fault of the store. Its text names paths of the store and is never shown to clients.

    Attributes:
        path: the driver path at fault.
        driver: the name of the driver; filled in by the wrapper around every driver.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.driver = ""

    def __str__(self) -> str:
        return f"{self.driver}: {self.message}: {self.path}"


class PathNotFound(DriverError):
    """Nothing is stored at this path."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "path not found")


class PathInvalid(DriverError):
    """A path outside the grammar of driver paths."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "invalid path")


class PathConflict(DriverError):
    """A file stands where a directory is needed, or a directory where a file is."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "a file and a directory share this path")


class OffsetInvalid(DriverError):
    """A negative offset, or a range that ends before it starts."""

    def __init__(self, path: str, offset: int) -> None:
        super().__init__(path, f"invalid offset {offset}")
        self.offset = offset


class WriterBusy(DriverError):
    """Another writer has claimed this path and has not let go of it."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "claimed by another writer")


class StorageFull(DriverError):
    """The store has no room left; what was there before is unharmed."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "no space left")


class DriverUnavailable(DriverError):
    """The store did not do what was asked; calling again is safe and may succeed."""
