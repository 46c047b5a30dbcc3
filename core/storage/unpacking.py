"""Reading a layer to find out what it unpacks to, without keeping any of it."""

import hashlib
import zlib
from contextlib import aclosing

from anyio import to_thread

from core.digest import SHA256, Digest
from core.errors import ManifestInvalid
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
    reading = _Reading()
    async with layer.open() as reader, aclosing(reader.chunks()) as chunks:
        async for chunk in chunks:
            await to_thread.run_sync(reading.update, chunk)
    return reading.finish(layer)


class _Reading:
    """Both hashes of a layer, as far as it has come."""

    def __init__(self) -> None:
        self._size = 0
        self._unpacked_size = 0
        self._stored = hashlib.sha256()
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
        self._size += len(chunk)
        self._stored.update(chunk)
        if self._packed:
            for start in range(0, len(chunk), _INPUT_BYTES):
                self._unpack(chunk[start : start + _INPUT_BYTES])
        else:
            self._unpacked.update(chunk)

    def finish(self, layer: Layer) -> UnpackedLayer:
        if self._size != layer.size or self._member is not None:
            raise ManifestInvalid(f"layer {layer.digest} ends too early")
        stored = Digest(SHA256, self._stored.hexdigest())
        if layer.identity.algorithm is SHA256 and layer.identity != stored:
            raise ManifestInvalid(f"layer {layer.digest} is damaged")
        return UnpackedLayer(
            digest=layer.digest if layer.digest.algorithm.names_bytes else stored,
            size=self._size,
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
