"""Manifests that are kept in memory: those used last, within a budget."""

import pytest

from core.digest import SHA512, Digest
from core.storage import ManifestCache, StoredManifest

__all__: list[str] = []


def _manifest(number: int, size: int = 488) -> StoredManifest:
    payload = b"%d" % number + bytes(size - len(str(number)))
    return StoredManifest(payload=payload, media_type="a/b", digest=Digest.of(payload))


def test_what_was_used_last_is_kept() -> None:
    # Ten of them, with what each takes besides its payload.
    cache = ManifestCache(10_000)
    manifests = [_manifest(number) for number in range(12)]
    for manifest in manifests[:10]:
        cache.keep(manifest)
    assert cache.find(manifests[0].digest) is manifests[0]
    for manifest in manifests[10:]:
        cache.keep(manifest)
    found = [cache.find(manifest.digest) is manifest for manifest in manifests]
    assert found == [True, False, False, *[True] * 9]


def test_keeping_one_again_and_again_pushes_nothing_out() -> None:
    cache = ManifestCache(10_000)
    for number in range(10):
        cache.keep(_manifest(number))
    for _ in range(20):
        cache.keep(_manifest(9))
    assert all(cache.find(_manifest(number).digest) is not None for number in range(10))


@pytest.mark.parametrize("max_bytes", [0, 4000])
def test_what_takes_too_large_a_share_is_not_kept(max_bytes: int) -> None:
    cache = ManifestCache(max_bytes)
    cache.keep(_manifest(1))
    assert cache.find(_manifest(1).digest) is None


def test_a_digest_of_another_algorithm_finds_nothing() -> None:
    cache = ManifestCache(10_000)
    cache.keep(_manifest(1))
    digest = _manifest(1).digest
    assert cache.find(Digest(SHA512, digest.encoded)) is None
