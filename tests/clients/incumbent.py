"""The incumbent, docker distribution as Debian packages it, over a store that may be shared."""

import base64
import hashlib
import hmac
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic_core import to_json

from tests.live import Service
from tests.servers.seaweedfs import S3Server
from tests.service.running import clean_environment, free_port, serving

__all__ = ["collect_garbage", "incumbent_in_bucket", "running_incumbent", "upload_state"]

_PROGRAM = "docker-registry"
_SECRET = "known to the tests"
_TIMEOUT_SECONDS = 60


@contextmanager
def running_incumbent(
    tmp_path: Path,
    store: Path | Mapping[str, object],
    *,
    auth: Mapping[str, object] | None = None,
) -> Iterator[Service]:
    """Run the incumbent over a store until the block ends.

    Args:
        tmp_path: for its settings and its log.
        store: its root, as the registry's own setting names it, or what `incumbent_in_bucket`
            gives.
        auth: whom it lets in, as its own setting says it; None is everybody.
    """
    port = free_port()
    settings = _write_settings(tmp_path, store, port, auth)
    log_file = tmp_path / "incumbent.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [_PROGRAM, "serve", str(settings)],
            cwd=tmp_path,
            env=_environment(),
            stderr=log,
            stdout=log,
        )
    with serving(Service(port=port, process=process, log_file=log_file), "/v2/") as service:
        yield service


def incumbent_in_bucket(server: S3Server, root_prefix: str) -> Mapping[str, object]:
    """Give what tells the incumbent of a store in a bucket."""
    return {
        "s3": {
            "bucket": server.bucket,
            "rootdirectory": f"/{root_prefix}",
            "regionendpoint": server.endpoint_url,
            "region": "us-east-1",
            "accesskey": server.access_key_id,
            "secretkey": server.secret_access_key,
            "secure": False,
            "v4auth": True,
        },
        "redirect": {"disable": True},
    }


def collect_garbage(tmp_path: Path, root: Path, *flags: str) -> list[str]:
    """Run the incumbent's garbage collection over the store, and give the lines it prints."""
    done = subprocess.run(
        [_PROGRAM, "garbage-collect", *flags, str(_write_settings(tmp_path, root, 0))],
        capture_output=True,
        check=False,
        text=True,
        timeout=_TIMEOUT_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def upload_state(name: str, upload_id: str, *, offset: int, started_at: str) -> str:
    """Give the token with which the incumbent lets a client go on with an upload.

    Args:
        name: of the repository.
        upload_id: of the upload, which any registry on the store may have begun.
        offset: how many bytes have come.
        started_at: what the store says of the upload.
    """
    message = to_json({"Name": name, "UUID": upload_id, "Offset": offset, "StartedAt": started_at})
    seal = hmac.digest(_SECRET.encode(), message, hashlib.sha256)
    return base64.urlsafe_b64encode(seal + message).decode("ascii")


def _environment() -> dict[str, str]:
    # Whatever the machine says of AWS is meant for another store.
    return {k: v for k, v in clean_environment().items() if not k.startswith("AWS_")}


def _write_settings(
    tmp_path: Path,
    store: Path | Mapping[str, object],
    port: int,
    auth: Mapping[str, object] | None = None,
) -> Path:
    if isinstance(store, Path):
        store = {"filesystem": {"rootdirectory": str(store)}}
    settings = {
        "version": "0.1",
        "log": {"level": "info"},
        "storage": {
            **store,
            "delete": {"enabled": True},
            "maintenance": {"uploadpurging": {"enabled": False}},
        },
        "http": {"addr": f"127.0.0.1:{port}", "secret": _SECRET},
        "compatibility": {"schema1": {"enabled": True}},
        **({} if auth is None else {"auth": auth}),
    }
    # JSON is YAML too.
    file = tmp_path / f"incumbent-{port}.json"
    file.write_bytes(to_json(settings))
    return file
