"""Syncs of several files and directories at once, in two calls of the system.

One sync after the other waits for the disk as often as there are files. Given to Linux together
(`io_submit`), they are done at the same time, and a disk with a cache is told but once to write
that out for several. A sync is the same in either way, and so is what it says of faults.

All of this blocks, and is called from threads.
"""

import ctypes
import errno
import functools
import os
import platform
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["BatchSyncs"]

_MAX_AT_ONCE = 64

_FSYNC = 2
"""`IOCB_CMD_FSYNC`."""

_REQUEST = struct.Struct("=QIiHhIQQqQII")
"""`struct iocb`; where it differs, in big-endian and 32-bit systems, it is not used."""

_RESULT = struct.Struct("=QQqq")
"""`struct io_event`."""

_NUMBERS = {"x86_64": (206, 207, 209, 208), "aarch64": (0, 1, 2, 4)}
"""Of `io_setup`, `io_destroy`, `io_submit` and `io_getevents`, which no C library names."""


class BatchSyncs:
    """Syncs of open files, several at once. May be used by several threads."""

    def __init__(self) -> None:
        """Ask nothing of the system until there is something to sync."""
        self._idle: list[_Context] = []
        self._works = True

    def sync(self, descriptors: Sequence[int]) -> list[OSError | None]:
        """Make durable what is open as `descriptors`, and return what each sync has failed with."""
        faults: list[OSError | None] = []
        for start in range(0, len(descriptors), _MAX_AT_ONCE):
            faults += self._sync(descriptors[start : start + _MAX_AT_ONCE])
        return faults

    def close(self) -> None:
        """Give back what the system keeps for this. It may be used again."""
        while self._idle:
            self._idle.pop().close()

    def _sync(self, descriptors: Sequence[int]) -> list[OSError | None]:
        context = self._find_context() if len(descriptors) > 1 else None
        if context is None:
            return [_sync_one(descriptor) for descriptor in descriptors]
        results = context.sync(descriptors)
        self._idle.append(context)
        # What the system has not taken is synced one by one.
        self._works = len(results) > 0
        return [
            _as_fault(results[number]) if number in results else _sync_one(descriptor)
            for number, descriptor in enumerate(descriptors)
        ]

    def _find_context(self) -> "_Context | None":
        if not self._works:
            return None
        try:
            return self._idle.pop()
        except IndexError:
            pass
        calls = _find_calls()
        context = None if calls is None else _Context.open(calls)
        # Where the system has no more of them for now, it may have some later.
        self._works = calls is not None
        return context


@dataclass(frozen=True, slots=True)
class _Calls:
    """Calls of the system, made without the interpreter's lock.

    A negative result is a fault, and `ctypes.get_errno` tells which.
    """

    setup: Callable[..., int]
    destroy: Callable[..., int]
    submit: Callable[..., int]
    get_events: Callable[..., int]


class _Context:
    """A queue of the system, with room for `_MAX_AT_ONCE` syncs."""

    def __init__(self, calls: _Calls, handle: int) -> None:
        self._calls = calls
        self._handle = handle
        self._requests = ctypes.create_string_buffer(_REQUEST.size * _MAX_AT_ONCE)
        self._results = ctypes.create_string_buffer(_RESULT.size * _MAX_AT_ONCE)
        first = ctypes.addressof(self._requests)
        addresses = range(first, first + _REQUEST.size * _MAX_AT_ONCE, _REQUEST.size)
        self._addresses = (ctypes.c_void_p * _MAX_AT_ONCE)(*addresses)

    @classmethod
    def open(cls, calls: _Calls) -> "_Context | None":
        """Return a new one, or None if the system gives none."""
        handle = ctypes.c_ulong(0)
        if calls.setup(_MAX_AT_ONCE, ctypes.byref(handle)) < 0:
            return None
        return cls(calls, handle.value)

    def close(self) -> None:
        self._calls.destroy(self._handle)

    def sync(self, descriptors: Sequence[int]) -> dict[int, int]:
        """Sync files, and return the results of those that the system has taken, by number."""
        for number, descriptor in enumerate(descriptors):
            request = (number, 0, 0, _FSYNC, 0, descriptor, 0, 0, 0, 0, 0, 0)
            _REQUEST.pack_into(self._requests, number * _REQUEST.size, *request)
        taken = 0
        while taken < len(descriptors):
            start = ctypes.byref(self._addresses, taken * ctypes.sizeof(ctypes.c_void_p))
            more = self._calls.submit(self._handle, len(descriptors) - taken, start)
            if more <= 0:
                break
            taken += more
        return self._collect(taken)

    def _collect(self, taken: int) -> dict[int, int]:
        results: dict[int, int] = {}
        while len(results) < taken:
            left = taken - len(results)
            # Interrupted by a signal, the call is made again: what runs cannot be given up.
            found = self._calls.get_events(self._handle, left, left, self._results, None)
            if found < 0 and ctypes.get_errno() != errno.EINTR:
                raise OSError(ctypes.get_errno(), "io_getevents")
            for number in range(found):
                key, _, result, _ = _RESULT.unpack_from(self._results, number * _RESULT.size)
                results[key] = result
        return results


@functools.cache
def _find_calls() -> _Calls | None:
    """Return the calls of this system, or None if it has none that are known."""
    numbers = _NUMBERS.get(platform.machine())
    if numbers is None or sys.platform != "linux" or sys.maxsize < 2**32:
        return None
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long

    def call(number: int) -> Callable[..., int]:
        numbered = ctypes.c_long(number)

        def make(*arguments: object) -> int:
            # As wide as a register, as nobody tells a function of variable arguments their types.
            wide = [ctypes.c_long(item) if isinstance(item, int) else item for item in arguments]
            result: int = syscall(numbered, *wide)
            return result

        return make

    return _Calls(*map(call, numbers))


def _sync_one(descriptor: int) -> OSError | None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        return error
    return None


def _as_fault(result: int) -> OSError | None:
    if result >= 0:
        return None
    return OSError(-result, os.strerror(-result))
