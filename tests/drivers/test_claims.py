"""Claims, on a store that takes its time."""

import pytest
from anyio import Event, sleep

from core.drivers import claims
from core.drivers.claims import Claim, FoundClaim

__all__: list[str] = []


class SlowStore:
    """Claims in memory, whose writes take effect before their answers come."""

    def __init__(self) -> None:
        self.version: int | None = None
        self.renewals = 0
        self.renewing = Event()

    async def create_claim(self, path: str, owner: bytes) -> str | None:
        if self.version is not None:
            return None
        self.version = 0
        return "0"

    async def replace_claim(self, path: str, owner: bytes, version: str) -> str | None:
        if version != str(self.version):
            return None
        self.version = int(version) + 1
        self.renewals += 1
        self.renewing.set()
        await sleep(0.05)
        return str(int(version) + 1)

    async def find_claim(self, path: str) -> FoundClaim | None:
        return None if self.version is None else FoundClaim(version="0", age_seconds=0)

    async def delete_claim(self, path: str, version: str) -> None:
        if version == str(self.version):
            self.version = None


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
