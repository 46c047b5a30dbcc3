"""Debian's nginx with the configuration of the documentation."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.servers.process import can_connect, find_ports, running_process

__all__ = ["render_configuration", "running_nginx"]

_CONFIGURATION = Path(__file__).parents[2] / "docs" / "nginx.conf"
_STOP_SECONDS = 10
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def render_configuration(folder: Path, *, port: int, nodes: Sequence[int]) -> str:
    """Return the documented configuration with nothing but its addresses and paths replaced.

    Args:
        folder: for the logs and all else that nginx writes.
        port: of the loopback address, to listen on.
        nodes: the ports of the two nodes on the loopback address.
    """
    first, second = nodes
    paths = [f"{name}_temp_path {folder}/{name};" for name in _TEMPORARY]
    replaced = {
        "listen 80;": f"listen 127.0.0.1:{port};",
        "server 10.0.0.11:5000 ": f"server 127.0.0.1:{first} ",
        "server 10.0.0.12:5000 ": f"server 127.0.0.1:{second} ",
        "worker_processes auto;": f"worker_processes 2;\ndaemon off;\npid {folder}/nginx.pid;",
        "http {": "\n".join(("http {", f"access_log {folder}/access.log;", *paths)),
    }
    text = _CONFIGURATION.read_text(encoding="utf-8")
    for old, new in replaced.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@contextmanager
def running_nginx(folder: Path, nodes: Sequence[int]) -> Iterator[int]:
    """Run nginx in front of two nodes until the block ends, and give its port."""
    folder.mkdir()
    # Its workers run as another user and write there too.
    folder.chmod(0o777)
    port = find_ports(1)
    configuration = folder / "nginx.conf"
    configuration.write_text(render_configuration(folder, port=port, nodes=nodes))
    command = ["nginx", "-p", str(folder), "-e", str(folder / "error.log")]
    with running_process(
        [*command, "-c", str(configuration)],
        is_ready=lambda: can_connect(port),
        log=folder / "nginx.log",
    ) as process:
        try:
            yield port
        finally:
            # Killed, it would leave its workers behind.
            process.terminate()
            process.wait(_STOP_SECONDS)
