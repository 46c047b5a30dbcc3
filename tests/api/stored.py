"""What is in a store, read around the registry."""

import hashlib
from pathlib import Path

__all__ = ["read_store", "upload_files"]


def read_store(root: Path) -> dict[str, str]:
    """Give every file below `root` by its path, with the hash of its content."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def upload_files(root: Path, name: str) -> list[Path]:
    """Give the files of all unfinished uploads of a repository."""
    uploads = root / "docker/registry/v2/repositories" / name / "_uploads"
    return [path for path in uploads.rglob("*") if path.is_file()]
