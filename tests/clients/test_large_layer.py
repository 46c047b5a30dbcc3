"""A layer of 1 GiB passes through a registry whose memory does not grow with it."""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic_core import to_json

from tests.clients.images import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, random_bytes
from tests.clients.programs import Programs
from tests.live import running_registry

__all__: list[str] = []

_MEBIBYTE = 1 << 20
_LAYER_MEBIBYTES = 1024
_MEMORY_LIMIT = 200 * _MEBIBYTE


@pytest.mark.clients
@pytest.mark.slow
@pytest.mark.needs("skopeo", "/etc/containers/policy.json")
@pytest.mark.timeout(180)
def test_a_layer_of_a_gibibyte_comes_back_whole_in_little_memory(
    tmp_path: Path, programs: Programs
) -> None:
    image = programs.folder / "large"
    layer = _write_image(image)
    store = programs.folder / "store"
    with running_registry(tmp_path, root=store) as registry:
        name = f"docker://{registry.host}/team/large:v1"
        programs.copy(f"dir:{image}", name)
        (image / layer).unlink()
        programs.copy(name, f"dir:{programs.folder / 'pulled'}")
        peak = _peak_memory(registry.process.pid)
    assert _digest_of(programs.folder / "pulled" / layer) == layer
    assert peak < _MEMORY_LIMIT


def _write_image(folder: Path) -> str:
    """Write an image whose one layer is a gzip stream that costs no compressing."""
    folder.mkdir()
    (folder / "version").write_text("Directory Transport Version: 1.1\n")
    size, digest, content_digest = 0, hashlib.sha256(), hashlib.sha256()
    with (folder / "layer").open("wb") as file:
        for part, content in _gzip_parts():
            size += file.write(part)
            digest.update(part)
            content_digest.update(content)
    (folder / "layer").rename(folder / digest.hexdigest())
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{content_digest.hexdigest()}"]}
    config = to_json({"architecture": "amd64", "os": "linux", "rootfs": rootfs})
    config_digest = hashlib.sha256(config).hexdigest()
    (folder / config_digest).write_bytes(config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {
            "mediaType": OCI_CONFIG,
            "digest": f"sha256:{config_digest}",
            "size": len(config),
        },
        "layers": [
            {"mediaType": OCI_LAYER, "digest": f"sha256:{digest.hexdigest()}", "size": size}
        ],
    }
    (folder / "manifest.json").write_bytes(to_json(manifest))
    return digest.hexdigest()


def _gzip_parts() -> Iterator[tuple[bytes, bytes]]:
    """Give pieces of a gzip stream of stored blocks, each with the content it stands for."""
    packer = zlib.compressobj(level=0, wbits=31)
    block = random_bytes(_MEBIBYTE - 8)
    for number in range(_LAYER_MEBIBYTES):
        content = struct.pack("<Q", number) + block
        yield packer.compress(content), content
    yield packer.flush(), b""


def _digest_of(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _peak_memory(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
