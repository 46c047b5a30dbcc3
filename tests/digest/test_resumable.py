"""Running hashes that go on in another process, in the form that Go's have."""

import hashlib
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.digest import SHA256, SHA384, SHA512, Algorithm, Digest, Digester
from core.digest import resumable as module

__all__: list[str] = []

ALGORITHMS = [SHA256, SHA384, SHA512]

# sha256 over the first bytes of 0, 1, 2, ...: what crypto/sha256 of Go marshals.
EMPTY_STATE = "736861036a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19" + 72 * "00"


def _state(digester: Digester) -> bytes:
    state = digester.state()
    assert state is not None, "no SHA-2 functions are found on this machine"
    return state


def _view(content: bytes | bytearray) -> memoryview:
    return memoryview(content)


def _every_other_byte(content: bytearray) -> memoryview:
    return memoryview(content)[::2]


def test_the_state_of_nothing_is_that_of_go() -> None:
    assert _state(Digester(SHA256)).hex() == EMPTY_STATE


def test_what_fills_no_block_is_in_the_state_as_it_is() -> None:
    digester = Digester(SHA256)
    digester.update(b"abc")
    state = _state(digester)
    assert len(state) == 108
    assert state[:36].hex() == EMPTY_STATE[:72]
    assert state[36:] == b"abc" + bytes(61) + (3).to_bytes(8, "big")


def test_a_full_block_leaves_the_buffer_empty() -> None:
    digester = Digester(SHA256)
    digester.update(bytes(range(64)))
    assert _state(digester)[36:] == bytes(64) + (64).to_bytes(8, "big")


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
@given(
    chunks=st.lists(
        st.one_of(
            st.binary(max_size=300),
            st.integers(0, 5).map(lambda blocks: b"x" * (blocks * 64)),
            st.binary(max_size=100).map(bytearray),
            st.binary(max_size=100).map(_view),
            st.binary(max_size=100).map(bytearray).map(_view),
            st.binary(max_size=100).map(bytearray).map(_every_other_byte),
        ),
        max_size=8,
    )
)
def test_a_digest_goes_on_from_its_state_at_any_place(
    algorithm: Algorithm, chunks: list[bytes | bytearray | memoryview]
) -> None:
    digester = Digester(algorithm)
    whole = b""
    for chunk in chunks:
        digester.update(chunk)
        whole += bytes(chunk)
        restored = Digester.restore(algorithm, _state(digester), len(whole))
        assert restored is not None
        digester = restored
        assert digester.size == len(whole)
        assert digester.digest() == Digest.of(whole, algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
def test_a_state_goes_on_in_another_process(algorithm: Algorithm) -> None:
    digester = Digester(algorithm)
    digester.update(b"first" * 1000)
    code = (
        "import json, sys\n"
        "from core.digest import Digester, get_algorithm\n"
        "name, state = json.load(sys.stdin)\n"
        "digester = Digester.restore(get_algorithm(name), bytes.fromhex(state), 5000)\n"
        "digester.update(b'second')\n"
        "print(digester.digest())\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps([algorithm.name, _state(digester).hex()]),
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == str(Digest.of(b"first" * 1000 + b"second", algorithm))


def test_a_number_of_bits_past_32_is_kept() -> None:
    block = bytes(2**20)
    digester, hasher = Digester(SHA256), hashlib.sha256()
    for _ in range(513):
        digester.update(block)
        hasher.update(block)
    restored = Digester.restore(SHA256, _state(digester), 513 * 2**20)
    assert restored is not None
    restored.update(b"end")
    hasher.update(b"end")
    assert restored.digest().encoded == hasher.hexdigest()


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"junk",
        bytes(108),
        bytes.fromhex(EMPTY_STATE)[:-1],
        bytes.fromhex(EMPTY_STATE) + b"\0",
        b"sha\x02" + bytes.fromhex(EMPTY_STATE)[4:],
        bytes.fromhex(EMPTY_STATE)[:-8] + b"\xff" * 8,
    ],
)
def test_what_is_no_state_is_not_gone_on_from(state: bytes) -> None:
    for size in (0, 2**64 - 1):
        assert Digester.restore(SHA256, state, size) is None


def test_a_state_of_another_size_is_not_gone_on_from() -> None:
    assert Digester.restore(SHA256, bytes.fromhex(EMPTY_STATE), 1) is None
    assert Digester.restore(SHA512, bytes.fromhex(EMPTY_STATE), 0) is None


def test_without_the_functions_digests_are_right_and_have_no_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_find_functions", lambda _: None)
    digester = Digester(SHA256)
    digester.update(b"abc")
    assert digester.digest() == Digest.of(b"abc")
    assert digester.state() is None
    assert Digester.restore(SHA256, bytes.fromhex(EMPTY_STATE), 0) is None


def test_functions_that_do_not_what_they_should_are_not_used() -> None:
    class Wrong:
        init = update = final = staticmethod(lambda *_: 1)

    form = module._FORMS["sha256"]
    assert not module._works("sha256", form, Wrong())  # type: ignore[arg-type]
