"""From an image of schema 1 to one of schema 2 or OCI, as docker and containers/image make it.

The configuration is made of the texts in the history. What only the layers can tell, the digests
of their archives unpacked, is given by whoever has read them.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from core.digest import Digest
from core.errors import ManifestInvalid
from core.manifest.media_types import DOCKER_MANIFEST, OCI_MANIFEST
from core.manifest.models import SignedImage
from core.manifest.schema1.go_json import (
    compact_json,
    encode_json,
    join_members,
    split_members,
)
from core.manifest.schema1.go_time import format_time
from core.manifest.schema1.old_config import print_again
from core.manifest.strict_json import check_volume

__all__ = ["ImageFormat", "ImagePlan", "UnpackedLayer", "plan_image"]

ImageFormat = Literal["schema2", "oci"]

_ID = re.compile("[0-9a-f]{64}")
_DROPPED = frozenset({"id", "parent", "parent_id", "layer_id", "throwaway", "Size"})
_MEDIA_TYPES = {
    "schema2": (
        DOCKER_MANIFEST,
        "application/vnd.docker.container.image.v1+json",
        "application/vnd.docker.image.rootfs.diff.tar",
        ".gzip",
    ),
    "oci": (
        OCI_MANIFEST,
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.oci.image.layer.v1.tar",
        "+gzip",
    ),
}
"""By format: the types of a manifest, a configuration and a layer, and what follows if packed."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class _Container(_Model):
    Cmd: list[str] | str | None = None


class _Compatibility(_Model):
    """What is read of the text of one step; the newest one is taken over whole."""

    id: str
    parent: str | None = None
    created: str | None = None
    author: str | None = None
    comment: str | None = None
    container_config: _Container | None = None
    throwaway: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackedLayer:
    """What was found out about a layer by reading it.

    Attributes:
        digest: of its bytes as they are stored.
        size: of these, in bytes.
        diff_id: the digest of the archive that they unpack to.
        packed: whether they are in gzip, and not the archive itself.
    """

    digest: Digest
    size: int
    diff_id: Digest
    packed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePlan:
    """An image of schema 1 understood, and all of another image but what its layers tell.

    Attributes:
        layers: digests of the layers that have files, the oldest first.
    """

    layers: tuple[Digest, ...]
    _members: dict[str, str]
    _history: tuple[dict[str, object], ...]

    def config(self, layers: Iterable[UnpackedLayer]) -> bytes:
        """Return the configuration of the image whose layers these are, in their order."""
        rootfs: dict[str, object] = {"type": "layers"}
        ids = [str(layer.diff_id) for layer in layers]
        if ids:
            rootfs["diff_ids"] = ids
        history = encode_json(list(self._history))
        members = {**self._members, "rootfs": encode_json(rootfs), "history": history}
        return join_members(members).encode()

    def manifest(
        self, config: bytes, layers: Iterable[UnpackedLayer], image_format: ImageFormat
    ) -> bytes:
        """Return the manifest of the image that has this configuration and these layers."""
        manifest_type, config_type, layer_type, packed = _MEDIA_TYPES[image_format]
        document = {
            "schemaVersion": 2,
            "mediaType": manifest_type,
            "config": {
                "mediaType": config_type,
                "size": len(config),
                "digest": str(Digest.of(config)),
            },
            "layers": [
                {
                    "mediaType": f"{layer_type}{packed if layer.packed else ''}",
                    "size": layer.size,
                    "digest": str(layer.digest),
                }
                for layer in layers
            ],
        }
        return encode_json(document, indent="   ").encode()


def plan_image(document: SignedImage) -> ImagePlan:
    """Return what an image of schema 1 is as one of schema 2 or OCI.

    Raises:
        ManifestInvalid: its history is no chain of steps, each with an id and the one before it as
            its parent.
    """
    if not document.history or len(document.history) != len(document.fs_layers):
        raise ManifestInvalid("there is not one item of history for each layer", field="history")
    texts = [item.v1_compatibility for item in document.history]
    steps = [_read(text, place) for place, text in enumerate(texts)]
    kept = _chain(steps)
    members = {
        name: compact_json(value)
        for name, value in split_members(_read_config(texts[kept[0]], kept[0]))
        if name not in _DROPPED
    }
    # An image needs them, and the oldest ones have their architecture in the manifest alone.
    members.setdefault("architecture", encode_json(document.architecture))
    members.setdefault("os", '"linux"')
    layers = [
        document.fs_layers[place].blob_sum for place in reversed(kept) if not steps[place].throwaway
    ]
    return ImagePlan(
        layers=tuple(layers),
        _members=members,
        _history=tuple(_to_history(steps[place], place) for place in reversed(kept)),
    )


def _read(text: str, place: int) -> _Compatibility:
    field = f"history[{place}].v1Compatibility"
    try:
        check_volume(from_json(text, allow_inf_nan=False))
        step = _Compatibility.model_validate_json(text)
    except ValidationError as error:
        raise _to_fault(error, field) from None
    except ManifestInvalid as error:
        raise ManifestInvalid(error.message, field=field) from None
    except ValueError as error:
        raise ManifestInvalid(f"not JSON: {error}", field=field) from None
    if _ID.fullmatch(step.id) is None:
        raise ManifestInvalid("an id is 64 hexadecimal digits", field=f"{field}.id")
    return step


def _read_config(text: str, place: int) -> str:
    field = f"history[{place}].v1Compatibility"
    try:
        return print_again(text, field)
    except ValidationError as error:
        raise _to_fault(error, field) from None


def _to_fault(error: ValidationError, field: str) -> ManifestInvalid:
    fault = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    return ManifestInvalid(f"{where}: {fault['msg']}".lstrip(": "), field=field)


def _chain(steps: Sequence[_Compatibility]) -> list[int]:
    """Return the places of the steps without those that are there twice in a row."""
    if steps[-1].parent:
        raise ManifestInvalid(
            "the oldest layer has a parent", field=f"history[{len(steps) - 1}].v1Compatibility"
        )
    kept: list[int] = []
    seen: set[str] = set()
    for place, step in enumerate(steps):
        field = f"history[{place}].v1Compatibility"
        older = steps[place + 1] if place + 1 < len(steps) else None
        if older is not None and older.id == step.id:
            continue
        if step.id in seen:
            raise ManifestInvalid("this id is there already", field=f"{field}.id")
        if older is not None and step.parent != older.id:
            raise ManifestInvalid("this is not the next layer", field=f"{field}.parent")
        seen.add(step.id)
        kept.append(place)
    return kept


def _to_history(step: _Compatibility, place: int) -> dict[str, object]:
    command = step.container_config.Cmd if step.container_config else None
    members: dict[str, object] = {
        "created": format_time(step.created, f"history[{place}].v1Compatibility.created"),
        "author": step.author,
        "created_by": command if isinstance(command, str) else " ".join(command or ()),
        "comment": step.comment,
        "empty_layer": step.throwaway,
    }
    return {name: value for name, value in members.items() if value}
