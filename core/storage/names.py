"""Names of repositories and tags, parsed once at the edge."""

import re
from dataclasses import dataclass
from typing import Self

from core.digest import Digest
from core.errors import DigestUnsupported, NameInvalid, TagInvalid

__all__ = [
    "MAX_NAME_LENGTH",
    "NAME_PATTERN",
    "TAG_PATTERN",
    "Reference",
    "RepositoryName",
    "Tag",
    "parse_reference",
]

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
NAME_PATTERN = rf"{_COMPONENT}(?:/{_COMPONENT})*"
"""Spec: distribution-spec 1.1, "Pulling manifests": the grammar of `<name>`."""

TAG_PATTERN = r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"
"""Spec: distribution-spec 1.1, "Pulling manifests": the grammar of a tag."""

MAX_NAME_LENGTH = 255

_NAME = re.compile(NAME_PATTERN)
_TAG = re.compile(TAG_PATTERN)


@dataclass(frozen=True, slots=True)
class RepositoryName:
    """A repository's name, known to be within the grammar and so safe in a path."""

    value: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the name that `text` is.

        Raises:
            NameInvalid: it is outside the grammar, or longer than 255 characters.
        """
        if len(text) > MAX_NAME_LENGTH:
            raise NameInvalid(text, f"a repository name has at most {MAX_NAME_LENGTH} characters")
        if _NAME.fullmatch(text) is None:
            raise NameInvalid(text, f"a repository name matches {NAME_PATTERN}")
        return cls(text)

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag, known to be within the grammar."""

    value: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the tag that `text` is.

        Raises:
            TagInvalid: it is outside the grammar, or longer than 128 characters.
        """
        if _TAG.fullmatch(text) is None:
            raise TagInvalid(text, f"a tag matches {TAG_PATTERN}")
        return cls(text)

    def __str__(self) -> str:
        return self.value


Reference = Tag | Digest
"""What names a manifest in its repository. Spec: distribution-spec 1.1, `<reference>`."""


def parse_reference(text: str) -> Reference:
    """Return the tag or digest that `text` is: a digest has a colon, and a tag has none.

    Raises:
        DigestInvalid: it has a colon and is no digest.
        DigestUnsupported: it is a tarsum, which is for layers, or unknown.
        TagInvalid: it has none and is no tag.
    """
    if ":" not in text:
        return Tag.parse(text)
    digest = Digest.parse(text)
    if not digest.algorithm.names_bytes:
        raise DigestUnsupported(text, "a tarsum names a layer, and no manifest")
    return digest
