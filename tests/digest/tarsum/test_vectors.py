"""All vectors that others have made, where the folder with them is."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from core.digest.tarsum import TarsumHasher, TarsumVersion
from core.digest.tarsum.entry import Entry
from core.digest.tarsum.sums import clean_name
from core.errors import ArchiveInvalid, ArchiveTruncated
from tests.digest.tarsum.archives import END, entry

__all__: list[str] = []

FOLDER = Path(__file__).parents[4] / "shared" / "vectors" / "tarsum"
LIST = FOLDER / "tarsum.json"
VECTORS: list[dict[str, Any]] = json.loads(LIST.read_text()) if LIST.is_file() else []

pytestmark = pytest.mark.skipif(not VECTORS, reason=f"there is no {LIST}")


class TellingHasher(TarsumHasher):
    """Tells the sum of each entry too."""

    entry_sums: list[tuple[bytes, str]]

    def begin(self, entry: Entry) -> None:
        super().begin(entry)
        self.entry_sums = [*getattr(self, "entry_sums", []), (clean_name(entry.name), "")]

    def end(self) -> None:
        super().end()
        self.entry_sums[-1] = (self.entry_sums[-1][0], self._entry_hash.hexdigest())


def read(vector: dict[str, Any]) -> bytes:
    if vector["file"] is not None:
        return (FOLDER / str(vector["file"])).read_bytes()
    make = vector["make"]
    assert make["body"] == "zero bytes"
    return END.join(
        [
            entry(
                make["name"].encode(),
                bytes(make["size"]),
                mode=b"%07o\0" % make["mode"],
                typeflag=make["typeflag"].encode(),
            ),
            b"",
        ]
    )


def hasher_for(vector: dict[str, Any]) -> TellingHasher:
    # What is called tarsum.dev is computed as tarsum.v1 is.
    version = TarsumVersion.V0 if vector["version"] == "tarsum" else TarsumVersion.V1
    extra = (FOLDER / vector["extra"]).read_bytes() if "extra" in vector else b""
    return TellingHasher(version, lambda: hashlib.new(vector.get("hash", "sha256")), extra)


def name_of(number: int) -> str:
    return f"{number}-{VECTORS[number]['file']}-{VECTORS[number]['version']}"


@pytest.mark.parametrize("vector", VECTORS, ids=map(name_of, range(len(VECTORS))))
@pytest.mark.parametrize("piece", [7, 512, 1000, 2**21])
def test_a_vector_agrees(vector: dict[str, Any], piece: int) -> None:
    archive = read(vector)
    hasher = hasher_for(vector)
    for start in range(0, len(archive), piece):
        hasher.update(archive[start : start + piece])
    if vector["expected"] is None:
        with pytest.raises((ArchiveInvalid, ArchiveTruncated)):
            hasher.hexdigest()
        return
    assert vector["expected"].partition(":")[2] == hasher.hexdigest()
    for told, listed in zip(
        hasher.entry_sums if "files" in vector else [], vector.get("files", []), strict=True
    ):
        assert told[1] == listed["sum"]


def test_there_are_as_many_vectors_as_there_should_be() -> None:
    assert len(VECTORS) == 110
    assert sum(vector["expected"] is None for vector in VECTORS) == 12
    assert sum(len(vector.get("files", [])) for vector in VECTORS) >= 100
