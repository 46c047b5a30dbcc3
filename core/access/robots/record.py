"""`Robot`: an account for programs, as it is kept."""

import hashlib
import hmac
import json
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from core.access.resources import ACTIONS, Grant, RepositoryPattern

__all__ = [
    "MAX_DESCRIPTION",
    "MAX_PATTERNS",
    "SECRET_PREFIX",
    "Robot",
    "find_robot_name",
    "is_robot_name",
    "make_secret",
]

SECRET_PREFIX: Final = "moorage_robot_"  # noqa: S105 - what every secret begins with
"""By which scanners find secrets where they do not belong."""

MAX_DESCRIPTION: Final = 1000
MAX_PATTERNS: Final = 100

_MAX_NAME = 64
_NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_LOGIN = re.compile(r"robot[+$](.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Robot:
    """A robot.

    Attributes:
        name: by which people know it; no two have the same at a time.
        id: new with each secret. Tokens carry it, so that they end when the secret does, and are
            none of another robot that gets the same name later.
        secret_hash: SHA-256 of the secret, as hexadecimal digits. The secret is 256 random bits,
            which nobody can guess, so that a slow hash would protect nothing, and each login
            would cost what an attack on a person's password should cost.
        grants: what it may do at most.
        created_at: with its time zone.
        expires_at: with its time zone; None is never.
        description: for people.
    """

    name: str
    id: str
    secret_hash: str = field(repr=False)
    grants: tuple[Grant, ...]
    created_at: datetime
    expires_at: datetime | None = None
    description: str = ""

    def __post_init__(self) -> None:
        """Check what people give.

        Raises:
            ValueError: the name is outside the grammar, an action is unknown, the robot may do
                nothing or too many things, or the description is too long.
        """
        if not is_robot_name(self.name):
            raise ValueError(
                "the name of a robot is made of lower case letters and digits, with single dots, "
                f"dashes or underscores between them, and has at most {_MAX_NAME} characters"
            )
        if not self.grants or len(self.grants) > MAX_PATTERNS:
            raise ValueError(f"a robot has from 1 to {MAX_PATTERNS} patterns of repositories")
        for grant in self.grants:
            unknown = grant.actions - set(ACTIONS)
            if unknown or not grant.actions:
                raise ValueError(f"an action is one of {', '.join(ACTIONS)}")
        if len(self.description) > MAX_DESCRIPTION:
            raise ValueError(f"a description has at most {MAX_DESCRIPTION} characters")

    def has_secret(self, secret: str) -> bool:
        """Say whether this is its secret, in a time that tells nothing of it."""
        return hmac.compare_digest(self.secret_hash, _hash(secret))

    def has_expired(self, now: float) -> bool:
        """Say whether its time is over; `now` is in seconds since the epoch."""
        return self.expires_at is not None and self.expires_at.timestamp() <= now

    def to_json(self) -> bytes:
        """Return what is kept of it."""
        grants = [
            {"repositories": str(grant.repositories), "actions": sorted(grant.actions)}
            for grant in self.grants
        ]
        kept = {
            "name": self.name,
            "id": self.id,
            "secret_sha256": self.secret_hash,
            "grants": grants,
            "created_at": self.created_at.isoformat(),
            "expires_at": None if self.expires_at is None else self.expires_at.isoformat(),
            "description": self.description,
        }
        return json.dumps(kept, indent=2).encode()

    @classmethod
    def parse(cls, content: bytes) -> "Robot":
        """Read what `to_json` has written.

        Raises:
            ValueError: this is something else.
        """
        try:
            kept = json.loads(content)
            grants = tuple(
                Grant(RepositoryPattern(grant["repositories"]), frozenset(grant["actions"]))
                for grant in kept["grants"]
            )
            expires_at = kept["expires_at"]
            return cls(
                name=kept["name"],
                id=kept["id"],
                secret_hash=kept["secret_sha256"],
                grants=grants,
                created_at=datetime.fromisoformat(kept["created_at"]),
                expires_at=None if expires_at is None else datetime.fromisoformat(expires_at),
                description=kept["description"],
            )
        except (KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"this is no record of a robot: {type(error).__name__}") from None


def make_secret() -> tuple[str, str]:
    """Return a new secret, and the hash that is kept of it."""
    secret = SECRET_PREFIX + secrets.token_urlsafe(32)
    return secret, _hash(secret)


def is_robot_name(text: str) -> bool:
    """Say whether a robot can be called this; nothing else is looked for in the store."""
    return len(text) <= _MAX_NAME and _NAME.fullmatch(text) is not None


def find_robot_name(user: str) -> str | None:
    """Return the name of the robot that logs in as this user, None if it is no robot's.

    A robot logs in as `robot+NAME`, or as `robot$NAME`, as Harbor has it, which shells are apt to
    mistake for a variable. What it returns need not be within the grammar.
    """
    found = _LOGIN.fullmatch(user)
    return None if found is None else found[1]


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
