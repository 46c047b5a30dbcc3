"""Passwords are tried one after the other, and not when it is too early."""

import pytest
from anyio import create_task_group, sleep

from api.limits import create_login_throttle
from api.settings.limits import LimitsSettings
from core.access import CredentialsInvalid
from core.access.passwords.attempts import LoginAttempts
from core.errors import TooManyRequests

__all__: list[str] = []


@pytest.fixture
def attempts() -> LoginAttempts:
    return LoginAttempts(create_login_throttle(LimitsSettings(failed_logins=3)))


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::{:x}", "::ffff:192.0.2.1"])
async def test_guesses_that_come_all_at_once_are_no_more_than_those_that_do_not(
    attempts: LoginAttempts, address: str
) -> None:
    tried: list[str] = []
    ended: list[type[Exception]] = []

    async def guess() -> None:
        tried.append("guess")
        await sleep(0.01)
        raise CredentialsInvalid("wrong")

    async def make(number: int) -> None:
        try:
            await attempts.make(address.format(number), "ann", guess)
        except (CredentialsInvalid, TooManyRequests) as error:
            ended.append(type(error))

    async with create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(make, number)
    assert len(tried) == 3
    assert ended.count(TooManyRequests) == 17


async def test_one_address_does_not_wait_for_another(attempts: LoginAttempts) -> None:
    order: list[str] = []

    async def slow() -> None:
        await sleep(0.2)
        order.append("slow")

    async def quick() -> None:
        order.append("quick")

    async with create_task_group() as tasks:
        tasks.start_soon(attempts.make, "192.0.2.1", "ann", slow)
        await sleep(0.05)
        tasks.start_soon(attempts.make, "192.0.2.2", "ann", quick)
        tasks.start_soon(attempts.make, None, None, quick)
    assert order == ["quick", "quick", "slow"]
    assert len(attempts._turns) == 0


async def test_one_who_gives_up_lets_the_next_one_try(attempts: LoginAttempts) -> None:
    async def never() -> None:
        await sleep(60)

    async def right() -> str:
        return "ann"

    async with create_task_group() as tasks:
        tasks.start_soon(attempts.make, "192.0.2.1", "ann", never)
        await sleep(0.05)
        tasks.cancel_scope.cancel()
    assert await attempts.make("192.0.2.1", "ann", right) == "ann"
