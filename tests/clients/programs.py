"""Runs skopeo, buildah, podman and umoci with a home and a storage of their own."""

import os
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import from_json

__all__ = ["ProgramFailed", "Programs"]

_TIMEOUT_SECONDS = 60


class ProgramFailed(AssertionError):
    """A program ended with another exit code than 0; the text is what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Programs that keep all they write below two folders.

    Attributes:
        folder: of their homes, their temporary files and their images.
        state: for what must have short paths: podman refuses more than 50 characters.
    """

    folder: Path
    state: Path

    def run(
        self,
        *command: str | Path,
        cwd: Path | None = None,
        timeout_seconds: int = _TIMEOUT_SECONDS,
    ) -> str:
        """Run a program to its end and give its standard output.

        Raises:
            ProgramFailed: it ended with another exit code than 0.
        """
        done = subprocess.run(
            [str(word) for word in command],
            capture_output=True,
            check=False,
            cwd=cwd or self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=timeout_seconds,
        )
        if done.returncode != 0:
            raise ProgramFailed(
                f"{' '.join(str(word) for word in command)} ended with {done.returncode}:\n"
                f"{done.stdout}{done.stderr}"
            )
        return done.stdout

    def umoci(self, *arguments: str | Path) -> str:
        """Run umoci."""
        return self.run("umoci", *arguments)

    def skopeo(self, *arguments: str | Path) -> str:
        """Run a command of skopeo that names one image or none."""
        return self.run("skopeo", "--insecure-policy", *arguments)

    def copy(self, source: str, destination: str, *flags: str) -> None:
        """Copy an image with skopeo, both sides over plain HTTP if they are registries."""
        insecure = ("--src-tls-verify=false", "--dest-tls-verify=false")
        self.skopeo("copy", *insecure, *flags, source, destination)

    def push_at_once(self, images: Mapping[str, str]) -> None:
        """Push images all at the same time: each value to its key, `host/name:tag`."""
        with ThreadPoolExecutor(len(images)) as threads:
            pushes = [
                threads.submit(self.copy, source, f"docker://{target}")
                for target, source in images.items()
            ]
        for push in pushes:
            push.result()

    def inspect(self, image: str, *flags: str) -> dict[str, Any]:
        """Give what `skopeo inspect` tells of an image."""
        found = from_json(self.skopeo("inspect", "--tls-verify=false", *flags, image))
        assert isinstance(found, dict)
        return found

    def digest(self, image: str) -> str:
        """Give the digest of an image as skopeo computes it."""
        return str(self.inspect(image)["Digest"])

    def list_tags(self, repository: str) -> list[str]:
        """Give the tags of a repository, `host/name`, as skopeo lists them."""
        text = self.skopeo("list-tags", "--tls-verify=false", f"docker://{repository}")
        return list(from_json(text)["Tags"])

    def delete(self, image: str) -> None:
        """Delete the manifest of an image, `host/name:tag`, with skopeo."""
        self.skopeo("delete", "--tls-verify=false", f"docker://{image}")

    def buildah(self, *arguments: str | Path, cwd: Path | None = None) -> str:
        """Run buildah."""
        return self.run("buildah", *arguments, cwd=cwd)

    def podman(self, *arguments: str | Path, cwd: Path | None = None) -> str:
        """Run podman, which has the images that buildah has."""
        return self.run("podman", *arguments, cwd=cwd)

    def make_folders(self) -> None:
        """Make what the programs find there; called once, before the first of them runs."""
        for folder in (self._home, self._temporary, self.state):
            folder.mkdir(exist_ok=True, parents=True)
        roots = f'graphroot = "{self.folder}/storage"\nrunroot = "{self.state}/run"\n'
        self._storage_settings.write_text(f'[storage]\ndriver = "vfs"\n{roots}')
        self._engine_settings.write_text(f'[engine]\ntmp_dir = "{self.state}/podman"\n')

    @property
    def _home(self) -> Path:
        return self.folder / "home"

    @property
    def _temporary(self) -> Path:
        return self.folder / "tmp"

    @property
    def _storage_settings(self) -> Path:
        return self.state / "storage.conf"

    @property
    def _engine_settings(self) -> Path:
        return self.state / "containers.conf"

    def _environment(self) -> dict[str, str]:
        inherited = {"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1", "LC_ALL": "C.UTF-8"}
        own = {
            "HOME": self._home,
            "XDG_RUNTIME_DIR": self._temporary,
            "TMPDIR": self._temporary,
            "CONTAINERS_CONF": self._engine_settings,
            "CONTAINERS_STORAGE_CONF": self._storage_settings,
        }
        return inherited | {name: str(path) for name, path in own.items()}
