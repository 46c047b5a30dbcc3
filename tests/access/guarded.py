"""A registry in this process that lets nobody in without asking, and clients of it."""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import bcrypt
import httpx

from api.app import Application, create_app
from api.settings import Settings
from core.drivers import MemoryDriver, StorageDriver

__all__ = [
    "CONTENT",
    "DIGEST",
    "IMAGE_TYPE",
    "MANIFEST",
    "MANIFEST_DIGEST",
    "RULES",
    "Client",
    "Registry",
    "error_of",
    "guarded",
    "push_image",
    "settings_of",
    "write_users",
]

CONTENT = b"content"
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
IMAGE_TYPE = "application/vnd.oci.image.manifest.v1+json"
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": IMAGE_TYPE,
        "config": {"mediaType": "a/b", "digest": DIGEST, "size": len(CONTENT)},
        "layers": [],
    }
).encode()
MANIFEST_DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
RULES = [
    {"subjects": ["anonymous"], "repositories": ["public/**"], "actions": ["pull"]},
    {"subjects": ["user:ann"], "repositories": ["**"], "actions": ["*"]},
    {"subjects": ["group:dev"], "repositories": ["team/*"], "actions": ["pull"]},
    {"subjects": ["user:bob"], "repositories": ["bob/**"], "actions": ["pull", "push"]},
    {"subjects": ["user:bob"], "repositories": ["names/*"], "actions": ["list"]},
]


def write_users(path: Path, **passwords: str) -> Path:
    """Write a password file, with hashes that are cheap to compute."""
    path.write_bytes(
        b"".join(
            name.encode() + b":" + bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)) + b"\n"
            for name, password in passwords.items()
        )
    )
    return path


def settings_of(
    folder: Path,
    rules: Sequence[Mapping[str, object]] = (),
    *,
    users: Sequence[str] = ("ann", "bob"),
    access: Mapping[str, Any] | None = None,
    **groups: dict[str, Any],
) -> Settings:
    """Settings with a password file in which each user's password is `pw-` and the name."""
    file = write_users(folder / "users", **{name: f"pw-{name}" for name in users})
    table = {"controller": "htpasswd", **(access or {})}
    table["htpasswd"] = {"file": file, **table.get("htpasswd", {})}
    policy = {"rules": rules, **groups.pop("policy", {})}
    return Settings.model_validate({"access": table, "policy": policy, **groups})


class Client(httpx.AsyncClient):
    """One user of the registry."""

    async def push_blob(self, name: str, content: bytes, digest: str) -> httpx.Response:
        """Push a blob in one request."""
        return await self.post(
            f"/v2/{name}/blobs/uploads/", params={"digest": digest}, content=content
        )


@asynccontextmanager
async def guarded(
    settings: Settings, driver: StorageDriver | None = None
) -> AsyncIterator["Registry"]:
    """Run the application of these settings."""
    app = create_app(settings, driver or MemoryDriver())
    async with app.router.lifespan_context(app):
        yield Registry(app)


class Registry:
    """A running application.

    Attributes:
        app: itself.
    """

    def __init__(self, app: Application) -> None:
        self.app = app

    def client(self, user: str | None = None, **headers: str) -> Client:
        """Return a client that shows the password of a user, or none at all."""
        return Client(
            transport=httpx.ASGITransport(app=self.app, client=("192.0.2.7", 1234)),
            base_url="http://registry.test",
            auth=None if user is None else (user, f"pw-{user}"),
            headers=headers,
        )


async def push_image(client: Client, name: str, tag: str = "1") -> httpx.Response:
    """Push an image of one blob."""
    await client.push_blob(name, CONTENT, DIGEST)
    return await client.put(
        f"/v2/{name}/manifests/{tag}", content=MANIFEST, headers={"Content-Type": IMAGE_TYPE}
    )


def error_of(answer: httpx.Response) -> tuple[int, str]:
    """Return the status of an answer, and the code of its first error."""
    return answer.status_code, answer.json()["errors"][0]["code"]
