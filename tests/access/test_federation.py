"""Workloads that other issuers vouch for: who they are, what they may do, and who is refused."""

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.access import CredentialsInvalid, Grant, RepositoryPattern
from core.access.tokens import (
    Federation,
    IssuerClient,
    KeyFile,
    RemoteKeys,
    TrustedIssuer,
    WorkloadRule,
)
from core.access.tokens.workload_rules import matches_glob
from core.errors import AccessUnavailable
from tests.access.minting import (
    AUDIENCE,
    ISSUER,
    NOW,
    Authority,
    Signer,
    good_claims,
    jwk_set,
    mint,
    pem,
)
from tests.servers.issuer import Issuer, running_issuer

__all__: list[str] = []

SIGNER = Signer()
RULE = WorkloadRule(
    issuer=ISSUER,
    claims={"repository_owner": "octo", "ref": "refs/heads/*"},
    name="github:{repository}",
    repositories=["ci/{repository}/**", "shared/cache"],
    actions=frozenset({"pull", "push"}),
)
CLAIMS: Mapping[str, object] = {
    "sub": "repo:octo/app:ref:refs/heads/main",
    "repository": "octo/app",
    "repository_owner": "octo",
    "ref": "refs/heads/main",
    "run_id": 7,
    "jti": "unique",
}


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return federation_of(tmp_path, RULE)


def federation_of(directory: Path, *rules: WorkloadRule) -> Federation:
    file = directory / "jwks.json"
    file.write_bytes(jwk_set(SIGNER.jwk()))
    issuer = TrustedIssuer(url=ISSUER, audiences=[AUDIENCE], keys=KeyFile(file))
    return Federation([issuer], rules, clock=lambda: NOW)


def token(**claims: object) -> str:
    return mint(SIGNER, good_claims(**{**CLAIMS, **claims}))


async def refusal(federation: Federation, text: str) -> str:
    with pytest.raises(CredentialsInvalid) as caught:
        await federation.identify(text)
    assert text not in str(caught.value)
    return caught.value.reason


async def test_a_workload_is_named_and_granted_by_its_claims(federation: Federation) -> None:
    workload = await federation.identify(token())
    assert workload.subject == "workload:github:octo/app"
    assert workload.grants == (
        Grant(RepositoryPattern("ci/octo/app/**"), frozenset({"pull", "push"})),
        Grant(RepositoryPattern("shared/cache"), frozenset({"pull", "push"})),
    )
    assert workload.claims == {
        "iss": ISSUER,
        "sub": "repo:octo/app:ref:refs/heads/main",
        "repository": "octo/app",
        "repository_owner": "octo",
        "ref": "refs/heads/main",
    }
    assert workload.scope is None
    assert workload.valid_until == NOW + 3600


async def test_a_workload_is_known_for_as_long_as_a_rule_makes_the_same_of_it(
    tmp_path: Path,
) -> None:
    listed = replace(RULE, claims={**RULE.claims, "roles": "builder"})
    before = federation_of(tmp_path, listed)
    workload = await before.identify(token(roles=["reader", "builder"]))
    assert before.knows(workload)
    other = replace(RULE, claims={"repository_owner": "evil"})
    assert federation_of(tmp_path, other, listed).knows(workload)
    for changed in (
        replace(listed, claims={"repository_owner": "octo", "ref": "refs/tags/*"}),
        replace(listed, actions=frozenset({"pull"})),
        replace(listed, repositories=["ci/{repository}/**"]),
        replace(listed, repositories=["ci/{project}/**", "shared/cache"]),
        replace(listed, name="ci:{repository}"),
    ):
        assert not federation_of(tmp_path, other, changed).knows(workload)
    assert not federation_of(tmp_path).knows(workload)


async def test_a_token_may_be_shown_again_until_it_expires(federation: Federation) -> None:
    text = token()
    assert (await federation.identify(text)).name == (await federation.identify(text)).name


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"repository_owner": "octopus"}, "rule 1 by the claim repository_owner"),
        ({"repository_owner": "Octo"}, "rule 1 by the claim repository_owner"),
        ({"repository_owner": None}, "rule 1 by the claim repository_owner"),
        ({"repository_owner": {"octo": True}}, "rule 1 by the claim repository_owner"),
        ({"ref": "refs/tags/v1"}, "rule 1 by the claim ref"),
        ({"ref": "x/refs/heads/main"}, "rule 1 by the claim ref"),
    ],
)
async def test_a_workload_that_no_rule_is_for_is_told_which_claim_each_failed_on(
    federation: Federation, claims: dict[str, object], said: str
) -> None:
    assert await refusal(federation, token(**claims)) == f"no rule is for this token: {said}"


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example.com"},
        {"iss": f"{ISSUER}/"},
        {"iss": None},
        {"iss": [ISSUER]},
    ],
)
async def test_another_issuer_is_not_trusted(
    federation: Federation, claims: dict[str, object]
) -> None:
    said = "the token is of an issuer that is not trusted"
    assert await refusal(federation, token(**claims)) == said


async def test_the_token_has_to_be_good_for_us_and_now(federation: Federation) -> None:
    assert "audience" in await refusal(federation, token(aud="sts.amazonaws.com"))
    assert "expired" in await refusal(federation, token(exp=NOW - 100))
    forged = mint(Signer(), good_claims(**CLAIMS))
    assert await refusal(federation, forged) == "the signature of the token is wrong"
    assert await refusal(federation, "a.b") == "not a signed token of three parts"


@pytest.mark.parametrize(
    "repository",
    ["*", "**", "octo/*", "octo/App", "../root", "octo//app", "/", "octo/app/", "a b", "\n", "é"],
)
async def test_a_claim_that_is_no_name_grants_nothing(
    federation: Federation, repository: str
) -> None:
    said = await refusal(federation, token(repository=repository))
    assert said.startswith("rule 1: the claim")


@pytest.mark.parametrize("repository", ["", None, ["octo/app"], {}])
async def test_a_claim_that_is_no_text_cannot_be_put_in(
    federation: Federation, repository: object
) -> None:
    said = await refusal(federation, token(repository=repository))
    assert said == "rule 1: there is no text in the claim repository"


async def test_a_claim_that_makes_a_name_too_long_grants_nothing(tmp_path: Path) -> None:
    federation = federation_of(tmp_path, replace(RULE, repositories=["{repository}/{repository}"]))
    said = await refusal(federation, token(repository="a" * 250))
    assert said == "rule 1: the claims make no name that can be printed"
    said = await refusal(federation, token(repository="a" * 248))
    assert said == "rule 1: the claims make no pattern of repositories"


async def test_a_claim_is_put_in_in_lower_case_where_the_rule_says_so(tmp_path: Path) -> None:
    rule = replace(RULE, repositories=["ci/{repository:lower}"])
    workload = await federation_of(tmp_path, rule).identify(token(repository="Octo/App"))
    assert workload.grants is not None
    assert [str(grant.repositories) for grant in workload.grants] == ["ci/octo/app"]
    assert workload.name == "github:Octo/App"
    assert workload.claims["repository"] == "Octo/App"


async def test_the_first_rule_that_is_for_a_workload_decides(tmp_path: Path) -> None:
    first = replace(RULE, claims={"ref": "refs/heads/main"}, name="main", actions=frozenset({"*"}))
    federation = federation_of(tmp_path, first, replace(RULE, name="other"))
    assert (await federation.identify(token())).name == "main"
    assert (await federation.identify(token(ref="refs/heads/topic"))).name == "other"
    said = await refusal(federation, token(ref="refs/tags/v1"))
    assert said.endswith("rule 1 by the claim ref, rule 2 by the claim ref")


async def test_a_rule_is_for_the_workloads_of_its_own_issuer_only(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_bytes(jwk_set(SIGNER.jwk()))
    other = "https://other.example.com"
    issuers = [
        TrustedIssuer(url=url, audiences=[AUDIENCE], keys=KeyFile(tmp_path / "jwks.json"))
        for url in (ISSUER, other)
    ]
    theirs = replace(RULE, issuer=other, name="theirs", claims={"ref": "refs/tags/*"})
    federation = Federation(issuers, [RULE, theirs], clock=lambda: NOW)
    assert (await federation.identify(token())).name == "github:octo/app"
    said = "no rule is for this token: rule 2 by the claim ref"
    assert await refusal(federation, token(iss=other)) == said
    assert (await federation.identify(token(iss=other, ref="refs/tags/v1"))).name == "theirs"
    said = await refusal(Federation(issuers, [], clock=lambda: NOW), token())
    assert said == "no rule is for this token: its issuer has none"


@pytest.mark.parametrize("actor", ["a\nb", "a\x00", "\x1b[0m", "a" * 256])
async def test_a_workload_has_a_name_that_can_be_printed(tmp_path: Path, actor: str) -> None:
    rule = replace(RULE, name="{actor}", repositories=["ci/*"])
    said = await refusal(federation_of(tmp_path, rule), token(actor=actor))
    assert said == "rule 1: the claims make no name that can be printed"


async def test_a_rule_that_cannot_be_followed_is_not_passed_over(tmp_path: Path) -> None:
    federation = federation_of(tmp_path, RULE, replace(RULE, repositories=["**"]))
    said = await refusal(federation, token(repository="octo/App"))
    assert said == "rule 1: the claim repository is no name of a repository"


@pytest.mark.parametrize(
    ("pattern", "value", "matches"),
    [
        ("octo", "octo", True),
        ("7", 7, True),
        ("true", True, True),
        ("1", True, False),
        ("dev", ["ops", "dev"], True),
        ("dev", ["ops"], False),
        ("dev", [["dev"]], False),
        ("dev", [], False),
        ("null", None, False),
        ("*", None, False),
        ("*", "", True),
    ],
)
def test_a_claim_matches_by_its_text_or_one_of_its_entries(
    pattern: str, value: object, matches: bool
) -> None:
    rule = replace(RULE, claims={"anchor": "x", "claim": pattern})
    found = rule.unmatched({"anchor": "x", "claim": value})
    assert found == (None if matches else "claim")


def test_a_claim_inside_another_is_named_with_dots() -> None:
    rule = replace(RULE, claims={"kubernetes.io.namespace": "ci"})
    assert rule.unmatched({"kubernetes.io": {"namespace": "ci"}}) == "kubernetes.io.namespace"
    assert rule.unmatched({"kubernetes": {"io": {"namespace": "ci"}}}) is None
    assert rule.unmatched({"kubernetes.io.namespace": "ci"}) is None


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("a*c", "abc", True),
        ("a*c", "ac", True),
        ("a*c", "a", False),
        ("aa*aa", "aaa", False),
        ("a*b*c", "a/x/b\nc", True),
        ("a*b*b", "ab", False),
        ("*", "", True),
        ("a", "A", False),
        ("a.c", "abc", False),
        ("[ab]", "a", False),
        ("a?", "ab", False),
    ],
)
def test_an_asterisk_stands_for_any_characters_and_nothing_else_is_special(
    pattern: str, text: str, matches: bool
) -> None:
    assert matches_glob(pattern, text) is matches


@given(st.lists(st.text("ab/", max_size=3), min_size=1, max_size=5), st.text("ab/", max_size=3))
def test_what_is_put_together_by_a_pattern_matches_it(parts: list[str], filling: str) -> None:
    assert matches_glob("*".join(parts), filling.join(parts))


def test_no_pattern_takes_long_to_match() -> None:
    started = time.perf_counter()
    assert not matches_glob("*a" * 50 + "b", "a" * 16000)
    assert time.perf_counter() - started < 0.2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"claims": {}}, "names a claim"),
        ({"claims": {"sub": "*", "ref": "**"}}, "names a claim"),
        ({"actions": frozenset()}, "actions are some of"),
        ({"actions": frozenset({"admin"})}, "actions are some of"),
        ({"repositories": []}, "grants something"),
        ({"lifetime_seconds": 0}, "for a time"),
        ({"repositories": ["ci/{}"]}, "a claim is put in as"),
        ({"name": "github:{repository"}, "a claim is put in as"),
        ({"name": ""}, "a claim is put in as"),
        ({"repositories": ["ci/**/{repository}"]}, "last component"),
        ({"repositories": ["CI/{repository}"]}, "names of repositories"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(RULE, **change)


def test_each_issuer_occurs_once_and_each_rule_is_of_one_of_them(tmp_path: Path) -> None:
    issuer = TrustedIssuer(url=ISSUER, audiences=["a"], keys=KeyFile(tmp_path / "jwks.json"))
    with pytest.raises(ValueError, match="each issuer occurs once"):
        Federation([issuer, issuer], [RULE])
    with pytest.raises(ValueError, match="which is not among the issuers"):
        Federation([issuer], [replace(RULE, issuer="https://other.example.com")])
    with pytest.raises(ValueError, match="a token is for somebody"):
        Federation([replace(issuer, audiences=[])], [RULE])


# With an issuer that is asked.


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as issuer:
        yield issuer


@pytest.fixture
async def asking(issuer: Issuer, tmp_path: Path) -> AsyncIterator[Federation]:
    authority = tmp_path / "authority.pem"
    authority.write_bytes(pem(Authority.root().certificate))
    client = IssuerClient(ca_file=str(authority))
    keys = RemoteKeys(lambda: client.fetch_keys_of(issuer.url), name=issuer.url, retry_seconds=0)
    rule = replace(RULE, issuer=issuer.url, claims={"project": "app"}, name="{project}")
    federation = Federation(
        [TrustedIssuer(url=issuer.url, audiences=[AUDIENCE], keys=keys)],
        [replace(rule, repositories=["{project}/**"])],
        close=client.aclose,
    )
    yield federation
    await federation.aclose()


async def test_an_issuer_is_discovered_and_its_keys_are_kept(
    asking: Federation, issuer: Issuer
) -> None:
    await asking.load()
    for _ in range(3):
        workload = await asking.identify(issuer.token(aud=AUDIENCE, project="app"))
        assert workload.name == "app"
    assert issuer.asked == {"/.well-known/openid-configuration": 1, "/keys": 1}


async def test_an_issuer_that_rotates_its_keys_is_followed(
    asking: Federation, issuer: Issuer
) -> None:
    old = issuer.token(aud=AUDIENCE, project="app")
    assert (await asking.identify(old)).name == "app"
    issuer.rotate("second")
    new = issuer.token(aud=AUDIENCE, project="app")
    assert (await asking.identify(new)).name == "app"
    assert "a key that is not trusted" in await refusal(asking, old)


async def test_an_issuer_that_is_away_ends_nothing_that_is_known(
    asking: Federation, issuer: Issuer
) -> None:
    known = issuer.token(aud=AUDIENCE, project="app")
    assert (await asking.identify(known)).name == "app"
    issuer.manner = "failing"
    assert (await asking.identify(known)).name == "app"
    issuer.rotate("second")
    with pytest.raises(AccessUnavailable):
        await asking.identify(issuer.token(aud=AUDIENCE, project="app"))


async def test_an_issuer_that_lies_about_who_it_is_is_not_believed(
    asking: Federation, issuer: Issuer
) -> None:
    issuer.manner = "other issuer"
    with pytest.raises(AccessUnavailable, match="its configuration is of another issuer"):
        await asking.identify(issuer.token(aud=AUDIENCE, project="app"))


async def test_a_token_of_nobody_that_is_trusted_has_nobody_asked(
    asking: Federation, issuer: Issuer
) -> None:
    with pytest.raises(CredentialsInvalid):
        await asking.identify(issuer.token(iss="https://evil.example.com", aud=AUDIENCE))
    with pytest.raises(CredentialsInvalid):
        await asking.identify(issuer.token(aud="elsewhere"))
    assert not issuer.asked
