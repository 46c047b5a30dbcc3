"""Changing a password file in place, while services read it and others change it."""

import fcntl
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from core.access.passwords.file import hash_password

__all__ = ["UserUnknown", "remove_user", "set_password"]

# Surrogates are what is left of arguments that are no text.
_NAME = re.compile(r"[^\x00-\x20\x7f:#\ud800-\udfff][^\x00-\x1f\x7f:\ud800-\udfff]{0,254}")


class UserUnknown(LookupError):
    """There is no such user in the file."""


def set_password(path: Path, user: str, password: str) -> bool:
    """Give a user a password, and return whether the user is new. The file is made if missing.

    Whoever reads the file meanwhile finds the old one or the new one, whole.

    Raises:
        ValueError: the name is none, or the password is empty or longer than bcrypt can tell apart.
        OSError: the file cannot be read or written.
    """
    if _NAME.fullmatch(user) is None:
        raise ValueError(
            "a name has no colon, no control characters, and no # or space first, and is in UTF-8"
        )
    line = user.encode() + b":" + hash_password(password)

    def change(lines: list[bytes]) -> bool:
        places = [number for number, other in enumerate(lines) if _user_of(other) == user]
        if not places:
            lines.append(line)
            return True
        lines[places[-1]] = line
        for number in reversed(places[:-1]):
            del lines[number]
        return False

    return _change(path, change)


def remove_user(path: Path, user: str) -> None:
    """Take a user out of the file.

    Raises:
        UserUnknown: there is no such user.
        OSError: the file cannot be read or written.
    """

    def change(lines: list[bytes]) -> bool:
        kept = [line for line in lines if _user_of(line) != user]
        if len(kept) == len(lines):
            raise UserUnknown(user)
        lines[:] = kept
        return True

    _change(path, change)


def _user_of(line: bytes) -> str | None:
    text = line.strip()
    if text.startswith(b"#"):
        return None
    name, colon, _ = text.partition(b":")
    return name.decode(errors="replace") if colon else None


def _change(path: Path, change: Callable[[list[bytes]], bool]) -> bool:
    path = path.resolve()
    with _locked(path.parent):
        try:
            old, like = path.read_bytes(), path.stat()
        except FileNotFoundError:
            old, like = b"", None
        lines = old.splitlines()
        result = change(lines)
        _replace(path, b"".join(line + b"\n" for line in lines), like)
    return result


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Keep other commands out; a lock on the file itself would go with the old file."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(path: Path, content: bytes, like: os.stat_result | None) -> None:
    """Put content into the file's place, durably, and leave nothing else if that fails.

    Who may read it stays as it was: a service of another user has to go on following it. A new
    file is for its owner alone.
    """
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as new:
        try:
            new.write(content)
            new.flush()
            if like is not None:
                made = os.fstat(new.fileno())
                if (made.st_uid, made.st_gid) != (like.st_uid, like.st_gid):
                    os.fchown(new.fileno(), like.st_uid, like.st_gid)
                os.fchmod(new.fileno(), like.st_mode & 0o777)
            os.fsync(new.fileno())
            Path(new.name).replace(path)
        except BaseException:
            Path(new.name).unlink(missing_ok=True)
            raise
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
