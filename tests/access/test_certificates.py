"""Certificates in tokens: whom a root vouches for, and all the others."""

from base64 import b64encode
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from core.access.tokens import RootCertificates, TokenVerifier, libtrust_fingerprint
from tests.access.minting import AUDIENCE, ISSUER, NOW, Authority, Signer, mint, pem, x5c
from tests.access.test_verifying import FixedKeys, refusal

__all__: list[str] = []

ROOT = Authority.root()
SIGNER = Signer()
LEAF = ROOT.issue("signer", SIGNER.private.public_key())


def roots_of(directory: Path, *certificates: x509.Certificate) -> RootCertificates:
    file = directory / "roots.pem"
    file.write_bytes(pem(*certificates))
    return RootCertificates(file, clock=lambda: NOW)


def verifier(roots: RootCertificates) -> TokenVerifier:
    return TokenVerifier(
        issuer=ISSUER, audiences=[AUDIENCE], keys=roots, roots=roots, clock=lambda: NOW
    )


def with_chain(*certificates: x509.Certificate, signer: Signer = SIGNER) -> str:
    return mint(signer, header={"x5c": x5c(*certificates)})


async def test_a_chain_to_a_root_is_believed(tmp_path: Path) -> None:
    checked = verifier(roots_of(tmp_path, Authority.root("other").certificate, ROOT.certificate))
    assert (await checked.verify(with_chain(LEAF))).subject == "ann"
    below = ROOT.below("intermediate", cert_sign=True)
    leaf = below.issue("signer", SIGNER.private.public_key())
    assert (await checked.verify(with_chain(leaf, below.certificate))).subject == "ann"
    whole = with_chain(leaf, below.certificate, ROOT.certificate)
    assert (await checked.verify(whole)).subject == "ann"


@pytest.mark.parametrize("algorithm", ["ES384", "ES512", "RS256", "PS512", "EdDSA"])
async def test_a_chain_may_be_for_a_key_of_any_kind(tmp_path: Path, algorithm: str) -> None:
    signer = Signer.of(algorithm)
    leaf = ROOT.issue("signer", signer.private.public_key())
    checked = verifier(roots_of(tmp_path, ROOT.certificate))
    assert (await checked.verify(with_chain(leaf, signer=signer))).subject == "ann"


async def test_a_root_may_sign_tokens_itself_though_it_is_no_authority(tmp_path: Path) -> None:
    own = Authority.root("token server", ca=False)
    signer = Signer(private=own.private)  # type: ignore[arg-type]
    checked = verifier(roots_of(tmp_path, own.certificate))
    assert (await checked.verify(with_chain(own.certificate, signer=signer))).subject == "ann"


async def test_a_chain_in_the_key_of_the_header_is_believed_too(tmp_path: Path) -> None:
    checked = verifier(roots_of(tmp_path, ROOT.certificate))
    token = mint(SIGNER, header={"jwk": SIGNER.jwk(x5c=x5c(LEAF))})
    assert (await checked.verify(token)).subject == "ann"
    forger = Signer()
    token = mint(forger, header={"jwk": forger.jwk(x5c=x5c(LEAF))})
    assert await refusal(checked, token) == "the signature of the token is wrong"


@pytest.mark.parametrize(
    "chain",
    [
        # Of a foreign authority, which has the name of the root.
        [Authority.root().issue("signer", SIGNER.private.public_key())],
        # Signed by itself, and claiming to be the root.
        [Authority.root("root").certificate],
        # Not valid any more, and not yet.
        [ROOT.issue("signer", SIGNER.private.public_key(), days=(-2, -1))],
        [ROOT.issue("signer", SIGNER.private.public_key(), days=(1, 2))],
    ],
    ids=["foreign", "self-signed", "expired", "early"],
)
async def test_a_chain_that_no_root_vouches_for_is_refused(
    tmp_path: Path, chain: list[x509.Certificate]
) -> None:
    checked = verifier(roots_of(tmp_path, ROOT.certificate))
    said = await refusal(checked, with_chain(*chain))
    assert said.startswith("the certificates of the token: no root certificate vouches for it")


@pytest.mark.parametrize("fault", ["no authority", "unsaid", "other usage", "expired"])
async def test_who_may_not_sign_certificates_vouches_for_nobody(tmp_path: Path, fault: str) -> None:
    below = {
        "no authority": lambda: ROOT.below("below", ca=False),
        "unsaid": lambda: ROOT.below("below", constraints=False),
        "other usage": lambda: ROOT.below("below", cert_sign=False),
        "expired": lambda: ROOT.below("below", days=(-2, -1)),
    }[fault]()
    leaf = below.issue("signer", SIGNER.private.public_key())
    checked = verifier(roots_of(tmp_path, ROOT.certificate))
    said = await refusal(checked, with_chain(leaf, below.certificate))
    assert said.startswith("the certificates of the token: no root certificate vouches for it")


async def test_a_root_that_is_not_valid_now_vouches_for_nobody(tmp_path: Path) -> None:
    old = Authority.root("old", days=(-9, -8))
    leaf = old.issue("signer", SIGNER.private.public_key())
    checked = verifier(roots_of(tmp_path, old.certificate))
    assert "no root certificate vouches" in await refusal(checked, with_chain(leaf))
    signer = Signer(private=old.private)  # type: ignore[arg-type]
    said = await refusal(checked, with_chain(old.certificate, signer=signer))
    assert said == "the certificates of the token: the certificate is not valid now"


async def test_a_root_that_is_no_authority_vouches_only_for_itself(tmp_path: Path) -> None:
    own = Authority.root("token server", ca=False)
    leaf = own.issue("signer", SIGNER.private.public_key())
    checked = verifier(roots_of(tmp_path, own.certificate))
    assert "no root certificate vouches" in await refusal(checked, with_chain(leaf))


async def test_a_token_signed_by_another_than_its_certificate_says_is_refused(
    tmp_path: Path,
) -> None:
    checked = verifier(roots_of(tmp_path, ROOT.certificate))
    token = with_chain(LEAF, signer=Signer())
    assert await refusal(checked, token) == "the signature of the token is wrong"


@pytest.mark.parametrize(
    "chain", [[], ["AAAA"], ["!"], [""], ["é"], "AAAA", [7], {}, None, list(x5c(LEAF)) * 6]
)
async def test_what_is_no_chain_is_refused_whatever_the_key_is_named(
    tmp_path: Path, chain: object
) -> None:
    roots = roots_of(tmp_path, ROOT.certificate)
    checked = TokenVerifier(
        issuer=ISSUER,
        audiences=[AUDIENCE],
        keys=FixedKeys(SIGNER),
        roots=roots,
        clock=lambda: NOW,
    )
    assert "certificates" in await refusal(checked, mint(SIGNER, header={"x5c": chain}))


async def test_a_root_is_found_by_each_name_that_its_key_goes_by(tmp_path: Path) -> None:
    roots = roots_of(tmp_path, ROOT.certificate)
    signer = Signer(private=ROOT.private)  # type: ignore[arg-type]
    names = [
        signer.key.thumbprint(),
        libtrust_fingerprint(ROOT.certificate.public_key()),  # type: ignore[arg-type]
        # Distribution 3.0 names every key on P-256 so.
        "xx0BcA-wMohw8atYDJOe6peGModklG2wRHBlXHMvl0M",
    ]
    for name in names:
        token = mint(Signer(kid=name, private=signer.private))
        assert (await verifier(roots).verify(token)).subject == "ann"
        forged = mint(Signer(kid=name))
        assert await refusal(verifier(roots), forged) == "the signature of the token is wrong"


@pytest.mark.filterwarnings("ignore:Attribute's length", "ignore:Parsed a serial number")
async def test_a_certificate_with_any_byte_changed_is_refused_or_vouches_for_no_other_key(
    tmp_path: Path,
) -> None:
    roots = roots_of(tmp_path, ROOT.certificate)
    whole = LEAF.public_bytes(Encoding.DER)
    key = await roots.verify_chain([b64encode(whole).decode()])
    for place in range(len(whole)):
        for value in {0, 1, 3, 0x30, 0xFF} - {whole[place]}:
            chain = [b64encode(whole[:place] + bytes([value]) + whole[place + 1 :]).decode()]
            # How many bits of the last byte count is no part of what is signed.
            with suppress(ValueError):
                assert (await roots.verify_chain(chain)).thumbprint() == key.thumbprint()
