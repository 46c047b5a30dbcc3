"""Where the keys come from that tokens are verified with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from core.access.tokens.keys import VerificationKey, parse_key_set
from core.access.tokens.watched_file import WatchedFile
from core.errors import AccessUnavailable

__all__ = ["JoinedKeys", "KeyFile", "KeySource"]

_MAX_FILE_BYTES = 1024 * 1024


class KeySource(Protocol):
    """Public keys by the names that tokens call them."""

    @property
    def generation(self) -> int:
        """A number that grows whenever a key may have been taken away."""

    async def load(self) -> None:
        """Read what can be read before the first token comes.

        Raises:
            ValueError: a file cannot be used. An issuer that cannot be reached is no fault: it
                is asked again when a token comes.
        """

    async def find(self, kid: str) -> Sequence[VerificationKey]:
        """Return every key of this name; empty if none is trusted.

        Raises:
            AccessUnavailable: it is not known here, and those who would know cannot be asked.
        """

    async def aclose(self) -> None:
        """Let go of everything."""


class KeyFile:
    """A file with a JWK Set, read again within a second of its change."""

    def __init__(self, path: Path) -> None:
        """Read nothing yet."""
        self._file = WatchedFile(path, parse_key_set, max_bytes=_MAX_FILE_BYTES)

    @property
    def generation(self) -> int:
        """How often the keys in force have changed."""
        return self._file.generation

    async def load(self) -> None:
        """Read the file.

        Raises:
            ValueError: it cannot be read, or is no JWK Set with a key that is of use.
        """
        await self._file.load()

    async def find(self, kid: str) -> Sequence[VerificationKey]:
        """Return every key of this name.

        Raises:
            AccessUnavailable: there has never been a file that could be used.
        """
        return (await self._file.get()).get(kid, ())

    async def aclose(self) -> None:
        """Do nothing: no file stays open."""


class JoinedKeys:
    """The keys of several sources, of which each is asked."""

    def __init__(self, sources: Sequence[KeySource]) -> None:
        """Close the sources with this."""
        self._sources = tuple(sources)

    @property
    def generation(self) -> int:
        """How often the keys of any source have changed."""
        return sum(source.generation for source in self._sources)

    async def load(self) -> None:
        """Load each source.

        Raises:
            ValueError: a file cannot be used.
        """
        for source in self._sources:
            await source.load()

    async def find(self, kid: str) -> Sequence[VerificationKey]:
        """Return the keys of this name of all sources that can be asked.

        Raises:
            AccessUnavailable: none is known, and a source could not be asked.
        """
        found: list[VerificationKey] = []
        unavailable: AccessUnavailable | None = None
        for source in self._sources:
            try:
                found.extend(await source.find(kid))
            except AccessUnavailable as error:
                unavailable = error
        if unavailable is not None and not found:
            raise unavailable
        return found

    async def aclose(self) -> None:
        """Close each source."""
        for source in self._sources:
            await source.aclose()
