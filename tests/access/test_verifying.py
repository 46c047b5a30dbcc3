"""Tokens that are good, and the checks each of which refuses one that is not."""

from collections.abc import Sequence

import pytest

from core.access import Access, CredentialsInvalid
from core.access.tokens import ALGORITHMS, TokenVerifier, VerificationKey, parse_access
from tests.access.minting import AUDIENCE, ISSUER, NOW, Signer, good_claims, mint

__all__: list[str] = []


class FixedKeys:
    """Keys that are known from the beginning."""

    def __init__(self, *signers: Signer) -> None:
        self.generation = 0
        self.asked: list[str] = []
        self._signers = signers

    async def load(self) -> None:
        """Have everything already."""

    async def find(self, kid: str) -> Sequence[VerificationKey]:
        """Return the keys of the signers of this name."""
        self.asked.append(kid)
        return [signer.key for signer in self._signers if signer.kid == kid]

    async def aclose(self) -> None:
        """Have nothing to close."""


def verifier(
    *signers: Signer, algorithms: Sequence[str] = ALGORITHMS, leeway_seconds: float = 60
) -> TokenVerifier:
    return TokenVerifier(
        issuer=ISSUER,
        audiences=[AUDIENCE],
        keys=FixedKeys(*signers),
        algorithms=algorithms,
        leeway_seconds=leeway_seconds,
        clock=lambda: NOW,
    )


async def refusal(verifier: TokenVerifier, token: str) -> str:
    with pytest.raises(CredentialsInvalid) as caught:
        await verifier.verify(token)
    assert token not in str(caught.value)
    return caught.value.reason


SIGNER = Signer()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_token_of_each_algorithm_is_verified(algorithm: str) -> None:
    signer = Signer.of(algorithm)
    verified = await verifier(signer).verify(mint(signer))
    assert verified.subject == "ann"
    assert verified.type == "JWT"
    assert verified.valid_until == NOW + 300 + 60
    assert parse_access(verified.claims) == (Access.repository("team/app", "pull", "push"),)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_token_whose_signature_or_content_was_changed_is_refused(algorithm: str) -> None:
    signer = Signer.of(algorithm)
    head, claims, signature = mint(signer).split(".")
    _, others, _ = mint(signer, good_claims(sub="root")).split(".")
    checked = verifier(signer)
    said = "the signature of the token is wrong"
    assert await refusal(checked, f"{head}.{others}.{signature}") == said
    wrong = ("A" if signature[0] != "A" else "B") + signature[1:]
    assert await refusal(checked, f"{head}.{claims}.{wrong}") == said
    assert await refusal(checked, f"{head}.{claims}.{signature[:40]}") == said


async def test_a_token_of_another_key_of_the_same_name_is_refused() -> None:
    assert await refusal(verifier(SIGNER), mint(Signer())) == "the signature of the token is wrong"


async def test_of_two_keys_of_one_name_either_may_have_signed() -> None:
    other = Signer.of("RS256")
    for signer in (SIGNER, other):
        assert (await verifier(SIGNER, other).verify(mint(signer))).subject == "ann"


async def test_a_token_of_an_unknown_key_is_refused() -> None:
    token = mint(Signer(kid="key-2"))
    said = "the token is signed with a key that is not trusted"
    assert await refusal(verifier(SIGNER), token) == said


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"iss": "https://auth.example.com/"}, "the token is of another issuer"),
        ({"iss": None}, "the token is of another issuer"),
        ({"iss": [ISSUER]}, "the token is of another issuer"),
        ({"aud": "other.example.com"}, "the token is for another audience"),
        ({"aud": None}, "the audience of the token is malformed"),
        ({"aud": []}, "the token is for another audience"),
        ({"aud": [AUDIENCE, 7]}, "the audience of the token is malformed"),
        ({"aud": {"0": AUDIENCE}}, "the audience of the token is malformed"),
        ({"exp": None}, "the token does not say when it expires"),
        ({"exp": NOW - 61}, "the token has expired"),
        ({"exp": 0}, "the token has expired"),
        ({"exp": str(int(NOW) + 300)}, "the claim exp is no time"),
        ({"exp": True}, "the claim exp is no time"),
        ({"exp": 10**350}, "the claim exp is no time"),
        ({"nbf": NOW + 61}, "the token is not good yet"),
        ({"nbf": "soon"}, "the claim nbf is no time"),
        ({"sub": 7}, "the subject of the token is malformed"),
        ({"sub": "ann\r\nX-Admin: 1"}, "the subject of the token is malformed"),
        ({"sub": "\x1b[31mann"}, "the subject of the token is malformed"),
        ({"sub": "a" * 256}, "the subject of the token is malformed"),
    ],
)
async def test_a_claim_that_is_wrong_is_named(claims: dict[str, object], said: str) -> None:
    token = mint(SIGNER, good_claims(**claims))
    assert await refusal(verifier(SIGNER), token) == said


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ["other.example.com", AUDIENCE]},
        {"exp": NOW - 60},
        {"nbf": NOW + 60},
        {"nbf": None, "iat": None},
        {"iat": "whenever", "jti": 7},
        {"exp": NOW + 0.5},
    ],
)
async def test_what_the_incumbent_lets_pass_passes(claims: dict[str, object]) -> None:
    token = mint(SIGNER, good_claims(**claims))
    assert (await verifier(SIGNER).verify(token)).subject == "ann"


async def test_the_leeway_is_as_set() -> None:
    token = mint(SIGNER, good_claims(exp=NOW - 1))
    assert await refusal(verifier(SIGNER, leeway_seconds=0), token) == "the token has expired"
    assert (await verifier(SIGNER, leeway_seconds=1).verify(token)).valid_until == NOW


async def test_a_token_that_names_nobody_is_of_nobody() -> None:
    for claims in (good_claims(sub=None), good_claims(sub="")):
        assert (await verifier(SIGNER).verify(mint(SIGNER, claims))).subject == ""


async def test_a_refusal_names_who_it_would_have_been() -> None:
    with pytest.raises(CredentialsInvalid) as caught:
        await verifier(SIGNER).verify(mint(SIGNER, good_claims(exp=1)))
    assert caught.value.user == "ann"


async def test_an_algorithm_that_is_not_in_the_list_is_refused() -> None:
    checked = verifier(SIGNER, algorithms=["RS256"])
    said = "the token is signed with an algorithm that is not allowed"
    assert await refusal(checked, mint(SIGNER)) == said


@pytest.mark.parametrize("algorithms", [["none"], ["HS256"], ["ES256", "hs256"], []])
def test_an_algorithm_without_a_key_pair_cannot_be_allowed(algorithms: list[str]) -> None:
    with pytest.raises(ValueError, match="signatures are made with some of ES256"):
        verifier(SIGNER, algorithms=algorithms)


async def test_a_key_in_the_header_counts_only_by_its_name_among_the_trusted() -> None:
    token = mint(SIGNER, header={"jwk": SIGNER.jwk(), "kid": None})
    assert (await verifier(SIGNER).verify(token)).subject == "ann"
    forger = Signer()
    forged = mint(forger, header={"jwk": forger.jwk()})
    assert await refusal(verifier(SIGNER), forged) == "the signature of the token is wrong"


@pytest.mark.parametrize(
    "access",
    [
        {"type": "repository"},
        ["repository:team/app:pull"],
        [None],
        [{"type": "repository", "name": "team/app", "actions": "pull"}],
        [{"type": "repository", "name": "team/app", "actions": ["pull", 7]}],
        [{"type": "repository", "actions": ["pull"]}],
        [{"type": 7, "name": "team/app", "actions": ["pull"]}],
        [{"type": "repository", "class": 7, "name": "team/app", "actions": ["pull"]}],
    ],
)
def test_a_malformed_access_claim_is_refused(access: object) -> None:
    with pytest.raises(CredentialsInvalid, match="the access claim is malformed"):
        parse_access(good_claims(access=access))


def test_access_is_of_each_resource_once_and_its_class_makes_no_difference() -> None:
    access = [
        {"type": "repository", "class": "image", "name": "a", "actions": ["pull"]},
        {"type": "repository", "name": "a", "actions": ["push", "pull"]},
        {"type": "registry", "name": "catalog", "actions": ["*"]},
        {"type": "repository", "name": "b", "actions": None},
    ]
    assert parse_access(good_claims(access=access)) == (
        Access("repository", "a", ("pull", "push")),
        Access("registry", "catalog", ("*",)),
        Access("repository", "b", ()),
    )
    assert parse_access(good_claims(access=None)) == ()


def test_a_key_verifies_nothing_by_an_algorithm_that_it_is_not_for() -> None:
    signature = SIGNER.sign(b"content")
    assert SIGNER.key.verifies("ES256", b"content", signature)
    for algorithm in set(ALGORITHMS) - {"ES256"}:
        assert not SIGNER.key.verifies(algorithm, b"content", signature)
