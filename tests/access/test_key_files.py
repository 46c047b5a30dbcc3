"""Files of keys: what is taken from them, and what happens when they change."""

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from joserfc.jwk import ECKey, OKPKey
from structlog.typing import EventDict

from core.access.tokens import JoinedKeys, KeyFile, RootCertificates, parse_key_set
from core.access.tokens.watched_file import WatchedFile
from core.errors import AccessUnavailable
from tests.access.minting import NOW, Authority, Signer, encode, jwk_set, pem

__all__: list[str] = []

SIGNER = Signer()


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_set_has_the_keys_that_verify_something() -> None:
    rsa_signer = Signer.of("RS256", "key-2")
    octets = {"kty": "oct", "k": "c2VjcmV0", "kid": "secret", "alg": "HS256"}
    exchange = OKPKey.import_key(x25519.X25519PrivateKey.generate().public_key()).as_dict()
    numbers = rsa.generate_private_key(65537, 1024).public_key().public_numbers()  # noqa: S505
    weak = {"kty": "RSA", "e": "AQAB", "n": encode(numbers.n.to_bytes(128))}
    slow = {"kty": "RSA", "e": "AQAB", "n": encode((2**9000 + 1).to_bytes(1126))}
    other_curve = ECKey.import_key(ec.generate_private_key(ec.SECP256K1()).public_key()).as_dict()
    content = jwk_set(
        SIGNER.jwk(use="sig", key_ops=["verify"], x5t="whatever"),
        rsa_signer.jwk(alg="RS256"),
        octets,
        {**exchange, "kid": "exchange"},
        {**weak, "kid": "weak"},
        {**slow, "kid": "slow"},
        {**other_curve, "kid": "other curve"},
        SIGNER.jwk(kid="enc", use="enc"),
        SIGNER.jwk(kid="ops", key_ops=["deriveKey"]),
        SIGNER.jwk(kid="alg", alg="HS256"),
        SIGNER.jwk(kid="off", y=SIGNER.jwk()["x"]),
        SIGNER.jwk(kid="short", x="AA"),
        SIGNER.jwk(kid="empty", x=""),
        SIGNER.jwk(kid="list", x=["AA"]),
        SIGNER.jwk(kid=7),
        {"kty": "PQ", "kid": "future"},
        {},
    )
    assert set(parse_key_set(content)) == {"key-1", "key-2"}


def test_of_a_private_key_only_the_public_part_is_taken() -> None:
    assert isinstance(SIGNER.private, ec.EllipticCurvePrivateKey)
    private = ECKey.import_key(SIGNER.private).as_dict(private=True)
    assert "d" in private
    (key,) = parse_key_set(jwk_set({**private, "kid": "k", "key_ops": ["sign"]}))["k"]
    assert not key.public.is_private
    assert key.verifies("ES256", b"content", SIGNER.sign(b"content"))


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b'{"keys":{}}', b'{"keys":[]}', b'{"keys":[{"kty":"oct","k":"AAAA"}]}'],
)
def test_a_set_without_a_key_of_use_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|JWK Set"):
        parse_key_set(content)


def test_a_set_has_a_largest_number_of_keys() -> None:
    with pytest.raises(ValueError, match="at most 256"):
        parse_key_set(jwk_set(*[SIGNER.jwk()] * 257))


def test_few_keys_may_share_a_name() -> None:
    assert len(parse_key_set(jwk_set(*[SIGNER.jwk()] * 8))["key-1"]) == 8
    with pytest.raises(ValueError, match="more than 8 keys have one kid"):
        parse_key_set(jwk_set(*[SIGNER.jwk()] * 9))


async def test_a_file_is_read_again_within_a_second_of_its_change(tmp_path: Path) -> None:
    path, clock, read = tmp_path / "file", Clock(), []

    def parse(content: bytes) -> bytes:
        read.append(content)
        return content

    file = WatchedFile(path, parse, max_bytes=10, clock=clock)
    path.write_bytes(b"one")
    assert [await file.get(), await file.get()] == [b"one", b"one"]
    path.write_bytes(b"two")
    clock.seconds = 0.9
    assert (await file.get(), file.generation) == (b"one", 1)
    clock.seconds = 1.0
    assert (await file.get(), file.generation) == (b"two", 2)
    clock.seconds = 5.0
    assert await file.get() == b"two"
    assert read == [b"one", b"two"]


async def test_a_file_that_was_put_in_place_of_another_with_its_time_and_size_is_read(
    tmp_path: Path,
) -> None:
    path, clock = tmp_path / "file", Clock()
    file = WatchedFile(path, bytes, max_bytes=10, clock=clock)
    path.write_bytes(b"one")
    os.utime(path, (NOW, NOW))
    assert await file.get() == b"one"
    (tmp_path / "new").write_bytes(b"two")
    os.utime(tmp_path / "new", (NOW, NOW))
    (tmp_path / "new").replace(path)
    clock.seconds = 1
    assert await file.get() == b"two"


@pytest.mark.parametrize("fault", ["missing", "large", "faulty", "directory"])
async def test_what_was_read_stays_in_force_while_the_file_is_of_no_use(
    tmp_path: Path, fault: str, logs: list[EventDict]
) -> None:
    path, clock = tmp_path / "file", Clock()

    def parse(content: bytes) -> bytes:
        if content == b"fault":
            raise ValueError("it is faulty")
        return content

    file = WatchedFile(path, parse, max_bytes=10, clock=clock)
    path.write_bytes(b"one")
    assert await file.get() == b"one"
    path.unlink()
    if fault == "directory":
        path.mkdir()
    elif fault != "missing":
        path.write_bytes(b"fault" if fault == "faulty" else b"n" * 11)
    for clock.seconds in (1, 2, 3):
        assert await file.get() == b"one"
    assert [line["path"] for line in logs if "cannot be used" in line["event"]] == [str(path)]
    if fault == "directory":
        path.rmdir()
    path.write_bytes(b"two")
    clock.seconds = 4
    assert await file.get() == b"two"


async def test_a_file_that_was_never_of_use_is_a_fault_to_load_and_no_answer_later(
    tmp_path: Path,
) -> None:
    path = tmp_path / "jwks.json"
    for source in (KeyFile(path), RootCertificates(path)):
        with pytest.raises(ValueError, match=r"jwks\.json: No such file"):
            await source.load()
        with pytest.raises(AccessUnavailable):
            await source.find("key-1")
        path.write_bytes(b"{}")
        with pytest.raises(ValueError, match=r"jwks\.json: "):
            await source.load()
        path.unlink()


async def test_a_key_that_was_taken_out_of_the_file_is_not_found_any_more(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(jwk_set(SIGNER.jwk(), Signer(kid="key-2").jwk()))
    source = KeyFile(path)
    await source.load()
    assert await source.find("key-1")
    before = source.generation
    path.write_bytes(jwk_set(Signer(kid="key-2").jwk()))
    await source.load()
    assert not await source.find("key-1")
    assert source.generation != before


async def test_joined_sources_find_what_one_of_them_has(tmp_path: Path) -> None:
    root = Authority.root()
    (tmp_path / "roots.pem").write_bytes(pem(root.certificate))
    (tmp_path / "jwks.json").write_bytes(jwk_set(SIGNER.jwk()))
    roots, file = RootCertificates(tmp_path / "roots.pem"), KeyFile(tmp_path / "jwks.json")
    joined = JoinedKeys([KeyFile(tmp_path / "none.json"), roots, file])
    name = Signer(private=root.private).key.thumbprint()  # type: ignore[arg-type]
    assert len(await joined.find(name)) == 1
    assert len(await joined.find("key-1")) == 1
    with pytest.raises(AccessUnavailable):
        await joined.find("key-9")
    assert await JoinedKeys([roots, file]).find("key-9") == []
    assert joined.generation == roots.generation + file.generation == 2
    await joined.aclose()
