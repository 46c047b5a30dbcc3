"""Running SHA-2 hashes whose state can be taken out, and put into another process.

`hashlib` keeps its state to itself. The same library's own functions, by way of `ctypes`, work on
a structure in our memory, at the same speed and without the interpreter's lock. Where they cannot
be reached (a Python with OpenSSL built in) or do not what they should, there are no resumable
hashes, and whoever wanted one reads the content again.

The bytes of a state are those of Go's `crypto/sha256` and `crypto/sha512`, which the incumbent
keeps beside its uploads: a magic number, the hash words, one block with what does not fill one
yet, padded with zeros, and the number of bytes so far, all big-endian.
"""

import ctypes
import functools
import hashlib
import struct
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

__all__ = ["ResumableHasher", "new_resumable_hasher", "restore_hasher"]

_WORDS = 8
_MAX_LENGTH = 2**61 - 1


class ResumableHasher(Protocol):
    """A running hash, as `hashlib` makes them, that knows its state."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take in more content."""

    def hexdigest(self) -> str:
        """Return the hash of the content so far, in lower-case hexadecimal."""

    def state(self) -> bytes:
        """Return what `restore_hasher` goes on from, in any process."""


class _Context256(ctypes.Structure):
    _fields_ = (
        ("words", ctypes.c_uint32 * _WORDS),
        ("bits", ctypes.c_uint32 * 2),
        ("block", ctypes.c_ubyte * 64),
        ("pending", ctypes.c_uint),
        ("digest_bytes", ctypes.c_uint),
    )


class _Context512(ctypes.Structure):
    _fields_ = (
        ("words", ctypes.c_uint64 * _WORDS),
        ("bits", ctypes.c_uint64 * 2),
        ("block", ctypes.c_ubyte * 128),
        ("pending", ctypes.c_uint),
        ("digest_bytes", ctypes.c_uint),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """How one algorithm keeps its state, in memory and in bytes."""

    context: type[ctypes.Structure]
    function: str
    magic: bytes
    layout: struct.Struct
    word_bits: int
    block_bytes: int
    digest_bytes: int


def _form_256() -> _Form:
    return _Form(
        context=_Context256,
        function="SHA256",
        magic=b"sha\x03",
        layout=struct.Struct(">4s8I64sQ"),
        word_bits=32,
        block_bytes=64,
        digest_bytes=32,
    )


def _form_512(function: str, magic: bytes, digest_bytes: int) -> _Form:
    return _Form(
        context=_Context512,
        function=function,
        magic=magic,
        layout=struct.Struct(">4s8Q128sQ"),
        word_bits=64,
        block_bytes=128,
        digest_bytes=digest_bytes,
    )


_FORMS: Mapping[str, _Form] = {
    "sha256": _form_256(),
    "sha384": _form_512("SHA384", b"sha\x04", 48),
    "sha512": _form_512("SHA512", b"sha\x07", 64),
}


class _Functions:
    """The three functions of one algorithm, in the library that `hashlib` uses too."""

    def __init__(self, library: ctypes.CDLL, function: str) -> None:
        self.init: Callable[..., int] = library[f"{function}_Init"]
        self.update: Callable[..., int] = library[f"{function}_Update"]
        self.final: Callable[..., int] = library[f"{function}_Final"]
        self.update.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]


class _Hasher:
    def __init__(self, form: _Form, functions: _Functions) -> None:
        self._form = form
        self._functions = functions
        self._context: Any = form.context()
        self._length = 0
        functions.init(ctypes.byref(self._context))

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        size = len(data)
        if isinstance(data, bytes):
            source: Any = data
        elif isinstance(data, memoryview) and (data.readonly or not data.contiguous):
            source = bytes(data)
        else:
            source = (ctypes.c_char * size).from_buffer(data)
        self._functions.update(ctypes.byref(self._context), source, size)
        self._length += size

    def hexdigest(self) -> str:
        copy = self._form.context.from_buffer_copy(self._context)
        result = (ctypes.c_ubyte * self._form.digest_bytes)()
        self._functions.final(result, ctypes.byref(copy))
        return bytes(result).hex()

    def state(self) -> bytes:
        form = self._form
        pending = self._length % form.block_bytes
        block = bytes(self._context.block)[:pending]
        return form.layout.pack(form.magic, *self._context.words, block, self._length)

    @classmethod
    def restore(cls, form: _Form, functions: _Functions, state: bytes) -> Self | None:
        if len(state) != form.layout.size:
            return None
        magic, *words, block, length = form.layout.unpack(state)
        if magic != form.magic or length > _MAX_LENGTH:
            return None
        hasher = cls(form, functions)
        context, bits = hasher._context, length * 8
        context.words[:] = words
        context.bits[:] = (bits & (2**form.word_bits - 1), bits >> form.word_bits)
        context.pending = length % form.block_bytes
        context.block[:] = block
        hasher._length = length
        return hasher


def new_resumable_hasher(algorithm: str) -> ResumableHasher | None:
    """Return a hash that has seen nothing, or None if its state could not be had here."""
    functions = _find_functions(algorithm)
    return None if functions is None else _Hasher(_FORMS[algorithm], functions)


def restore_hasher(algorithm: str, state: bytes) -> ResumableHasher | None:
    """Return the hash that had this state, or None if that is no state of the algorithm here."""
    functions = _find_functions(algorithm)
    return None if functions is None else _Hasher.restore(_FORMS[algorithm], functions, state)


@functools.cache
def _find_functions(algorithm: str) -> _Functions | None:
    form = _FORMS.get(algorithm)
    # What `hashlib` itself has loaded; a Python without OpenSSL has no such module.
    path = getattr(sys.modules.get("_hashlib"), "__file__", None)
    if form is None or path is None:
        return None
    try:
        functions = _Functions(ctypes.CDLL(path), form.function)
    except (OSError, AttributeError):
        return None
    return functions if _works(algorithm, form, functions) else None


def _works(algorithm: str, form: _Form, functions: _Functions) -> bool:
    """Say whether a hash that is cut at a place, and restored there, is that of `hashlib`."""
    content = bytes(range(251)) * 3
    for cut in (0, 1, form.block_bytes, form.block_bytes * 2 + 5):
        first = _Hasher(form, functions)
        first.update(content[:cut])
        second = _Hasher.restore(form, functions, first.state())
        if second is None:
            return False
        second.update(bytearray(content[cut:]))
        if second.hexdigest() != hashlib.new(algorithm, content).hexdigest():
            return False
    return True
