"""Digests: values, running digests, and streams that are verified while they are read."""

import hashlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.digest import (
    EMPTY_DIGESTS,
    EMPTY_TAR_DIGESTS,
    SHA256,
    SHA384,
    SHA512,
    Algorithm,
    Digest,
    Digester,
    get_algorithm,
    verified,
)
from core.errors import (
    ArchiveInvalid,
    ArchiveTruncated,
    DigestInvalid,
    DigestMismatch,
    DigestUnsupported,
    SizeInvalid,
)

__all__: list[str] = []

ALGORITHMS = [SHA256, SHA384, SHA512]
LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}


# Values.


@pytest.mark.parametrize(("name", "length"), LENGTHS.items())
def test_a_digest_reads_as_it_was_written(name: str, length: int) -> None:
    text = f"{name}:{'0123456789abcdef' * (length // 16)}"
    digest = Digest.parse(text)
    assert str(digest) == text
    assert digest.algorithm.name == name
    assert digest.encoded == text.partition(":")[2]


def test_digests_are_equal_when_they_are_written_alike() -> None:
    text = f"sha256:{'a' * 64}"
    assert Digest.parse(text) == Digest.parse(text)
    assert len({Digest.parse(text), Digest.parse(text)}) == 1
    assert Digest.parse(text) != Digest.parse(f"sha256:{'b' * 64}")
    assert Digest.of(b"", SHA256) != Digest.of(b"", SHA512)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "sha256",
        "sha256:",
        f":{'a' * 64}",
        "a" * 64,
        f"sha256:{'a' * 63}",
        f"sha256:{'a' * 65}",
        f"sha256:{'a' * 128}",
        f"sha384:{'a' * 64}",
        f"sha512:{'a' * 64}",
        f"sha256:{'A' * 64}",
        f"sha256:{'g' * 64}",
        f"sha256:{'a' * 64}\n",
        f" sha256:{'a' * 64}",
        f"sha256:{'a' * 63}:",
        f"sha256:{'a' * 61}/..",
        f"sha256:{'１' * 64}",
    ],
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(DigestInvalid) as caught:
        Digest.parse(text)
    assert caught.value.detail["digest"] == text
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("name", ["md5", "sha1", "SHA256", "sha256+b64", "tarsum.v2+sha256", " "])
def test_an_unknown_algorithm_is_unsupported(name: str) -> None:
    text = f"{name}:{'a' * 64}"
    with pytest.raises(DigestUnsupported, match="known are sha256, sha384, sha512") as caught:
        Digest.parse(text)
    assert caught.value.detail["digest"] == text


def test_an_algorithm_is_found_by_its_name() -> None:
    assert [get_algorithm(name) for name in LENGTHS] == ALGORITHMS
    with pytest.raises(DigestUnsupported):
        get_algorithm("md5")


# FIPS 180-4, and what sha256sum and sha512sum print for no input and for two blocks of zeros.
EMPTY = {
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    (
        "sha384:38b060a751ac96384cd9327eb1b1e36a21fdb71114be0743"
        "4c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b"
    ),
    (
        "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
        "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
    ),
}
EMPTY_TAR = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"


def test_the_digests_of_nothing_are_the_well_known_ones() -> None:
    assert {str(digest) for digest in EMPTY_DIGESTS} == EMPTY


def test_the_digests_of_an_empty_archive_are_the_well_known_ones() -> None:
    assert EMPTY_TAR in {str(digest) for digest in EMPTY_TAR_DIGESTS}
    assert {digest.algorithm for digest in EMPTY_TAR_DIGESTS} == set(ALGORITHMS)


def test_the_digest_of_a_known_text_is_the_known_one() -> None:
    known = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert str(Digest.of(b"abc")) == known


# Running digests.


@given(chunks=st.lists(st.binary(max_size=200)), algorithm=st.sampled_from(ALGORITHMS))
def test_a_running_digest_does_not_depend_on_the_chunks(
    chunks: list[bytes], algorithm: Algorithm
) -> None:
    content = b"".join(chunks)
    digester = Digester(algorithm)
    for chunk in chunks:
        digester.update(chunk)
    expected = hashlib.new(algorithm.name, content).hexdigest()
    assert str(digester.digest()) == f"{algorithm.name}:{expected}"
    assert digester.digest() == Digest.of(content, algorithm)
    assert digester.size == len(content)


@given(content=st.binary(max_size=200))
def test_a_running_digest_takes_any_kind_of_bytes(content: bytes) -> None:
    digester = Digester()
    digester.update(bytearray(content))
    digester.update(memoryview(content))
    assert digester.digest() == Digest.of(content + content)


def test_a_digest_can_be_taken_midway() -> None:
    digester = Digester()
    digester.update(b"a")
    assert digester.digest() == Digest.of(b"a")
    digester.update(b"b")
    assert digester.digest() == Digest.of(b"ab")


# Verified streams.


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def test_a_verified_stream_is_the_stream() -> None:
    chunks = [b"ab", b"", b"c"]
    yielded = [chunk async for chunk in verified(stream(*chunks), Digest.of(b"abc"), 3)]
    assert yielded == chunks


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_stream_is_verified_by_the_algorithm_of_its_digest(algorithm: Algorithm) -> None:
    digest = Digest.of(b"abc", algorithm)
    assert [chunk async for chunk in verified(stream(b"abc"), digest)] == [b"abc"]


async def test_a_stream_of_nothing_is_verified_too() -> None:
    assert [chunk async for chunk in verified(stream(), Digest.of(b""), 0)] == []
    with pytest.raises(DigestMismatch):
        assert [chunk async for chunk in verified(stream(), Digest.of(b"a"))] == []


async def test_a_stream_with_another_digest_does_not_end() -> None:
    yielded = []
    with pytest.raises(DigestMismatch) as caught:
        async for chunk in verified(stream(b"abc", b"x"), Digest.of(b"abcd"), 4):
            yielded.append(chunk)  # noqa: PERF401 - the list is wanted although it raises
    assert yielded == [b"abc", b"x"]
    assert caught.value.detail["expected"] == str(Digest.of(b"abcd"))
    assert caught.value.detail["actual"] == str(Digest.of(b"abcx"))


async def test_a_stream_that_is_too_short_does_not_end() -> None:
    with pytest.raises(SizeInvalid) as caught:
        async for _ in verified(stream(b"abc"), Digest.of(b"abc"), 4):
            pass
    assert (caught.value.detail["expected"], caught.value.detail["actual"]) == (4, 3)


async def test_a_stream_that_is_too_long_stops_before_the_chunk_that_is_too_many() -> None:
    yielded = []
    with pytest.raises(SizeInvalid):
        async for chunk in verified(stream(b"ab", b"cd", b"ef"), Digest.of(b"abc"), 3):
            yielded.append(chunk)  # noqa: PERF401 - the list is wanted although it raises
    assert yielded == [b"ab"]


# Tarsums.

TARSUM = "tarsum.v1+sha256"
EMPTY_TARSUM = f"{TARSUM}:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("version", ["tarsum", "tarsum.v1"])
@pytest.mark.parametrize("name", ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"])
def test_a_tarsum_reads_as_it_was_written(version: str, name: str) -> None:
    text = f"{version}+{name}:{hashlib.new(name).hexdigest()}"
    digest = Digest.parse(text)
    assert str(digest) == text
    assert digest.algorithm.name == f"{version}+{name}"
    assert digest == Digest.of(bytes(1024), digest.algorithm) == Digest.of(b"", digest.algorithm)
    assert not digest.algorithm.names_bytes


def test_tarsum_dev_is_unsupported_and_the_reason_is_told() -> None:
    with pytest.raises(DigestUnsupported, match="for development"):
        Digest.parse(f"tarsum.dev+sha256:{'a' * 64}")


@pytest.mark.parametrize("text", [f"{TARSUM}:{'a' * 63}", f"{TARSUM}:{'A' * 64}", f"{TARSUM}:"])
def test_a_tarsum_that_is_not_one_is_refused(text: str) -> None:
    with pytest.raises(DigestInvalid):
        Digest.parse(text)


def test_a_digester_of_a_tarsum_tells_the_digest_of_the_bytes_too() -> None:
    expected = Digest.parse(EMPTY_TARSUM)
    digester = Digester(expected.algorithm)
    digester.update(bytes(512))
    digester.update(bytes(1000))
    assert digester.check(expected) == Digest.of(bytes(1512))
    assert digester.state() is None


def test_what_has_another_tarsum_or_none_is_no_match() -> None:
    expected = Digest.parse(f"{TARSUM}:{'a' * 64}")
    for content, kind in [
        (bytes(1024), DigestMismatch),
        (b"x" * 512, ArchiveInvalid),
        (b"x", ArchiveTruncated),
    ]:
        digester = Digester(expected.algorithm)
        digester.update(content)
        with pytest.raises(DigestInvalid) as caught:
            digester.check(expected)
        assert type(caught.value) is kind
        assert caught.value.detail["digest"] == str(expected)
