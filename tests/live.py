"""The registry as users run it: `moorage serve` in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.service.running import Service, clean_environment, free_port, serving

__all__ = ["Service", "running_registry"]


@contextmanager
def running_registry(
    tmp_path: Path, *, root: Path | None = None, name: str = "registry", **variables: str
) -> Iterator[Service]:
    """Run the registry on a free port of 127.0.0.1 until the block ends.

    Args:
        tmp_path: for the log, and for the store unless `root` is given.
        root: of the store; may be shared by several.
        name: of this one among several that log into the same folder.
        variables: settings, such as `MOORAGE_SERVER__WORKERS="2"`.
    """
    port = free_port()
    log_file = tmp_path / f"{name}.log"
    command = [sys.executable, "-m", "api", "serve", "--port", str(port)]
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [*command, "--root", str(root or tmp_path / "data")],
            cwd=tmp_path,
            env=clean_environment(**variables),
            stderr=log,
            stdout=log,
        )
    with serving(Service(port=port, process=process, log_file=log_file), "/v2/") as service:
        yield service
