"""Access by the tokens of another server: who the bearer is, and what is asked of others."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import pytest

from core.access import ANONYMOUS, Access, Asker, CredentialsInvalid
from core.access.resources import CATALOG
from core.access.tokens import ExternalTokens, KeyFile, TokenServer, TokenVerifier
from core.errors import AccessUnavailable
from tests.access.minting import AUDIENCE, ISSUER, NOW, Signer, good_claims, jwk_set, mint

__all__: list[str] = []

SIGNER = Signer()
REALM = "https://auth.example.com/token"


def controller(
    file: Path, *, groups_claim: str | None = None, claims: Sequence[str] = ()
) -> ExternalTokens:
    keys = KeyFile(file)
    verifier = TokenVerifier(issuer=ISSUER, audiences=[AUDIENCE], keys=keys, clock=lambda: NOW)
    server = TokenServer(realm=REALM, service=AUDIENCE, groups_claim=groups_claim, claims=claims)
    return ExternalTokens(server, verifier, keys, clock=lambda: NOW)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    path.write_bytes(jwk_set(SIGNER.jwk()))
    return path


def bearer(claims: Mapping[str, object] | None = None, scheme: str = "Bearer") -> Asker:
    return Asker(authorization=f"{scheme} {mint(SIGNER, claims)}")


async def test_who_shows_nothing_is_anonymous(file: Path) -> None:
    assert await controller(file).identify(Asker()) is ANONYMOUS


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_bearer_of_a_token_may_do_what_it_says(file: Path, scheme: str) -> None:
    principal = await controller(file).identify(bearer(scheme=scheme))
    assert principal.subject == "user:ann"
    assert principal.scope == (Access.repository("team/app", "pull", "push"),)
    assert principal.grants is None
    assert (principal.groups, dict(principal.claims)) == (frozenset(), {})


async def test_a_token_that_names_nobody_is_good_for_what_it_says(file: Path) -> None:
    principal = await controller(file).identify(bearer(good_claims(sub="")))
    assert principal.kind == "anonymous"
    assert principal.scope == (Access.repository("team/app", "pull", "push"),)


async def test_a_token_without_access_is_good_for_nothing(file: Path) -> None:
    principal = await controller(file).identify(bearer(good_claims(access=None)))
    assert principal.scope == ()


async def test_a_token_is_proven_anew_after_a_minute_or_when_it_expires(file: Path) -> None:
    checked = controller(file)
    assert (await checked.identify(bearer())).valid_until == NOW + 60
    soon = bearer(good_claims(exp=NOW - 30))
    assert (await checked.identify(soon)).valid_until == NOW + 30


@pytest.mark.parametrize(
    "authorization",
    ["Basic YW5uOnNlY3JldA==", "Bearer", "Bearer ", "", "Bearer a.b.c d", "Digest x", "\x00"],
)
async def test_other_credentials_prove_nothing(file: Path, authorization: str) -> None:
    with pytest.raises(CredentialsInvalid) as caught:
        await controller(file).identify(Asker(authorization=authorization))
    assert "YW5u" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["Basic", "Token", "Bearer:", "DPoP"])
async def test_a_good_token_of_another_scheme_proves_nothing(file: Path, scheme: str) -> None:
    with pytest.raises(CredentialsInvalid, match="only bearer tokens are taken"):
        await controller(file).identify(bearer(scheme=scheme))


async def test_a_malformed_access_claim_refuses_the_token(file: Path) -> None:
    with pytest.raises(CredentialsInvalid, match="access claim"):
        await controller(file).identify(bearer(good_claims(access="all")))


@pytest.mark.parametrize(
    ("name", "claims", "groups"),
    [
        ("groups", {"groups": ["dev", "ops"]}, {"dev", "ops"}),
        ("groups", {"groups": "dev"}, {"dev"}),
        ("groups", {}, set()),
        ("realm_access.roles", {"realm_access": {"roles": ["dev"]}}, {"dev"}),
        ("https://a.example/groups", {"https://a.example/groups": ["dev"]}, {"dev"}),
        ("realm_access.roles", {"realm_access": "dev"}, set()),
    ],
)
async def test_groups_come_from_the_claim_that_is_set(
    file: Path, name: str, claims: dict[str, object], groups: set[str]
) -> None:
    principal = await controller(file, groups_claim=name).identify(bearer(good_claims(**claims)))
    assert principal.groups == groups


@pytest.mark.parametrize("groups", [{"dev": True}, ["dev", 7], 7, [["dev"]], ["g"] * 1001])
async def test_a_malformed_claim_of_groups_refuses_the_token(file: Path, groups: object) -> None:
    with pytest.raises(CredentialsInvalid, match="the claim of groups is malformed"):
        await controller(file, groups_claim="groups").identify(bearer(good_claims(groups=groups)))


async def test_chosen_claims_are_for_rules_and_others_are_not(file: Path) -> None:
    checked = controller(file, claims=["email", "org.id", "admin", "teams", "none"])
    claims = {"email": "a@b", "org": {"id": 7}, "admin": True, "teams": ["x"], "other": "o"}
    principal = await checked.identify(bearer(good_claims(**claims)))
    assert principal.claims == {"email": "a@b", "org.id": "7", "admin": "true"}


async def test_a_key_that_was_withdrawn_ends_its_tokens(file: Path) -> None:
    checked = controller(file)
    await checked.load()
    assert (await checked.identify(bearer())).name == "ann"
    before = checked.generation
    await anyio.Path(file).write_bytes(jwk_set(Signer(kid="key-2").jwk()))
    await checked.load()
    with pytest.raises(CredentialsInvalid, match="a key that is not trusted"):
        await checked.identify(bearer())
    assert checked.generation > before
    await checked.aclose()


async def test_without_keys_it_cannot_be_said_who_asks(tmp_path: Path) -> None:
    checked = controller(tmp_path / "none.json")
    with pytest.raises(AccessUnavailable):
        await checked.identify(bearer())
    with pytest.raises(ValueError, match=r"none\.json"):
        await checked.load()


def test_the_challenge_says_where_to_get_a_token_and_for_what(file: Path) -> None:
    checked = controller(file)
    wanted = [Access.repository("team/app", "pull", "push"), CATALOG]
    challenge = checked.challenge(wanted, error="insufficient_scope")
    assert (challenge.scheme, challenge.realm) == ("Bearer", REALM)
    assert list(challenge.parameters.items()) == [
        ("service", AUDIENCE),
        ("scope", "repository:team/app:pull,push registry:catalog:*"),
        ("error", "insufficient_scope"),
    ]
    assert list(checked.challenge([]).parameters) == ["service"]
