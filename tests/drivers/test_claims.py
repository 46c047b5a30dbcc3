"""Claims, on a store that takes its time."""

import pytest
from anyio import Event, sleep

from core.drivers import claims
from core.drivers.claims import Claim, FoundClaim, LeftClaims
from core.errors import DriverUnavailable, WriterBusy

__all__: list[str] = []


class SlowStore:
    """Claims in memory, whose writes take effect before their answers come, if they come."""

    def __init__(self) -> None:
        self.left = LeftClaims()
        self.version: int | None = None
        self.owner = b""
        self.age_seconds = 0
        self.answers = True
        self.works = True
        self.renewals = 0
        self.renewing = Event()

    async def create_claim(self, path: str, owner: bytes) -> str | None:
        if self.works and self.version is None:
            self.version, self.owner = 0, owner
        self._answer(path)
        return str(self.version) if self.owner == owner else None

    async def replace_claim(self, path: str, owner: bytes, version: str) -> str | None:
        if version != str(self.version):
            return None
        if self.works:
            self.version, self.owner, self.age_seconds = int(version) + 1, owner, 0
            self.renewals += 1
            self.renewing.set()
        await sleep(0.05)
        self._answer(path)
        return str(self.version)

    async def find_claim(self, path: str) -> FoundClaim | None:
        if self.version is None:
            return None
        return FoundClaim(version=str(self.version), age_seconds=self.age_seconds)

    async def delete_claim(self, path: str, version: str) -> None:
        if self.works and version == str(self.version):
            self.version = None
        self._answer(path)

    def _answer(self, path: str) -> None:
        if not self.answers:
            raise DriverUnavailable(path, "no answer")


async def test_a_claim_that_is_being_renewed_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "_RENEWAL_SECONDS", 0.01)
    store = SlowStore()
    claim = await Claim.acquire(store, "/a")
    await store.renewing.wait()
    await claim.release()
    assert store.version is None
    renewals = store.renewals
    await sleep(0.1)
    assert store.renewals == renewals


async def test_a_claim_that_is_not_due_for_renewal_is_released_at_once() -> None:
    store = SlowStore()
    claim = await Claim.acquire(store, "/a")
    await claim.release()
    assert (store.version, store.renewals) == (None, 0)


async def test_a_claim_whose_answer_was_lost_is_held_by_whoever_comes_next() -> None:
    store = SlowStore()
    store.answers = False
    with pytest.raises(DriverUnavailable):
        await Claim.acquire(store, "/a")
    store.answers = True
    # Of two, one gets it.
    claim = await Claim.acquire(store, "/a")
    with pytest.raises(WriterBusy):
        await Claim.acquire(store, "/a")
    # It is as young as any other.
    assert store.renewals == 1
    await claim.release()
    assert store.version is None


async def test_a_claim_that_was_not_deleted_is_held_by_whoever_comes_next() -> None:
    store = SlowStore()
    claim = await Claim.acquire(store, "/a")
    store.answers = store.works = False
    await claim.release()
    assert store.version is not None
    store.answers = store.works = True
    claim = await Claim.acquire(store, "/a")
    await claim.release()
    assert store.version is None


async def test_a_claim_whose_renewal_had_no_answer_is_held_by_whoever_comes_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claims, "_RENEWAL_SECONDS", 0.01)
    store = SlowStore()
    claim = await Claim.acquire(store, "/a")
    store.answers = False
    await store.renewing.wait()
    monkeypatch.setattr(claims, "_RENEWAL_SECONDS", 60)
    await sleep(0.1)
    store.answers = True
    # The store has another version by now than the one that is deleted.
    await claim.release()
    assert store.version is not None
    claim = await Claim.acquire(store, "/a")
    await claim.release()
    assert store.version is None


async def test_a_claim_that_another_has_taken_meanwhile_is_not_held() -> None:
    store = SlowStore()
    store.answers = False
    with pytest.raises(DriverUnavailable):
        await Claim.acquire(store, "/a")
    store.answers = True
    store.version, store.owner = 7, b"another"
    with pytest.raises(WriterBusy):
        await Claim.acquire(store, "/a")
    store.version = None
    await (await Claim.acquire(store, "/a")).release()


def test_of_very_many_claims_that_were_left_the_last_ones_are_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claims, "_MAX_LEFT", 2)
    left = LeftClaims()
    for path in ("/a", "/b", "/a", "/c"):
        left.leave(path, path.encode())
    assert [left.take(path) for path in ("/a", "/b", "/c", "/c")] == [b"/a", None, b"/c", None]
