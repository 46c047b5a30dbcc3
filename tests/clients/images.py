"""Images made from nothing, without a network: umoci makes them, in OCI layouts on disk."""

import hashlib
import io
import random
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json

from tests.clients.programs import Programs

__all__ = [
    "OCI_CONFIG",
    "OCI_INDEX",
    "OCI_LAYER",
    "OCI_MANIFEST",
    "LayoutImage",
    "add_index",
    "build_image",
    "random_bytes",
    "sha256",
]

OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"

_TAG = "org.opencontainers.image.ref.name"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutImage:
    """An image, or an index of images, in an OCI layout on disk."""

    layout: Path
    tag: str

    @property
    def reference(self) -> str:
        """Its name for skopeo."""
        return f"oci:{self.layout}:{self.tag}"

    @property
    def descriptor(self) -> dict[str, Any]:
        """Its descriptor, without the tag."""
        found = next(
            item
            for item in from_json((self.layout / "index.json").read_bytes())["manifests"]
            if item.get("annotations", {}).get(_TAG) == self.tag
        )
        return {name: found[name] for name in ("mediaType", "digest", "size")}

    @property
    def digest(self) -> str:
        """The digest of its manifest."""
        return str(self.descriptor["digest"])

    @property
    def manifest(self) -> dict[str, Any]:
        """Its manifest, read."""
        document = from_json(self.content(self.digest))
        assert isinstance(document, dict)
        return document

    @property
    def blobs(self) -> set[str]:
        """The digests of its config and its layers."""
        return {item["digest"] for item in (self.manifest["config"], *self.manifest["layers"])}

    def content(self, digest: str) -> bytes:
        """Give the bytes of a digest."""
        return (self.layout / "blobs" / digest.replace(":", "/")).read_bytes()


def build_image(
    programs: Programs,
    *,
    tag: str = "v1",
    layers: Sequence[Mapping[str, bytes]] | None = None,
    architecture: str = "amd64",
) -> LayoutImage:
    """Build an image of several layers with umoci, unlike any other unless `layers` are given.

    Args:
        programs: of the test; images of different tags share one layout.
        tag: of the image in the layout.
        layers: of each layer the files, by name; three by default, of which one is large.
        architecture: that the image says it is for.
    """
    layout = programs.folder / "layout"
    if not layout.exists():
        programs.umoci("init", "--layout", layout)
    image = f"{layout}:{tag}"
    programs.umoci("new", "--image", image)
    for number, files in enumerate(layers or _unlike_any_other(), start=1):
        archive = programs.folder / f"{tag}-{number}.tar"
        _write_archive(archive, files)
        programs.umoci("raw", "add-layer", "--image", image, archive)
    programs.umoci(
        *("config", "--image", image, "--config.cmd", "/program"),
        *("--architecture", architecture, "--os", "linux"),
    )
    return LayoutImage(layout=layout, tag=tag)


def add_index(*images: LayoutImage, architectures: Sequence[str], tag: str) -> LayoutImage:
    """Add an index of `images`, each for its architecture, to the layout they are in."""
    layout = images[0].layout
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [
            {**image.descriptor, "platform": {"architecture": architecture, "os": "linux"}}
            for image, architecture in zip(images, architectures, strict=True)
        ],
    }
    payload = to_json(document)
    digest = sha256(payload)
    (layout / "blobs" / digest.replace(":", "/")).write_bytes(payload)
    contents = from_json((layout / "index.json").read_bytes())
    entry = {"mediaType": OCI_INDEX, "digest": digest, "size": len(payload)}
    contents["manifests"].append({**entry, "annotations": {_TAG: tag}})
    (layout / "index.json").write_bytes(to_json(contents))
    return LayoutImage(layout=layout, tag=tag)


def random_bytes(count: int) -> bytes:
    """Give bytes that cannot be compressed and were never there before."""
    return random.SystemRandom().randbytes(count)


def sha256(content: bytes) -> str:
    """Give the digest of `content`."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _unlike_any_other() -> list[dict[str, bytes]]:
    return [
        {"program": random_bytes(3 << 20)},
        {"etc/settings": b"a = 1\n" * 1000, "etc/id": random_bytes(16)},
        {"data/empty": b"", "data/few": random_bytes(100)},
    ]


def _write_archive(archive: Path, files: Mapping[str, bytes]) -> None:
    with tarfile.open(archive, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o755
            tar.addfile(member, io.BytesIO(content))
