"""From an image of schema 2 or OCI to the payload of one of schema 1.

Byte for byte what docker distribution 2.3 to 2.8 makes of the same image, so that the digest of
what clients get does not depend on which of the two they ask.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from core.digest import Digest
from core.errors import ManifestInvalid
from core.manifest.schema1.go_json import compact_json, encode_json, join_members, split_members
from core.manifest.schema1.go_time import format_time
from core.manifest.strict_json import check_volume

__all__ = ["EMPTY_LAYER", "EMPTY_LAYER_DIGEST", "MAX_STEPS", "make_payload"]

MAX_STEPS = 2048
"""In a history. Each becomes 400 bytes, of a few that the image has, and that with every pull;
docker takes no more than 127 layers."""

EMPTY_LAYER = bytes.fromhex("1f8b080000096e8800ff621805a360148c5800080000ffff2eafb5ef00040000")
"""An archive with nothing in it, in gzip: the layer of a step that changed no files."""

EMPTY_LAYER_DIGEST = Digest.of(EMPTY_LAYER)

_INDENT = "   "


class _Config(BaseModel):
    """What is read of a configuration; the rest of it is taken over as it is written."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class _Step(_Config):
    created: str | None = None
    author: str | None = None
    created_by: str | None = None
    comment: str | None = None
    empty_layer: bool | None = None


class _RootFs(_Config):
    diff_ids: list[str] | None = None
    base_layer: str | None = None


class _ImageConfig(_Config):
    architecture: str | None = None
    rootfs: _RootFs | None = None
    history: list[_Step | None] | None = None


def make_payload(config: bytes, layers: Sequence[Digest], *, name: str, tag: str) -> bytes:
    """Return the payload of an image of schema 1, not signed yet.

    Args:
        config: the content of the image's configuration.
        layers: digests of the layers of the image, the oldest first.
        name: of the repository.
        tag: by which the image was asked for.

    Raises:
        ManifestInvalid: the configuration is none, or its history does not fit the layers.
    """
    parsed = _parse(config)
    steps = [step or _Step() for step in parsed.history or ()]
    rootfs = parsed.rootfs or _RootFs()
    _check(steps, rootfs, layers)
    sums = list(_blob_sums(steps, layers))
    history: list[str] = []
    parent = ""
    for place, (step, blob_sum) in enumerate(zip(steps[:-1], sums, strict=False)):
        layer_id = _hash(f"{blob_sum.encoded} {parent}".encode())
        if not place and rootfs.base_layer:
            # The base of an image of Windows is nowhere else to be found.
            parent = hashlib.sha384(rootfs.base_layer.encode()).digest()[:32].hex()
        history.append(_older(step, layer_id, parent, f"history[{place}].created"))
        parent = layer_id
    layer_id = _hash(f"{sums[-1].encoded} {parent} ".encode() + config)
    history.append(_newest(config.decode(), layer_id, parent, empty=bool(steps[-1].empty_layer)))
    manifest = {
        "schemaVersion": 1,
        "name": name,
        "tag": tag,
        "architecture": parsed.architecture or "",
        "fsLayers": [{"blobSum": str(blob_sum)} for blob_sum in reversed(sums)],
        "history": [{"v1Compatibility": text} for text in reversed(history)],
    }
    return encode_json(manifest, indent=_INDENT).encode()


def _parse(config: bytes) -> _ImageConfig:
    try:
        check_volume(from_json(config, allow_inf_nan=False))
        return _ImageConfig.model_validate_json(config)
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"]
        raise ManifestInvalid(f"not the configuration of an image: {reason}") from None
    except ValueError as error:
        raise ManifestInvalid(f"the configuration is not JSON: {error}") from None


def _check(steps: Sequence[_Step], rootfs: _RootFs, layers: Sequence[Digest]) -> None:
    if not steps:
        raise ManifestInvalid("the configuration of the image has no history", field="history")
    if len(steps) > MAX_STEPS:
        raise ManifestInvalid(f"the history has more than {MAX_STEPS} steps", field="history")
    ids = len(rootfs.diff_ids or ())
    if ids != len(layers):
        raise ManifestInvalid(
            f"the image has {len(layers)} layers, and its configuration {ids}", field="rootfs"
        )
    filled = sum(not step.empty_layer for step in steps)
    if filled > len(layers):
        raise ManifestInvalid(
            f"the image has {len(layers)} layers, and its history {filled}", field="history"
        )


def _blob_sums(steps: Sequence[_Step], layers: Sequence[Digest]) -> Iterator[Digest]:
    rest = iter(layers)
    for step in steps:
        yield EMPTY_LAYER_DIGEST if step.empty_layer else next(rest)


def _older(step: _Step, layer_id: str, parent: str, field: str) -> str:
    members: dict[str, object] = {
        "id": layer_id,
        "parent": parent,
        "comment": step.comment,
        "created": format_time(step.created, field),
        "container_config": {"Cmd": [step.created_by or ""]},
        "author": step.author,
        "throwaway": step.empty_layer,
    }
    return encode_json({name: value for name, value in members.items() if value})


def _newest(config: str, layer_id: str, parent: str, *, empty: bool) -> str:
    members: Mapping[str, str] = {
        name: compact_json(value)
        for name, value in split_members(config)
        if name not in {"rootfs", "history"}
    }
    added = {"id": f'"{layer_id}"'}
    if parent:
        added["parent"] = f'"{parent}"'
    if empty:
        added["throwaway"] = "true"
    return join_members({**members, **added})


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
