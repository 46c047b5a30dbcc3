"""Settings of the tokens of others: how they are read, shown and refused, and what they make."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from api.access.verifiers import make_external_tokens, make_federation
from api.settings import LoadedSettings, SettingsError, load_settings_with_origins
from api.settings.access_tokens import ExternalTokenSettings, FederationSettings
from api.settings.report import setting_rows
from core.access import Asker, CredentialsInvalid
from tests.access.minting import Authority, Signer, jwk_set, mint, pem, x5c
from tests.servers.issuer import Issuer, running_issuer

__all__: list[str] = []


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MOORAGE_CONFIG", raising=False)


TOML = """
[access.token]
realm = "https://auth.example.com/token"
issuer = "https://auth.example.com"
service = "registry.example.com"
jwks = "/etc/moorage/jwks.json"

[[access.federation.issuers]]
url = "https://token.actions.githubusercontent.com"
audiences = ["https://registry.example.com"]

[[access.federation.rules]]
issuer = "https://token.actions.githubusercontent.com"
claims = { repository_owner = "octo", ref = "refs/heads/*", ref_protected = true }
name = "github:{repository}"
repositories = ["octo/{repository:lower}/**"]
"""


def loaded(text: str) -> LoadedSettings:
    Path("moorage.toml").write_text(text)
    return load_settings_with_origins()


def federation_in(text: str) -> FederationSettings:
    return loaded(text).settings.access.federation


def faults(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        loaded(text)
    return list(caught.value.faults)


def test_tables_of_issuers_and_rules_are_read_from_the_file() -> None:
    federation = federation_in(TOML)
    assert [issuer.audiences for issuer in federation.issuers] == [
        ("https://registry.example.com",)
    ]
    (rule,) = federation.rules
    assert rule.claims == {
        "repository_owner": "octo",
        "ref": "refs/heads/*",
        "ref_protected": "true",
    }
    assert rule.actions == ("pull", "push")


def test_tables_are_read_from_a_variable_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    issuers = [{"url": "https://gitlab.example.com", "audiences": ["moorage"]}]
    monkeypatch.setenv("MOORAGE_ACCESS__FEDERATION__ISSUERS", json.dumps(issuers))
    (issuer,) = federation_in("").issuers
    assert (issuer.url, issuer.audiences) == ("https://gitlab.example.com", ("moorage",))


def test_what_is_set_is_shown_as_it_is_since_none_of_it_is_secret() -> None:
    rows = {row.key: row for row in setting_rows(loaded(TOML))}
    assert rows["access.token.issuer"].value == "https://auth.example.com"
    shown = rows["access.federation.rules"].value
    assert isinstance(shown, list)
    assert shown[0]["repositories"] == ["octo/{repository:lower}/**"]
    assert shown[0]["claims"]["ref"] == "refs/heads/*"
    assert json.dumps(shown)
    assert rows["access.federation.rules"].origin == "moorage.toml"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("claims =", "clams =", "access.federation.rules.0.clams: unknown key, expected one of"),
        ("[[access.federation.rules]]", "[[access.federation.rule]]", "rule: unknown key, expec"),
        ('issuer = "https://auth', 'issuers = "https://auth', "issuers: unknown key, expected"),
        ('url = "https', 'url = "http', "issuers.0.url: expected https, or http to a loopback"),
        ('audiences = ["https://registry.example.com"]', "audiences = []", "expected at least one"),
        ('"octo/{repository:lower}/**"', '"octo/**/x"', "rules.0: expected `**` to be"),
        ('jwks = "/etc', 'jwks = "http://auth.example.com/etc', "access.token.jwks: expected htt"),
        ('name = "github', 'nome = "github', "rules.0.name: is missing"),
        ('realm = "https:', 'realm = "ftp:', "access.token.realm: expected "),
        ("[access.token]", '[access.token]\nalgorithms = ["HS256"]', "expected some of ES256"),
        (
            'issuer = "https://token',
            'issuer = "https://tokens',
            "expected rule 1 to be of one of the issuers",
        ),
    ],
)
def test_a_fault_is_named_by_its_place(before: str, after: str, said: str) -> None:
    assert before in TOML
    found = faults(TOML.replace(before, after))
    place = re.compile(r"moorage\.toml(:[1-9][0-9]*)?: access\.")
    assert any(said in fault and place.match(fault) for fault in found)


def test_a_realm_may_be_a_path_of_the_registry() -> None:
    settings = loaded(TOML.replace("https://auth.example.com/token", "/auth/token"))
    assert settings.settings.access.token.realm == "/auth/token"


def test_a_variable_that_is_no_json_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MOORAGE_ACCESS__FEDERATION__RULES", "[{")
    (fault,) = faults("")
    assert fault.startswith("MOORAGE_ACCESS__FEDERATION__RULES: access.federation.rules: expected")
    assert "a JSON array of tables" in fault


@pytest.mark.parametrize("text", ['a/"x', "a/\r\nX: y", "a b", "a\n", "a\\", "é", ""])
def test_what_challenges_name_cannot_break_out_of_its_header(text: str) -> None:
    with pytest.raises(ValidationError):
        ExternalTokenSettings(realm=f"https://{text}")
    with pytest.raises(ValidationError):
        ExternalTokenSettings(service=text)


# What they make.

SERVER = {
    "realm": "https://auth.example.com/token",
    "issuer": "https://auth.example.com",
    "service": "registry.example.com",
}


@pytest.mark.parametrize("missing", ["realm", "issuer", "service", "jwks"])
def test_what_the_controller_needs_has_to_be_set(missing: str) -> None:
    given = {**SERVER, "jwks": "jwks.json"}
    del given[missing]
    with pytest.raises(ValueError, match=f"{missing}.* to be set"):
        make_external_tokens(ExternalTokenSettings.model_validate(given))


def test_authorities_that_cannot_be_read_are_told_of_by_their_file(tmp_path: Path) -> None:
    given = {**SERVER, "jwks": "https://auth.example.com/jwks"}
    for content in (None, b"nothing"):
        if content is not None:
            (tmp_path / "ca.pem").write_bytes(content)
        settings = ExternalTokenSettings.model_validate({**given, "ca_certificates": "ca.pem"})
        with pytest.raises(ValueError, match=r"ca\.pem: "):
            make_external_tokens(settings)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as issuer:
        yield issuer


@pytest.fixture
def ca(tmp_path: Path) -> str:
    (tmp_path / "ca.pem").write_bytes(pem(Authority.root().certificate))
    return "ca.pem"


async def test_the_controller_finds_keys_wherever_the_settings_say(
    issuer: Issuer, ca: str, tmp_path: Path
) -> None:
    root = Authority.root()
    (tmp_path / "roots.pem").write_bytes(pem(root.certificate))
    (tmp_path / "jwks.json").write_bytes(jwk_set(issuer.signers[0].jwk()))
    own = {**SERVER, "issuer": issuer.url, "audiences": ["a", "b"], "ca_certificates": ca}
    asker = Asker(authorization=f"Bearer {issuer.token(aud='b')}")
    for place in (f"{issuer.url}/keys", "jwks.json"):
        settings = {**own, "jwks": place, "root_certificates": "roots.pem"}
        controller = make_external_tokens(ExternalTokenSettings.model_validate(settings))
        await controller.load()
        assert (await controller.identify(asker)).name == "job"
        await controller.aclose()
    assert issuer.asked == {"/keys": 1}


async def test_without_audiences_tokens_are_for_the_service(tmp_path: Path) -> None:
    signer = Signer()
    (tmp_path / "jwks.json").write_bytes(jwk_set(signer.jwk()))
    settings = ExternalTokenSettings.model_validate({**SERVER, "jwks": "jwks.json"})
    controller = make_external_tokens(settings)
    claims = {"iss": SERVER["issuer"], "aud": SERVER["service"], "sub": "ann", "exp": 2**40}
    principal = await controller.identify(Asker(authorization=f"Bearer {mint(signer, claims)}"))
    assert principal.name == "ann"


async def test_the_controller_takes_chains_algorithms_and_leeway_as_set(tmp_path: Path) -> None:
    now = time.time()
    root, signer = Authority.root(now=now), Signer()
    leaf = root.issue("leaf", signer.private.public_key(), now=now)
    (tmp_path / "roots.pem").write_bytes(pem(root.certificate))
    claims = {"iss": SERVER["issuer"], "aud": SERVER["service"], "sub": "ann", "exp": now - 30}
    asker = Asker(authorization=f"Bearer {mint(signer, claims, {'x5c': x5c(leaf)})}")
    settings = {**SERVER, "root_certificates": "roots.pem"}
    controller = make_external_tokens(ExternalTokenSettings.model_validate(settings))
    assert (await controller.identify(asker)).name == "ann"
    for change in ({"leeway_seconds": 10}, {"algorithms": ["RS256"]}):
        other = ExternalTokenSettings.model_validate({**settings, **change})
        with pytest.raises(CredentialsInvalid):
            await make_external_tokens(other).identify(asker)


async def test_the_federation_finds_keys_wherever_the_settings_say(
    issuer: Issuer, ca: str, tmp_path: Path
) -> None:
    (tmp_path / "jwks.json").write_bytes(jwk_set(issuer.signers[0].jwk()))
    rule = {"issuer": issuer.url, "claims": {"sub": "job"}, "name": "j", "repositories": ["a/*"]}
    for jwks in (None, f"{issuer.url}/keys", "jwks.json"):
        trusted = {"url": issuer.url, "audiences": ["moorage"], "jwks": jwks}
        settings = {"issuers": [trusted], "rules": [rule], "ca_certificates": ca}
        federation = make_federation(FederationSettings.model_validate(settings))
        assert federation is not None
        await federation.load()
        assert (await federation.identify(issuer.token(aud="moorage"))).name == "j"
        await federation.aclose()
    assert issuer.asked == {"/.well-known/openid-configuration": 1, "/keys": 2}


def test_without_issuers_there_is_no_federation() -> None:
    assert make_federation(FederationSettings()) is None
