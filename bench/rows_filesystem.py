"""The rows of the table of file systems: everything that clients often do, and do often."""

from bench.operations import Fetch, PushBlob, PushImage
from bench.scenarios import (
    PUSH_REPOSITORY,
    SEED_REPOSITORY,
    SMALL_BYTES,
    TAG,
    Newest,
    Row,
    Seed,
    fetch_blob,
)

__all__ = ["FILESYSTEM_ROWS"]


def _manifest(reference: str, seed: Seed, method: str = "GET") -> Fetch:
    return Fetch(
        path=f"/v2/{SEED_REPOSITORY}/manifests/{reference}",
        size=seed.manifest.size,
        method=method,
        digest=seed.manifest.digest,
    )


def _push(size: int, *, patch: bool = False) -> PushBlob:
    return PushBlob(repository=PUSH_REPOSITORY, size=size, patch=patch)


FILESYSTEM_ROWS = (
    Row(
        key="get-manifest-tag",
        title="GET manifest by tag",
        connections=16,
        size="small",
        make=lambda _, seed: _manifest(TAG, seed),
        newest=Newest(throughput=3941 / 907, cpu=0.38 / 1.83),
    ),
    Row(
        key="head-manifest-tag",
        title="HEAD manifest by tag",
        connections=16,
        size="small",
        make=lambda _, seed: _manifest(TAG, seed, "HEAD"),
        newest=Newest(throughput=4144 / 1330, cpu=0.36 / 1.25),
    ),
    Row(
        key="get-manifest-digest",
        title="GET manifest by digest",
        connections=16,
        size="small",
        make=lambda _, seed: _manifest(seed.manifest.digest, seed),
        newest=Newest(throughput=5198 / 1238, cpu=0.29 / 1.33),
    ),
    Row(
        key="get-blob-small",
        title="GET blob of 4 KiB",
        connections=16,
        size="small",
        make=lambda _, seed: fetch_blob(seed.small),
        newest=Newest(throughput=865 / 633, cpu=1.88 / 2.63),
    ),
    Row(
        key="head-blob",
        title="HEAD blob",
        connections=16,
        size="small",
        make=lambda _, seed: fetch_blob(seed.small, "HEAD"),
        newest=Newest(throughput=6167 / 1290, cpu=0.24 / 1.28),
    ),
    Row(
        key="push-blob-small",
        title="push blob of 4 KiB (POST, PUT)",
        connections=8,
        size="small",
        make=lambda _, __: _push(SMALL_BYTES),
        newest=Newest(throughput=281 / 211, cpu=3.9 / 6.0),
    ),
    Row(
        key="push-image",
        title="push small image (3 x HEAD, POST, PATCH, PUT; manifest)",
        connections=8,
        size="small",
        make=lambda _, __: PushImage(repository=PUSH_REPOSITORY, blob_bytes=SMALL_BYTES),
        newest=Newest(throughput=57 / 38, cpu=19 / 31),
    ),
    Row(
        key="get-blob-large",
        title="GET large blob",
        connections=4,
        size="large",
        make=lambda _, seed: fetch_blob(seed.large),
        newest=Newest(throughput=2397 / 2147, cpu=0.58 / 0.63),
    ),
    Row(
        key="push-blob-large-patch",
        title="push large blob (POST, PATCH, PUT)",
        connections=4,
        size="large",
        make=lambda plan, _: _push(plan.large_bytes, patch=True),
        newest=Newest(throughput=343 / 270, cpu=2.29 / 5.26),
    ),
    Row(
        key="push-blob-large",
        title="push large blob (POST, PUT)",
        connections=1,
        size="large",
        make=lambda plan, _: _push(plan.large_bytes),
        newest=Newest(throughput=280 / 166, cpu=2.24 / 4.67),
    ),
)
