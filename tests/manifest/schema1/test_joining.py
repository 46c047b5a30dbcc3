"""How a document is written whose payload and signatures are kept apart."""

import pytest

from core.manifest.schema1 import PrivateKey, join, split
from tests.manifest.schema1.signing import ES, RS, Key, image, sign

__all__: list[str] = []


def test_members_of_a_key_and_signatures_of_one_key_are_sorted() -> None:
    payload = image()
    jwk = dict(reversed(ES.jwk.items()))
    unsorted = sign(payload, ES, header={"jwk": jwk})
    assert list(split(unsorted).faults()) == []
    found = split(unsorted)
    assert list(found.signatures[0].entry()["header"]["jwk"]) == sorted(jwk)  # type: ignore[index]
    two = [split(sign(payload, ES)).signatures[0] for _ in range(2)]
    sorted_by_text = sorted(two, key=lambda one: one.signature)
    for order in (two, two[::-1]):
        assert list(split(join(payload, order)).signatures) == sorted_by_text


@pytest.mark.parametrize(
    "payload",
    [
        image(3).replace(b"\n", b"\r\n"),
        image(3).replace(b"{\n", b"{ \n", 1),
        image(65),
    ],
    ids=["CRLF", "not at once", "deep"],
)
def test_what_is_not_taken_for_an_indent_makes_compact_signatures(payload: bytes) -> None:
    signature = PrivateKey(ES.private).sign(payload)
    document = join(payload, [signature])
    shown = payload[: signature.format_length]
    assert document.startswith(shown + b',"signatures":[{"header":{"jwk":')
    assert document.endswith(b"}]}")
    assert split(document).payload == payload
    assert list(split(document).faults()) == []


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(ES, "ES256"), (Key("EC", 384), "ES384"), (Key("EC", 512), "ES512"), (RS, "RS256")],
)
def test_the_registry_signs_as_libtrust_does_with_such_a_key(key: Key, algorithm: str) -> None:
    payload = image()
    for content in (payload, payload + b"\n \t"):
        signature = PrivateKey(key.private).sign(content)
        assert signature.algorithm == algorithm
        assert signature.format_tail == content[len(payload) - 2 :]
        assert signature.key.key_id == key.kid
        assert signature.entry()["header"] == {"jwk": key.jwk, "alg": algorithm}
        signature.check(content, "signature")
