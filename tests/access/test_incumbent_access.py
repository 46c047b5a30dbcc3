"""The same requests with the same tokens, to the incumbent and to us: the answers are the same."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.access.minting import AUDIENCE, ISSUER, mint
from tests.access.test_incumbent_tokens import (
    BELIEVED,
    REFUSED,
    SIGNER,
    bundle,
    claims,
    incumbent,
)
from tests.live import Service, running_registry

__all__ = ["bundle", "incumbent"]

pytestmark = [pytest.mark.needs("docker-registry"), pytest.mark.clients]

REALM = "https://auth.example.com/token"
MANIFEST = "/v2/team/app/manifests/1"
UPLOADS = "/v2/team/app/blobs/uploads/"
_CHALLENGE = re.compile(r'Bearer realm="[^"]*",service="[^"]*"(,scope="[^"]+")?(,error="[a-z_]+")?')
DIGEST = f"sha256:{'0' * 64}"


@pytest.fixture(scope="module")
def registry(bundle: Path) -> Iterator[Service]:
    """Ours, which trusts the same root."""
    with running_registry(
        bundle.parent,
        MOORAGE_ACCESS__CONTROLLER="token",
        MOORAGE_ACCESS__TOKEN__REALM=REALM,
        MOORAGE_ACCESS__TOKEN__ISSUER=ISSUER,
        MOORAGE_ACCESS__TOKEN__SERVICE=AUDIENCE,
        MOORAGE_ACCESS__TOKEN__ROOT_CERTIFICATES=str(bundle),
        MOORAGE_DELETE__ENABLED="true",
        MOORAGE_LOG__LEVEL="debug",
    ) as service:
        yield service


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What counts of an answer."""

    status: int
    code: str | None
    challenge: dict[str, object] = field(default_factory=dict)


def token_for(*access: tuple[str, str, list[str]]) -> str:
    listed = [{"type": kind, "name": name, "actions": actions} for kind, name, actions in access]
    return mint(SIGNER, claims(access=listed))


def pull() -> str:
    return token_for(("repository", "team/app", ["pull"]))


def ask(address: str, method: str, path: str, token: str | None) -> Answer:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    with httpx.Client(trust_env=False, timeout=15) as client:
        answer = client.request(method, address + path, headers=headers)
    text = answer.headers.get("www-authenticate", "")
    challenge: dict[str, object] = {
        match[1]: match[2] for match in re.finditer(r'(\w+)="([^"]*)"', text)
    }
    challenge.pop("realm", None)
    if text:
        assert re.fullmatch(
            r'Bearer realm="[^"]*",service="[^"]*"(,scope="[^"]+")?(,error="\w+")?', text
        )
    if "scope" in challenge:
        # The incumbent writes them in no particular order.
        challenge["scope"] = {
            (one.rpartition(":")[0], frozenset(one.rpartition(":")[2].split(",")))
            for one in str(challenge["scope"]).split(" ")
        }
    failed = answer.status_code >= 400 and method != "HEAD"
    return Answer(
        status=answer.status_code,
        code=answer.json()["errors"][0]["code"] if failed else None,
        challenge=challenge,
    )


def repository(name: str, *actions: str) -> tuple[str, str, list[str]]:
    return "repository", name, list(actions)


MOUNT = f"{UPLOADS}?mount={DIGEST}&from=other/app"
ON_APP = repository("team/app", "pull", "push")

REQUESTS: dict[str, tuple[str, str, Callable[[], str] | None, int]] = {
    "the root": ("GET", "/v2/", None, 401),
    "a manifest": ("GET", MANIFEST, None, 401),
    "a manifest's head": ("HEAD", MANIFEST, None, 401),
    "a push": ("PUT", MANIFEST, None, 401),
    "a deletion": ("DELETE", MANIFEST, None, 401),
    "the tags": ("GET", "/v2/team/app/tags/list", None, 401),
    "an upload": ("POST", UPLOADS, None, 401),
    "a blob": ("GET", f"/v2/team/app/blobs/{DIGEST}", None, 401),
    "the catalog": ("GET", "/v2/_catalog", None, 401),
    "the root with a token": ("GET", "/v2/", pull, 200),
    "a pull that is allowed": ("GET", MANIFEST, pull, 404),
    "a pull of another": ("GET", "/v2/team/other/manifests/1", pull, 401),
    "a pull of a longer name": ("GET", "/v2/team/app2/manifests/1", pull, 401),
    "a push with a token to pull": ("POST", UPLOADS, pull, 401),
    "a push with a token to push only": (
        "POST",
        UPLOADS,
        lambda: token_for(repository("team/app", "push")),
        401,
    ),
    "a push that is allowed": ("POST", UPLOADS, lambda: token_for(ON_APP), 202),
    "a push with a token for everything": (
        "POST",
        UPLOADS,
        lambda: token_for(repository("team/app", "*")),
        202,
    ),
    "a push with a token for no name": (
        "POST",
        UPLOADS,
        lambda: token_for(repository("*", "*")),
        401,
    ),
    "a push with a token for another kind": (
        "POST",
        UPLOADS,
        lambda: token_for(("registry", "team/app", ["*"])),
        401,
    ),
    "a mount from where it may not pull": ("POST", MOUNT, lambda: token_for(ON_APP), 401),
    "a mount that is allowed": (
        "POST",
        MOUNT,
        lambda: token_for(ON_APP, repository("other/app", "pull")),
        202,
    ),
    "the catalog with a token to pull": ("GET", "/v2/_catalog", pull, 401),
    "the catalog that is allowed": (
        "GET",
        "/v2/_catalog",
        lambda: token_for(("registry", "catalog", ["*"])),
        200,
    ),
    "a token that is longer": ("GET", MANIFEST, lambda: f"{pull()}A", 401),
    "a token that is none": ("GET", MANIFEST, lambda: "not-a-token", 401),
    "a token of nobody": ("GET", MANIFEST, BELIEVED["of nobody"], 404),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_is_answered_as_by_the_incumbent(
    incumbent: str, registry: Service, name: str
) -> None:
    method, path, token, status = REQUESTS[name]
    shown = None if token is None else token()
    ours = ask(registry.url, method, path, shown)
    assert ours == ask(incumbent, method, path, shown)
    assert ours.status == status


def test_a_mount_asks_for_its_source_once_it_may_push(registry: Service) -> None:
    # The incumbent asks for both at once, before it is known who asks.
    assert ask(registry.url, "POST", MOUNT, None).challenge["scope"] == {
        ("repository:team/app", frozenset({"pull", "push"}))
    }
    assert ask(registry.url, "POST", MOUNT, token_for(ON_APP)).challenge["scope"] == {
        ("repository:team/app", frozenset({"pull", "push"})),
        ("repository:other/app", frozenset({"pull"})),
    }


def test_the_challenge_names_our_realm(registry: Service) -> None:
    with httpx.Client(trust_env=False) as client:
        answer = client.get(registry.url + MANIFEST)
    assert answer.headers["www-authenticate"] == (
        f'Bearer realm="{REALM}",service="{AUDIENCE}",scope="repository:team/app:pull"'
    )


def test_a_refused_token_is_told_of_with_its_reason_and_is_in_no_log(registry: Service) -> None:
    for name, token in {**BELIEVED, **REFUSED}.items():
        shown = token()
        answer = ask(registry.url, "GET", "/v2/", shown)
        assert answer.status == (200 if name in BELIEVED else 401), name
        if name in REFUSED:
            assert answer.challenge["error"] == "invalid_token"
        logged = registry.log_file.read_text()
        for part in shown.split("."):
            assert part not in logged or len(part) < 10
    assert "the token has expired" in logged
    assert "no root certificate vouches for it" in logged
