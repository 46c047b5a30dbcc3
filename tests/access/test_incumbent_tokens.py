"""The same tokens, shown to the incumbent and to us: what one believes, the other does."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from core.access import CredentialsInvalid
from core.access.tokens import RootCertificates, TokenVerifier, libtrust_fingerprint, parse_access
from tests.access.minting import (
    AUDIENCE,
    ISSUER,
    Authority,
    Signer,
    encode,
    good_claims,
    mint,
    pem,
    x5c,
)
from tests.servers.process import can_connect, running_process
from tests.service.running import clean_environment, free_port

__all__: list[str] = []

pytestmark = [pytest.mark.needs("docker-registry"), pytest.mark.clients]

NOW = time.time()
ROOT = Authority.root(now=NOW)
FOREIGN = Authority.root(now=NOW)
KID = libtrust_fingerprint(ROOT.certificate.public_key())  # type: ignore[arg-type]
SIGNER = Signer(kid=KID, private=ROOT.private)  # type: ignore[arg-type]
OTHER = Signer()
LEAF = ROOT.issue("leaf", OTHER.private.public_key(), now=NOW)
BELOW = ROOT.below("below", now=NOW)


def claims(*, nbf: int | None = -1, exp: int | None = 600, **others: object) -> dict[str, object]:
    """Return good claims; `nbf` and `exp` in seconds from now."""
    now = int(time.time())
    times = {name: at and now + at for name, at in (("nbf", nbf), ("exp", exp))}
    return good_claims(**{"iat": now, **times, **others})


def without_signature() -> str:
    head = json.dumps({"alg": "none", "typ": "JWT", "kid": KID}).encode()
    return f"{encode(head)}.{encode(json.dumps(claims()).encode())}.{encode(b'x')}"


def by_chain(*chain: object, signer: Signer = OTHER) -> str:
    return mint(signer, claims(), {"kid": None, "x5c": list(chain)})


BELIEVED: dict[str, Callable[[], str]] = {
    "by the name of a root": lambda: mint(SIGNER, claims()),
    "by a key in the header": lambda: mint(SIGNER, claims(), {"kid": None, "jwk": SIGNER.jwk()}),
    "by a chain": lambda: by_chain(*x5c(LEAF)),
    "by a chain of three": lambda: by_chain(
        *x5c(BELOW.issue("leaf", OTHER.private.public_key(), now=NOW), BELOW.certificate)
    ),
    "by a root itself": lambda: by_chain(*x5c(ROOT.certificate), signer=SIGNER),
    "expired within the leeway": lambda: mint(SIGNER, claims(exp=-5)),
    "early within the leeway": lambda: mint(SIGNER, claims(nbf=50)),
    "without a beginning": lambda: mint(SIGNER, claims(nbf=None, iat=None)),
    "of nobody": lambda: mint(SIGNER, claims(sub="")),
    "without access": lambda: mint(SIGNER, claims(access=None)),
    "with access to null": lambda: mint(
        SIGNER, claims(access=[{"type": "repository", "name": "a", "actions": None}])
    ),
}
REFUSED: dict[str, Callable[[], str]] = {
    "expired": lambda: mint(SIGNER, claims(exp=-120)),
    "early": lambda: mint(SIGNER, claims(nbf=300)),
    "for ever": lambda: mint(SIGNER, claims(exp=None)),
    "of another issuer": lambda: mint(SIGNER, claims(iss="https://evil.example.com")),
    "for another audience": lambda: mint(SIGNER, claims(aud="other")),
    "by a key nobody knows": lambda: mint(OTHER, claims()),
    "by a key that another names itself after": lambda: mint(Signer(kid=KID), claims()),
    "by a key in the header that nobody knows": lambda: mint(
        OTHER, claims(), {"jwk": {**OTHER.jwk(), "kid": KID}}
    ),
    "without a signature": without_signature,
    "by a foreign chain": lambda: by_chain(
        *x5c(FOREIGN.issue("leaf", OTHER.private.public_key(), now=NOW))
    ),
    "by an expired certificate": lambda: by_chain(
        *x5c(ROOT.issue("leaf", OTHER.private.public_key(), now=NOW, days=(-3, -2)))
    ),
    "by one who may not vouch": lambda: by_chain(
        *x5c(
            Authority(certificate=LEAF, private=OTHER.private).issue(
                "below", OTHER.private.public_key(), now=NOW
            ),
            LEAF,
        )
    ),
    "in two parts": lambda: mint(SIGNER, claims()).rpartition(".")[0],
    "with an access claim that is none": lambda: mint(SIGNER, claims(access="all")),
    "with claims that are none": lambda: mint(SIGNER, b"[]"),
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("roots") / "roots.pem"
    path.write_bytes(pem(ROOT.certificate))
    return path


@pytest.fixture(scope="module")
def incumbent(bundle: Path) -> Iterator[str]:
    """The address of an incumbent that trusts the root."""
    port = free_port()
    settings = bundle.with_name("config.yml")
    token = {"realm": "r", "issuer": ISSUER, "service": AUDIENCE, "rootcertbundle": str(bundle)}
    settings.write_text(
        json.dumps(
            {
                "version": 0.1,
                "storage": {"filesystem": {"rootdirectory": str(bundle.parent / "store")}},
                "http": {"addr": f"127.0.0.1:{port}", "secret": "s"},
                "auth": {"token": token},
            }
        )
    )
    with running_process(
        ["docker-registry", "serve", str(settings)],
        is_ready=lambda: can_connect(port),
        log=bundle.with_name("log"),
        env=clean_environment(),
    ):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def verifier(bundle: Path) -> TokenVerifier:
    roots = RootCertificates(bundle)
    return TokenVerifier(issuer=ISSUER, audiences=[AUDIENCE], keys=roots, roots=roots)


def asked(address: str, token: str) -> int:
    with httpx.Client(trust_env=False) as client:
        answer = client.get(f"{address}/v2/", headers={"authorization": f"Bearer {token}"})
    return answer.status_code


@pytest.mark.parametrize("token", BELIEVED.values(), ids=BELIEVED.keys())
async def test_a_token_that_the_incumbent_believes_is_believed(
    incumbent: str, verifier: TokenVerifier, token: Callable[[], str]
) -> None:
    assert asked(incumbent, token()) == 200
    verified = await verifier.verify(token())
    assert parse_access(verified.claims) is not None


@pytest.mark.parametrize("token", REFUSED.values(), ids=REFUSED.keys())
async def test_a_token_that_the_incumbent_refuses_is_refused(
    incumbent: str, verifier: TokenVerifier, token: Callable[[], str]
) -> None:
    assert asked(incumbent, token()) == 401
    with pytest.raises(CredentialsInvalid):
        parse_access((await verifier.verify(token())).claims)
