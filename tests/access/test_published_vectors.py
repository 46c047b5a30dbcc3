"""Keys, names and signatures that others have published are what they are here."""

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from core.access.tokens import VerificationKey, libtrust_fingerprint, parse_key_set
from core.access.tokens.compact import parse_compact
from tests.access.minting import jwk_set

__all__: list[str] = []

VECTORS = Path(__file__).parents[2].parent / "shared" / "vectors" / "schema1"


def key_of(**jwk: object) -> VerificationKey:
    ((key,),) = parse_key_set(jwk_set({"kid": "k", **jwk})).values()
    return key


def test_the_example_of_es256_is_verified() -> None:
    # RFC 7515, appendix A.3.
    key = key_of(
        kty="EC",
        crv="P-256",
        x="f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        y="x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    )
    token = parse_compact(
        "eyJhbGciOiJFUzI1NiJ9"
        ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
        "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
        ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA"
        "pmWQxfKTUJqPP3-Kg6NU1Q"
    )
    assert token.header == {"alg": "ES256"}
    assert token.claims["iss"] == "joe"
    assert key.verifies("ES256", token.signed, token.signature)
    assert not key.verifies("ES256", token.signed + b"A", token.signature)


def test_the_example_of_eddsa_is_verified() -> None:
    # RFC 8037, appendices A.3 and A.4.
    key = key_of(kty="OKP", crv="Ed25519", x="11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
    assert key.thumbprint() == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    signature = base64.urlsafe_b64decode(
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg=="
    )
    assert key.verifies("EdDSA", signed, signature)


def test_the_example_of_a_thumbprint_is_made() -> None:
    # RFC 7638, section 3.1.
    key = key_of(
        kty="RSA",
        e="AQAB",
        n="0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc"
        "_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0"
        "_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhA"
        "I4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    )
    assert key.thumbprint() == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.skipif(not VECTORS.is_dir(), reason="the vectors are not here")
@pytest.mark.parametrize("name", ["rs256.json", "es256.json", "es384.json"])
def test_a_fingerprint_is_that_of_libtrust(name: str) -> None:
    document = json.loads((VECTORS / name).read_bytes())
    jwk = document["signatures"][0]["header"]["jwk"]
    key = key_of(**{**jwk, "kid": "k"}).public.public_key
    assert isinstance(key, EllipticCurvePublicKey | RSAPublicKey)
    assert libtrust_fingerprint(key) == jwk["kid"]
