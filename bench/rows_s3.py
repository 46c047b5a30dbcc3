"""The rows of the table of object stores: the pushes and pulls that depend on the store most."""

from bench.operations import PushBlob, PushImage
from bench.scenarios import PUSH_REPOSITORY, SMALL_BYTES, Plan, Row, fetch_blob

__all__ = ["S3_ROWS"]


def _push(size: int, *, patch: bool) -> PushBlob:
    return PushBlob(repository=PUSH_REPOSITORY, size=size, patch=patch)


def _images(plan: Plan) -> int:
    return plan.images


S3_ROWS = (
    Row(
        key="push-image",
        title="push small image (3 x HEAD, POST, PATCH, PUT; manifest)",
        connections=8,
        size="small",
        make=lambda _, __: PushImage(repository=PUSH_REPOSITORY, blob_bytes=SMALL_BYTES),
        total=_images,
    ),
    Row(
        key="push-blob-huge-patch",
        title="push huge blob (POST, PATCH, PUT)",
        connections=1,
        size="large",
        make=lambda plan, _: _push(plan.huge_bytes, patch=True),
        warm_up=lambda plan, _: _push(plan.large_bytes, patch=True),
    ),
    Row(
        key="push-blob-huge",
        title="push huge blob (POST, PUT)",
        connections=1,
        size="large",
        make=lambda plan, _: _push(plan.huge_bytes, patch=False),
        warm_up=lambda plan, _: _push(plan.large_bytes, patch=False),
    ),
    Row(
        key="get-blob-large",
        title="GET large blob through the server",
        connections=4,
        size="large",
        make=lambda _, seed: fetch_blob(seed.large),
    ),
    Row(
        key="get-blob-redirect",
        title="GET large blob by redirect (307, then the store)",
        connections=4,
        size="large",
        make=lambda _, seed: fetch_blob(seed.large, redirect=True),
        redirect=True,
    ),
)
