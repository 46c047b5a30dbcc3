"""The password file: users and bcrypt hashes, one a line, as `htpasswd -B` writes them."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import bcrypt
import structlog
from anyio import CapacityLimiter, to_thread

__all__ = ["MAX_PASSWORD_BYTES", "PasswordFile", "Passwords", "hash_password", "read_passwords"]

MAX_PASSWORD_BYTES = 72
"""What bcrypt looks at; a longer password is none."""

_COST = 10
"""Of new hashes: about 60 ms of a core for each guess."""

_MAX_COST = 17
"""What htpasswd makes at most: about 8 s of a core. One hash of cost 31 would keep everybody from
logging in for days, as a guess at an unknown user costs as much as the dearest."""

_BCRYPT = re.compile(rb"\$2[aby]\$(?P<cost>0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_NOBODY = bcrypt.hashpw(b"", bcrypt.gensalt(4))[7:]
"""Salt and hash of what stands for the users that there are not."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Passwords:
    """What a password file says.

    Attributes:
        hashes: by name of the user.
        faults: a sentence for each line that could not be used, with its number and no hash.
        highest_cost: that of the dearest hash, which every wrong guess costs.
    """

    hashes: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    faults: tuple[str, ...] = ()
    highest_cost: int = field(init=False)

    def __post_init__(self) -> None:
        # Looked for once: among many users it takes long enough to tell who is not one of them.
        highest = max(map(_cost_of, self.hashes.values()), default=_COST)
        object.__setattr__(self, "highest_cost", highest)


def read_passwords(path: Path) -> Passwords:
    """Return what the file at `path` says; a later line of a user replaces an earlier one.

    Raises:
        OSError: the file cannot be read.
    """
    hashes: dict[str, bytes] = {}
    faults = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        text = line.strip()
        if not text or text.startswith(b"#"):
            continue
        name, colon, hashed = text.partition(b":")
        try:
            user = name.decode()
        except UnicodeDecodeError:
            user = ""
        if not (colon and user):
            faults.append(f"line {number} is not of the form name:hash")
        elif _BCRYPT.fullmatch(hashed) is None:
            faults.append(f"line {number}: the hash of {user} is not one of bcrypt (htpasswd -B)")
        elif _cost_of(hashed) > _MAX_COST:
            faults.append(f"line {number}: the hash of {user} has a cost above {_MAX_COST}")
        else:
            hashes[user] = hashed
    return Passwords(hashes=MappingProxyType(hashes), faults=tuple(faults))


def hash_password(password: str) -> bytes:
    """Return the bcrypt hash of a new password. It takes long on purpose.

    Raises:
        ValueError: the password is empty, or longer than bcrypt can tell apart.
    """
    secret = password.encode()
    if not secret or len(secret) > MAX_PASSWORD_BYTES:
        raise ValueError(f"a password has 1 to {MAX_PASSWORD_BYTES} bytes, this has {len(secret)}")
    return bcrypt.hashpw(secret, bcrypt.gensalt(_COST))


class PasswordFile:
    """A password file in use: `reload` follows its changes, and `verify` asks what it said last.

    Attributes:
        path: of the file.
        generation: changes with every change of what it says.
    """

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            OSError: it cannot be read.
        """
        self.path = path
        self.generation = 0
        self._passwords = read_passwords(path)
        self._tell_faults()
        # A guess keeps a core busy: no more at once than leave the others some room.
        self._limiter = CapacityLimiter(max(1, (os.cpu_count() or 1) // 2))

    @property
    def users(self) -> frozenset[str]:
        """The names in the file."""
        return frozenset(self._passwords.hashes)

    def reload(self) -> None:
        """Read the file anew. One that cannot be read is logged, and leaves all as it was."""
        try:
            found = read_passwords(self.path)
        except OSError as error:
            _log.error("password file cannot be read", file=str(self.path), reason=error.strerror)
            return
        if found != self._passwords:
            self._passwords = found
            self.generation += 1
            _log.info("passwords changed", file=str(self.path), users=len(found.hashes))
            self._tell_faults()

    async def verify(self, user: str, password: str) -> bool:
        """Say whether this is the user's password.

        The answer takes as long for a user that is not there as for a wrong password, whatever
        the hashes of the users cost, and the event loop is never blocked.
        """
        passwords = self._passwords
        hashed = passwords.hashes.get(user)
        is_known = hashed is not None
        secret = password.encode()
        is_sane = 0 < len(secret) <= MAX_PASSWORD_BYTES
        is_right = await to_thread.run_sync(
            _check,
            secret[:MAX_PASSWORD_BYTES],
            hashed or _hash_of_nobody(passwords.highest_cost),
            passwords.highest_cost,
            limiter=self._limiter,
        )
        return is_right and is_known and is_sane

    def fingerprint(self, user: str) -> str | None:
        """Return a text that changes when the user's password does; None for an unknown user."""
        hashed = self._passwords.hashes.get(user)
        return None if hashed is None else hashlib.sha256(hashed).hexdigest()[:32]

    def _tell_faults(self) -> None:
        for fault in self._passwords.faults:
            _log.warning("password file has an unusable line", file=str(self.path), fault=fault)


def _check(secret: bytes, hashed: bytes, highest_cost: int) -> bool:
    """Say whether this is the hash of a password; if not, take as long as the dearest would."""
    if bcrypt.checkpw(secret, hashed):
        return True
    # Each cost is twice the one before, so that all of them together make up for the dearest.
    for cost in range(_cost_of(hashed), highest_cost):
        bcrypt.checkpw(secret, _hash_of_nobody(cost))
    return False


def _cost_of(hashed: bytes) -> int:
    return int(hashed[4:6])


def _hash_of_nobody(cost: int) -> bytes:
    return b"$2b$%02d$" % cost + _NOBODY
