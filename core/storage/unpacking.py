"""Reading a layer to find out what it unpacks to, without keeping any of it."""

import hashlib
import zlib
from contextlib import aclosing

from anyio import to_thread

from core.digest import SHA256, Algorithm, Digest, Digester
from core.errors import ArchiveTruncated, DigestMismatch, ManifestInvalid
from core.manifest.schema1 import UnpackedLayer
from core.storage.layer import Layer

__all__ = ["unpack"]

_GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 31
_OTHERS = {b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zX": "xz", b"BZh": "bzip2"}
_PIECE_BYTES = 1024 * 1024
_INPUT_BYTES = 64 * 1024
"""Taken at once: what follows a member is copied at its end, and a member may have 20 bytes."""

_MAX_UNPACKED_BYTES = 64 * 1024**3
"""A thousandth of it is enough to push, and unpacking it takes some minutes."""


async def unpack(layer: Layer) -> UnpackedLayer:
    """Return what reading all of a layer tells: an archive, by itself or in gzip.

    It is unpacked in threads, piece by piece, in memory that does not depend on its size.

    Raises:
        ManifestInvalid: it is packed in another way, is damaged, or ends too early.
        DriverError: the store did not give it.
    """
    reading = _Reading(layer.identity.algorithm)
    async with layer.open() as reader, aclosing(reader.chunks()) as chunks:
        async for chunk in chunks:
            await to_thread.run_sync(reading.update, chunk)
    return await to_thread.run_sync(reading.finish, layer)


class _Reading:
    """Both digests of a layer, as far as it has come: as it is stored, and unpacked."""

    def __init__(self, algorithm: Algorithm = SHA256) -> None:
        self._unpacked_size = 0
        self._stored = Digester(algorithm)
        self._unpacked = hashlib.sha256()
        self._packed: bool | None = None

        self._member: zlib._Decompress | None = None

    def update(self, chunk: bytes) -> None:
        if self._packed is None:
            # The store gives at least as much at once, unless the layer is shorter.
            self._packed = chunk.startswith(_GZIP)
            for magic, name in _OTHERS.items():
                if chunk.startswith(magic):
                    raise ManifestInvalid(f"a layer is packed with {name}, which is not converted")
        self._stored.update(chunk)
        if self._packed:
            for start in range(0, len(chunk), _INPUT_BYTES):
                self._unpack(chunk[start : start + _INPUT_BYTES])
        else:
            self._unpacked.update(chunk)

    def finish(self, layer: Layer) -> UnpackedLayer:
        size = self._stored.size
        if size != layer.size or self._member is not None:
            raise ManifestInvalid(f"layer {layer.digest} ends too early")
        try:
            stored = self._stored.check(layer.identity)
        except (DigestMismatch, ArchiveTruncated):
            raise ManifestInvalid(f"layer {layer.digest} is damaged") from None
        return UnpackedLayer(
            digest=layer.digest if layer.digest.algorithm.names_bytes else stored,
            size=size,
            diff_id=Digest(SHA256, self._unpacked.hexdigest()),
            packed=bool(self._packed),
        )

    def _unpack(self, chunk: bytes) -> None:
        rest = chunk
        try:
            # A member ends with a sum, so that there is always input left while there is output.
            while rest:
                if self._member is None:
                    self._member = zlib.decompressobj(_GZIP_WINDOW)
                piece = self._member.decompress(rest, _PIECE_BYTES)
                self._unpacked.update(piece)
                self._unpacked_size += len(piece)
                if self._unpacked_size > _MAX_UNPACKED_BYTES:
                    raise ManifestInvalid(
                        f"a layer unpacks to more than {_MAX_UNPACKED_BYTES} bytes"
                    )
                rest = self._member.unconsumed_tail
                if self._member.eof:
                    # Several members stand for the archives in them one behind the other.
                    rest = self._member.unused_data
                    self._member = None
        except zlib.error as error:
            raise ManifestInvalid(f"a layer is not sound gzip: {error}") from None
