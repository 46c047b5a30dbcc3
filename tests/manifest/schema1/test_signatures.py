"""Signed documents made here: what verifies, what does not, and what is said of it."""

import base64
import datetime as dt
import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ManifestInvalid, ManifestUnverified, RegistryError
from core.manifest.schema1 import PrivateKey, join, split
from core.manifest.schema1.signed_json import shown_faults
from tests.manifest.schema1.signing import ES, RS, Key, image, sign, unpadded

__all__: list[str] = []

SIGNED = sign(image())


def faults_of(document: bytes) -> list[RegistryError]:
    """Everything that is wrong with the signatures of a document."""
    try:
        signed = split(document)
    except (ManifestInvalid, ManifestUnverified) as error:
        return [error]
    return [*signed.faults(), *shown_faults(document, signed)]


def fault_of(document: bytes) -> tuple[type[RegistryError], object]:
    """The class of the one thing that is wrong, and its place."""
    [fault] = faults_of(document)
    return type(fault), fault.detail.get("field")


@pytest.mark.parametrize("kind", ["EC", "RSA"])
@pytest.mark.parametrize("bits", [256, 384, 512])
@pytest.mark.parametrize("indent", [3, "\t", None])
def test_what_a_key_of_any_kind_signed_is_verified_and_joined_as_it_was(
    kind: str, bits: int, indent: int | str | None
) -> None:
    key = Key("EC", bits) if kind == "EC" else Key("RSA", bits, RS.private)
    payload = image(indent)
    document = sign(payload, key)
    signed = split(document)
    assert faults_of(document) == []
    assert signed.payload == payload
    assert [one.key.key_id for one in signed.signatures] == [key.kid]
    assert join(signed.payload, signed.signatures) == document


def test_signatures_of_several_keys_are_sorted_by_the_names_of_their_keys() -> None:
    payload = image()
    document = sign(payload, ES, RS, Key("EC", 384))
    apart = [split(sign(payload, key)).signatures[0] for key in (ES, RS)]
    assert faults_of(document) == []
    assert join(payload, reversed(split(document).signatures)) == document
    joined = split(join(payload, apart))
    assert {one.key.key_id for one in joined.signatures} == {ES.kid, RS.kid}
    assert list(joined.faults()) == []


def certificate(key: Key) -> str:
    """A certificate long expired, signed by itself, in base64."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "signer")])
    day = dt.datetime(2014, 1, 1, tzinfo=dt.UTC)
    made = x509.CertificateBuilder(
        name, name, key.private.public_key(), 1, day, day + dt.timedelta(1)
    ).sign(key.private, hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()


def test_a_certificate_names_the_key_whatever_its_dates_say() -> None:
    document = sign(image(), ES, header={"x5c": [certificate(ES)]})
    assert faults_of(document) == []
    assert join(split(document).payload, split(document).signatures) == document


# The library warns of what it will refuse one day, such as a negative serial number.
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, 400), byte=st.integers(0, 255))
def test_a_certificate_with_any_other_byte_is_read_or_refused(place: int, byte: int) -> None:
    content = bytearray(base64.b64decode(certificate(ES)))
    content[place % len(content)] = byte
    faults_of(sign(image(), ES, header={"x5c": [base64.b64encode(content).decode()]}))


def test_a_certificate_of_an_unknown_version_is_refused() -> None:
    content = base64.b64decode(certificate(ES))
    changed = content.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07", 1)
    assert changed != content
    document = sign(image(), ES, header={"x5c": [base64.b64encode(changed).decode()]})
    assert fault_of(document) == (ManifestUnverified, "signatures[0].header.x5c[0]")


def test_a_huge_certificate_is_not_even_decoded() -> None:
    [fault] = faults_of(sign(image(), header={"x5c": ["A" * 65_540]}))
    assert fault.detail["field"] == "signatures[0].header.x5c[0]"
    assert "too long" in fault.message


def test_of_a_certificate_and_a_key_the_certificate_counts() -> None:
    document = sign(image(), ES, header={"x5c": [certificate(Key("EC"))]})
    assert fault_of(document) == (ManifestUnverified, "signatures[0].signature")


def _hmac_of_the_public_key() -> bytes:
    """What a verifier falls for that lets the document choose what its key is used for."""
    payload = image()
    pem = RS.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    protected = split(sign(payload, RS)).signatures[0].protected
    forged = hmac.digest(pem, f"{protected}.{unpadded(payload)}".encode(), hashlib.sha256)
    return sign(payload, RS, header={"alg": "HS256"}, entry={"signature": unpadded(forged)})


def _with_signatures(*documents: bytes) -> bytes:
    """The first document with the signatures of all of them."""
    entries = [entry for one in documents for entry in json.loads(one)["signatures"]]
    shown = documents[0][: documents[0].index(b'"signatures": ')]
    return shown + b'"signatures": ' + json.dumps(entries).encode() + b"}"


MALFORMED: dict[str, tuple[bytes, type[RegistryError], str | None]] = {
    "not JSON": (SIGNED[:-20], ManifestInvalid, None),
    "not an object": (b"[]", ManifestInvalid, None),
    "nothing": (b"", ManifestInvalid, None),
    "not UTF-8": (SIGNED.replace(b"amd64", b"amd\xff4"), ManifestInvalid, None),
    "nested deep": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, ManifestInvalid, None),
    "a member twice": (SIGNED.replace(b'"tag"', b'"name"'), ManifestInvalid, "name"),
    # Written again, it would be a word that is no JSON.
    "a number past all numbers": (
        sign(image(), header={"jwk": {**ES.jwk, "use": "?"}}).replace(b'"?"', b"-1e999"),
        ManifestInvalid,
        None,
    ),
    "signatures twice": (
        SIGNED.replace(b'"signatures"', b'"signatures": [],\n   "signatures"'),
        ManifestInvalid,
        "signatures",
    ),
    "unsigned": (image(), ManifestUnverified, "signatures"),
    "no signatures": (sign(image()).split(b"[", 3)[0], ManifestInvalid, None),
    "empty signatures": (image(signatures=[]), ManifestUnverified, "signatures"),
    "null signatures": (image(signatures=None), ManifestUnverified, "signatures"),
    "too many": (sign(image(), *[ES] * 33), ManifestUnverified, "signatures"),
    "none": (sign(image(), header={"alg": "none"}), ManifestUnverified, "signatures[0].header.alg"),
    "none of RSA": (
        sign(image(), RS, header={"alg": "none"}, entry={"signature": ""}),
        ManifestUnverified,
        "signatures[0].header.alg",
    ),
    "HMAC": (_hmac_of_the_public_key(), ManifestUnverified, "signatures[0].header.alg"),
    "another curve": (
        sign(image(), header={"alg": "ES384"}),
        ManifestUnverified,
        "signatures[0].header.alg",
    ),
    "RSA for a curve": (
        sign(image(), header={"alg": "RS256"}),
        ManifestUnverified,
        "signatures[0].header.alg",
    ),
    "kid of another": (
        sign(image(), header={"jwk": {**ES.jwk, "kid": RS.kid}}),
        ManifestUnverified,
        "signatures[0].header.jwk.kid",
    ),
    "key of another": (
        sign(image(), header={"jwk": Key("EC").jwk}),
        ManifestUnverified,
        "signatures[0].signature",
    ),
    "no key": (
        sign(image(), header={"jwk": {}}),
        ManifestUnverified,
        "signatures[0].header.jwk.kty",
    ),
    "private key": (
        sign(image(), header={"jwk": {**ES.jwk, "d": "AQ"}}),
        ManifestUnverified,
        "signatures[0].header.jwk",
    ),
    "point off the curve": (
        sign(image(), header={"jwk": {**ES.jwk, "x": unpadded(bytes(32))}}),
        ManifestUnverified,
        "signatures[0].header.jwk",
    ),
    "short coordinate": (
        sign(image(), header={"jwk": {**ES.jwk, "x": "AQ"}}),
        ManifestUnverified,
        "signatures[0].header.jwk.x",
    ),
    "huge modulus": (
        sign(image(), RS, header={"jwk": {**RS.jwk, "n": unpadded(b"\xff" * 3000)}}),
        ManifestUnverified,
        "signatures[0].header.jwk.n",
    ),
    "small modulus": (
        sign(image(), RS, header={"jwk": {"kty": "RSA", "e": "Aw", "n": unpadded(b"\xff" * 16)}}),
        ManifestUnverified,
        "signatures[0].header.jwk",
    ),
    "huge exponent": (
        sign(image(), RS, header={"jwk": {**RS.jwk, "e": unpadded((2**32 + 15).to_bytes(5))}}),
        ManifestUnverified,
        "signatures[0].header.jwk",
    ),
    "not a certificate": (
        sign(image(), header={"x5c": ["AAAA"]}),
        ManifestUnverified,
        "signatures[0].header.x5c[0]",
    ),
    "many certificates": (
        sign(image(), header={"x5c": ["AAAA"] * 11}),
        ManifestUnverified,
        "signatures[0].header.x5c",
    ),
    "junk in base64": (
        sign(image(), entry={"signature": "a!" * 43}),
        ManifestUnverified,
        "signatures[0].signature",
    ),
    "line break in base64": (
        sign(image(), entry={"signature": "aaaa\n" + "a" * 82}),
        ManifestUnverified,
        "signatures[0].signature",
    ),
    "other alphabet": (
        sign(image(), entry={"signature": "+" * 86}),
        ManifestUnverified,
        "signatures[0].signature",
    ),
    "too long": (
        sign(image(), entry={"signature": "a" * 90}),
        ManifestUnverified,
        "signatures[0].signature",
    ),
    "protected is no JSON": (
        sign(image(), entry={"protected": unpadded(b"{")}),
        ManifestUnverified,
        "signatures[0].protected",
    ),
    "protected has a member twice": (
        sign(image(), entry={"protected": unpadded(b'{"formatLength":1,"formatLength":2}')}),
        ManifestUnverified,
        "signatures[0].protected",
    ),
    "negative length": (
        sign(image(), protected={"formatLength": -1}),
        ManifestUnverified,
        "signatures[0].protected",
    ),
    "length beyond the end": (
        sign(image(), protected={"formatLength": 10**6}),
        ManifestUnverified,
        "signatures[0].protected",
    ),
    "infinite length": (
        sign(image(), entry={"protected": unpadded(b'{"formatLength":1e999,"formatTail":"fQ"}')}),
        ManifestUnverified,
        "signatures[0].protected",
    ),
    "length is text": (
        sign(image(), protected={"formatLength": "1"}),
        ManifestUnverified,
        "signatures[0].protected",
    ),
    "length is true": (
        sign(image(), protected={"formatLength": True}),
        ManifestUnverified,
        "signatures[0].protected",
    ),
    "empty tail": (
        sign(image(), protected={"formatTail": ""}),
        ManifestUnverified,
        "signatures[0].protected",
    ),
    "other length in the second": (
        _with_signatures(
            sign(image(), ES), sign(image(), RS, protected={"formatLength": len(image()) - 1})
        ),
        ManifestUnverified,
        "signatures[1].protected",
    ),
    "other tail in the second": (
        _with_signatures(sign(image(), ES), sign(image(), RS, protected={"formatTail": "fQ"})),
        ManifestUnverified,
        "signatures[1].protected",
    ),
    "payload in the tail": (
        sign(image(), protected={"formatLength": 0, "formatTail": unpadded(image())}),
        ManifestUnverified,
        None,
    ),
    "member in the tail": (
        # The cut stands in front of the last member, so that the document does not show it.
        sign(
            image(None),
            protected={
                "formatLength": (cut := image(None).index(b',"history"')),
                "formatTail": unpadded(image(None)[cut:]),
            },
        ).replace(image(None)[cut:-1], b""),
        ManifestUnverified,
        None,
    ),
    "unsigned member": (
        SIGNED.replace(b'"signatures"', b'"evil": 1,\n   "signatures"'),
        ManifestUnverified,
        "evil",
    ),
    "unsigned member at the end": (SIGNED[:-1] + b',"evil": 1}', ManifestUnverified, "evil"),
    "contradicting member": (
        SIGNED.replace(b'"signatures"', b'"tag": "2.0",\n   "signatures"'),
        ManifestInvalid,
        "tag",
    ),
}


@pytest.mark.parametrize("title", MALFORMED)
def test_a_bad_document_is_refused_and_its_fault_named(title: str) -> None:
    document, kind, field = MALFORMED[title]
    assert fault_of(document) == (kind, field)


def test_a_signature_has_one_spelling() -> None:
    good = split(SIGNED).signatures[0].signature
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # Of its last character four bits stand for nothing.
    other = good[:-1] + alphabet[alphabet.index(good[-1]) + 1]
    assert faults_of(SIGNED.replace(good.encode(), good.encode() + b"==")) == []
    for bad in (other, good + "=", good + "===", good[:40] + "==" + good[40:]):
        document = SIGNED.replace(good.encode(), bad.encode())
        assert fault_of(document) == (ManifestUnverified, "signatures[0].signature")


@pytest.mark.parametrize("place", [0, 32, 64])
def test_a_signature_has_one_length(place: int) -> None:
    good = split(SIGNED).signatures[0].signature
    content = base64.urlsafe_b64decode(good + "==")
    longer = unpadded(content[:place] + b"\0" + content[place:])
    document = SIGNED.replace(good.encode(), longer.encode())
    assert fault_of(document) == (ManifestUnverified, "signatures[0].signature")


def test_of_several_signatures_each_bad_one_is_named() -> None:
    document = json.loads(sign(image(), ES, RS, Key("EC", 384)))
    entries: list[Any] = document["signatures"]
    places = [1, 2]
    for place in places:
        text = entries[place]["signature"]
        entries[place]["signature"] = ("B" if text[0] == "A" else "A") + text[1:]
    text = json.dumps(entries).encode()
    body = sign(image(), ES, RS, Key("EC", 384))
    start = body.index(b'"signatures": ') + len(b'"signatures": ')
    found = faults_of(body[:start] + text + b"\n}")
    assert [fault.detail["field"] for fault in found] == [
        f"signatures[{place}].signature" for place in places
    ]


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, len(image()) - 3), byte=st.integers(0, 255))
def test_any_other_byte_inside_what_is_signed_and_verification_fails(place: int, byte: int) -> None:
    changed = bytearray(SIGNED)
    if changed[place] == byte:
        byte ^= 1
    changed[place] = byte
    assert faults_of(bytes(changed))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_stands_in_a_document_is_read_or_refused(data: st.DataObject) -> None:
    start, stop = sorted(data.draw(st.lists(st.integers(0, len(SIGNED)), min_size=2, max_size=2)))
    faults_of(SIGNED[:start] + data.draw(st.binary(max_size=20)) + SIGNED[stop:])


def test_the_costliest_document_takes_a_second_or_two() -> None:
    payload = image(history=[{"v1Compatibility": "x" * 4_000_000}])
    document = sign(payload, *[RS] * 32)
    started = time.process_time()
    assert faults_of(document) == []
    assert time.process_time() - started < 5


def test_a_key_signs_with_the_same_bytes_each_time_also_when_it_is_loaded_again() -> None:
    payload = image()
    for private in (ES.private, Key("EC", 512).private, RS.private):
        key = PrivateKey(private)
        document = join(payload, [key.sign(payload)])
        assert faults_of(document) == []
        assert split(document).payload == payload
        again = PrivateKey.load(key.dump())
        assert join(payload, [again.sign(payload)]) == document


@pytest.mark.parametrize("key", [ES, RS], ids=["EC", "RSA"])
def test_a_key_is_loaded_from_a_jwk_and_from_the_pem_of_libtrust(key: Key) -> None:
    pem = PrivateKey(key.private).dump()
    head, rest = pem.split(b"\n", 1)
    of_libtrust = head + b"\nkeyID: " + key.kid.encode() + b"\n\n" + rest
    numbers = key.private.private_numbers()
    secret = numbers.private_value if key.kind == "EC" else numbers.d
    size = 32 if key.kind == "EC" else 256
    jwk = json.dumps({**key.jwk, "d": unpadded(secret.to_bytes(size, "big"))}).encode()
    for content in (pem, of_libtrust, jwk):
        assert PrivateKey.load(content).public.key_id == key.kid


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n",
        json.dumps(ES.jwk).encode(),
        ec.generate_private_key(ec.SECP256K1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        ES.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        ),
    ],
    ids=["nothing", "empty", "junk", "public", "other curve", "encrypted"],
)
def test_a_file_that_holds_no_usable_key_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        PrivateKey.load(content)


def test_what_is_no_object_with_members_cannot_be_signed() -> None:
    for payload in (b"", b"[]", b"{}", b"{ }", b'{"a": 1,}', b'{"a": 1} x'):
        with pytest.raises(ManifestInvalid):
            PrivateKey(ES.private).sign(payload)
