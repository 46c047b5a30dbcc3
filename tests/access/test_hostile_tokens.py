"""Tokens that somebody made up: each is refused, at little cost, and leads nowhere."""

import json
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.access import CredentialsInvalid
from core.access.tokens import ALGORITHMS, KeyFile, TokenVerifier
from core.access.tokens.compact import MAX_TOKEN_CHARACTERS
from tests.access.minting import Signer, encode, good_claims, jwk_set, mint
from tests.access.test_verifying import FixedKeys, refusal, verifier

__all__: list[str] = []

SIGNER = Signer()
RSA = Signer.of("RS256")
NOT_ALLOWED = "the token is signed with an algorithm that is not allowed"


def part(value: object) -> str:
    return encode(json.dumps(value).encode())


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "none ", "", ["none"], 0])
@pytest.mark.parametrize("signature", ["", "AAAA"])
async def test_a_token_without_a_signature_is_refused(name: object, signature: str) -> None:
    token = f"{part({'alg': name, 'kid': 'key-1'})}.{part(good_claims())}.{signature}"
    said = NOT_ALLOWED if signature else "not a signed token of three parts"
    assert await refusal(verifier(SIGNER), token) == said


@pytest.mark.parametrize("signer", [SIGNER, RSA], ids=["EC", "RSA"])
@pytest.mark.parametrize("form", ["pem", "der", "jwk", "x"])
async def test_a_public_key_is_no_secret_to_authenticate_with(signer: Signer, form: str) -> None:
    public_key = signer.private.public_key()
    secret = {
        "pem": public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "jwk": json.dumps(signer.jwk()).encode(),
        "x": str(signer.jwk().get("x") or signer.jwk()["n"]).encode(),
    }[form]
    signed = f"{part({'alg': 'HS256', 'kid': 'key-1'})}.{part(good_claims())}"
    mac = HMAC(secret, SHA256())
    mac.update(signed.encode())
    token = f"{signed}.{encode(mac.finalize())}"
    assert await refusal(verifier(signer), token) == NOT_ALLOWED


@pytest.mark.parametrize("signer", [SIGNER, RSA, Signer.of("EdDSA")], ids=["EC", "RSA", "OKP"])
async def test_an_algorithm_of_another_kind_of_key_is_refused(signer: Signer) -> None:
    fitting = {name for name in ALGORITHMS if signer.key.fits(name)}
    for name in sorted(set(ALGORITHMS) - fitting):
        said = await refusal(verifier(signer), mint(signer, header={"alg": name}))
        assert said == "the algorithm of the token is not that of its key"


async def test_a_key_that_says_its_algorithm_verifies_no_other(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(jwk_set(RSA.jwk(alg="RS256")))
    checked = TokenVerifier(
        issuer="i", audiences=["a"], keys=KeyFile(file), clock=lambda: 0, algorithms=ALGORITHMS
    )
    claims = {"iss": "i", "aud": "a", "exp": 1}
    assert (await checked.verify(mint(RSA, claims))).subject == ""
    other = Signer(algorithm="PS256", private=RSA.private)
    said = "the algorithm of the token is not that of its key"
    assert await refusal(checked, mint(other, claims)) == said


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../etc/passwd",
        "/etc/passwd",
        "file:///etc/passwd",
        "http://127.0.0.1:1/keys",
        "key-1\x00",
        "KEY-1",
        " key-1",
        "",
        "k" * 8000,
        "' OR 1=1 --",
        "\ud83d\ude00",
    ],
)
async def test_the_name_of_a_key_is_only_ever_looked_up(kid: str, tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(jwk_set(SIGNER.jwk()))
    checked = TokenVerifier(issuer="i", audiences=["a"], keys=KeyFile(file), clock=lambda: 0)
    token = mint(SIGNER, {"iss": "i", "aud": "a", "exp": 1}, {"kid": kid})
    said = "the token is signed with a key that is not trusted"
    assert await refusal(checked, token) == said


@pytest.mark.parametrize("kid", [None, 7, ["key-1"], {"kid": "key-1"}, True])
async def test_a_name_of_a_key_that_is_no_text_is_refused(kid: object) -> None:
    said = "the token does not say which key it is signed with"
    assert await refusal(verifier(SIGNER), mint(SIGNER, header={"kid": kid})) == said


async def test_addresses_of_keys_in_a_token_change_nothing() -> None:
    forger = Signer(kid="forged")
    links = {"jku": "http://127.0.0.1:1/jwks", "x5u": "http://127.0.0.1:1/pem"}
    said = "the token is signed with a key that is not trusted"
    assert await refusal(verifier(SIGNER), mint(forger, header=links)) == said
    assert (await verifier(SIGNER).verify(mint(SIGNER, header=links))).subject == "ann"


async def test_certificates_in_a_token_count_for_nothing_without_roots() -> None:
    forger = Signer()
    token = mint(forger, header={"x5c": ["AAAA"]})
    assert await refusal(verifier(SIGNER), token) == "the signature of the token is wrong"


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
        {"crit": ["b64"], "b64": False},
        {"b64": False},
        {"crit": "x", "x": 1},
    ],
)
async def test_extensions_of_the_signature_are_refused(header: dict[str, object]) -> None:
    said = "the token asks for extensions that nobody here knows"
    assert await refusal(verifier(SIGNER), mint(SIGNER, header=header)) == said


@pytest.mark.parametrize(
    "jwk", ["key-1", ["key-1"], 7, None, {}, {"kid": 7}, {"kid": {"kid": "key-1"}}]
)
async def test_a_malformed_key_in_the_header_is_refused(jwk: object) -> None:
    said = await refusal(verifier(SIGNER), mint(SIGNER, header={"jwk": jwk}))
    assert said in {
        "the key in the header of the token is malformed",
        "the token does not say which key it is signed with",
    }


DEEP = b'{"sub":' + b"[" * 5000 + b"]" * 5000 + b"}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (DEEP, "nested more than 16 deep"),
        (b'{"sub":' + b'{"a":' * 1000 + b"1" + b"}" * 1001, "nested more than 16 deep"),
        (b"[" * 9000, "nested more than 16 deep"),
        (b'{"sub":"ann","sub":"root"}', "a member occurs twice"),
        (b'{"sub":"ann","\\u0073ub":"root"}', "a member occurs twice"),
        (b'{"a":{"b":1,"b":2}}', "a member occurs twice"),
        (b'{"sub":"\xff"}', "not UTF-8"),
        ('{"sub":"ann"}'.encode("utf-16"), "not UTF-8"),
        ('{"sub":"ann"}'.encode("utf-16-le"), "not JSON"),
        (b'\xef\xbb\xbf{"sub":"ann"}', "not JSON"),
        (b'{"sub":"\\ud800"}', "a text that is no Unicode"),
        (b'{"exp":NaN}', "a number that JSON does not have"),
        (b'{"exp":-Infinity}', "a number that JSON does not have"),
        (b'{"exp":' + b"9" * 5000 + b"}", "a number that is too long"),
        (b'["ann"]', "not a JSON object"),
        (b"7", "not a JSON object"),
        (b'{"sub":"ann"} {}', "not JSON"),
        (b'{"sub":"ann"', "not JSON"),
    ],
)
async def test_a_part_that_is_no_plain_object_is_refused(content: bytes, said: str) -> None:
    checked = verifier(SIGNER)
    assert await refusal(checked, mint(SIGNER, content)) == f"the claims of the token: {said}"
    assert await refusal(checked, mint(SIGNER, None, content)) == f"the header of the token: {said}"


async def test_a_text_full_of_brackets_and_quotes_is_read() -> None:
    claims = good_claims(note='[{"' * 40 + '\\"[[[' + "\\" * 7)
    assert (await verifier(SIGNER).verify(mint(SIGNER, claims))).subject == "ann"


@pytest.mark.parametrize(
    "token",
    [
        ".",
        "..",
        "a.b",
        "a.b.c.d",
        "e30.e30.e30.e30.e30",
        "e30.e30.",
        "e30..e30",
        " e30.e30.e30",
        "e30.e30.e30\n",
        "e30=.e30.e30",
        "e3+.e30.e30",
        "e3é.e30.e30",
        "\x00",
    ],
)
async def test_what_is_not_of_the_form_is_refused(token: str) -> None:
    assert await refusal(verifier(SIGNER), token) == "not a signed token of three parts"


async def test_no_token_at_all_is_refused() -> None:
    with pytest.raises(CredentialsInvalid, match="not a signed token of three parts"):
        await verifier(SIGNER).verify("")


async def test_each_part_has_one_spelling_only() -> None:
    head, claims, signature = mint(SIGNER).split(".")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same = signature[:-1] + letters[letters.index(signature[-1]) + 1]
    said = "the signature of the token is no base64url"
    assert await refusal(verifier(SIGNER), f"{head}.{claims}.{same}") == said
    assert await refusal(verifier(SIGNER), f"{head}.{claims}.A") == said


async def test_a_token_over_the_limit_is_refused_before_it_is_read() -> None:
    token = mint(SIGNER, good_claims(note="n" * MAX_TOKEN_CHARACTERS))
    said = "the token has more than 16384 characters"
    assert await refusal(verifier(SIGNER), token) == said


@pytest.mark.parametrize("content", [b'"' * 12000, b'"\\' * 6000, b'{"a":"' + b"\\" * 11999])
async def test_no_text_takes_long_to_refuse(content: bytes) -> None:
    started = time.perf_counter()
    await refusal(verifier(SIGNER), mint(SIGNER, content))
    assert time.perf_counter() - started < 0.2


TEXT = st.text("ab.\x00é", max_size=8)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    header=st.dictionaries(
        st.sampled_from(["alg", "kid", "jwk", "x5c", "crit", "typ", "zip", "enc"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | TEXT | st.sampled_from(["ES256"]),
            lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
            max_leaves=5,
        ),
    ),
    claims=st.dictionaries(st.sampled_from(["iss", "aud", "exp", "nbf", "sub"]), st.integers()),
)
async def test_whatever_a_token_says_it_is_refused_and_nothing_else_happens(
    header: dict[str, object], claims: dict[str, object]
) -> None:
    token = f"{part(header)}.{part(claims)}.AAAA"
    checked = TokenVerifier(issuer="i", audiences=["a"], keys=FixedKeys(SIGNER))
    with pytest.raises(CredentialsInvalid):
        await checked.verify(token)
