"""`SignatureStore`: the signatures of a repository's images of schema 1.

They are kept beside the manifest that they are of, in the layout of docker distribution 2.0 to
2.3: each a blob of its own, linked below the revision.
"""

from collections.abc import AsyncIterator, Iterable, Sequence

import structlog

from core.digest import Digest
from core.drivers import Change, StorageDriver
from core.errors import DigestInvalid, ManifestInvalid, ManifestUnverified, PathNotFound
from core.manifest.schema1 import Signature, find_cut
from core.manifest.strict_json import parse_strictly
from core.storage import paths
from core.storage.blob_store import BlobStore
from core.storage.concurrency import map_concurrently
from core.storage.links import find_link, link
from core.storage.names import RepositoryName

__all__ = ["MAX_STORED", "SignatureStore"]

_log = structlog.get_logger()

MAX_STORED = 100
"""Signatures of one manifest. A client that signs with a new key each time would otherwise make
the manifest longer with every push."""


class SignatureStore:
    """Signatures of manifests, found by the digest of what they are of."""

    def __init__(self, driver: StorageDriver, name: RepositoryName) -> None:
        self._driver = driver
        self._name = name
        self._blobs = BlobStore(driver)

    async def find(self, manifest: Digest, payload: bytes) -> Sequence[Signature]:
        """Return the signatures of a manifest that can stand behind its last member.

        What is damaged is left out, and logged. Nothing is verified: that is up to the client.
        """
        listed = [digest async for digest in self._list(manifest)]

        async def read(signature: Digest) -> Signature | None:
            return await self._read(manifest, signature, payload)

        found = await map_concurrently(read, listed, at_once=self._driver.questions_at_once)
        return [signature for signature in found if signature is not None]

    async def adding(self, manifest: Digest, signatures: Iterable[Signature]) -> Sequence[Change]:
        """Return the changes that store signatures beside those that are there.

        Once there are a hundred, no more are added, which is logged. Those whose content is gone,
        as the incumbent's garbage collection leaves them, do not count.
        """
        listed = [digest async for digest in self._list(manifest)]
        sizes = await map_concurrently(
            self._blobs.find_size, listed, at_once=self._driver.questions_at_once
        )
        present = {digest for digest, size in zip(listed, sizes, strict=True) if size is not None}
        new = {Digest.of(content): content for content in (one.compact() for one in signatures)}
        room = MAX_STORED - len(present)
        changes: list[Change] = []
        for digest, content in new.items():
            if digest not in present:
                if room <= 0:
                    _log.warning(
                        "signature is not kept: there are too many",
                        name=str(self._name),
                        digest=str(manifest),
                    )
                    break
                room -= 1
            # Those that are there are written again, so that a push heals what was damaged.
            changes.append(self._blobs.putting(digest, content))
            changes.append(link(paths.signature_link(self._name, manifest, digest), digest))
        return changes

    async def _list(self, manifest: Digest) -> AsyncIterator[Digest]:
        directory = paths.signatures(self._name, manifest)
        try:
            algorithms = [entry.name async for entry in self._driver.list(directory)]
            for algorithm in algorithms:
                async for entry in self._driver.list(f"{directory}/{algorithm}"):
                    try:
                        yield Digest.parse(f"{algorithm}:{entry.name}")
                    except DigestInvalid as error:
                        _log.warning("no signature", path=directory, reason=error.message)
        except PathNotFound:
            return

    async def _read(self, manifest: Digest, signature: Digest, payload: bytes) -> Signature | None:
        path = paths.signature_link(self._name, manifest, signature)
        target = await find_link(self._driver, path, signature)
        content = None if target is None else await self._blobs.find(target)
        if content is None:
            return None
        try:
            found = Signature.parse(parse_strictly(content), "signature")
            cut = find_cut(payload)
        except (ManifestInvalid, ManifestUnverified) as error:
            _log.error("stored signature is none", path=path, reason=error.message)
            return None
        if (found.format_length, found.format_tail) != (cut, payload[cut:]):
            _log.error("stored signature is of another payload", path=path)
            return None
        return found
