"""What changes while the service runs: passwords, rules, and whether the store is there."""

from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.typing import EventDict

from api.settings import Settings, load_settings
from core.access import Principal
from core.drivers import MemoryDriver
from core.errors import DriverUnavailable
from tests.access.guarded import (
    guarded,
    settings_of,
    write_users,
)
from tests.faulty import Call, FaultyDriver

__all__: list[str] = []

_HEAD = '[access]\ncontroller = "htpasswd"\nhtpasswd.file = "{}"\n'
_RULE = '[[policy.rules]]\nsubjects = ["anonymous"]\nrepositories = ["{}"]\nactions = ["pull"]\n'


async def test_a_password_is_computed_once_and_a_change_of_the_file_ends_it(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import bcrypt  # noqa: PLC0415 - the name under which the file is asked

    asked = []
    real: Callable[[bytes, bytes], bool] = bcrypt.checkpw

    def counted(password: bytes, hashed: bytes) -> bool:
        asked.append(hashed)
        return real(password, hashed)

    monkeypatch.setattr("core.access.passwords.file.bcrypt.checkpw", counted)
    async with guarded(settings) as registry, registry.client("bob") as bob:
        for _ in range(40):
            assert (await bob.get("/v2/bob/app/tags/list")).status_code == 404
        assert len(asked) == 1
        gate = registry.app.gate
        assert gate is not None
        (tmp_path / "users").write_bytes(b"")
        gate.controller._users._passwords.reload()  # type: ignore[attr-defined]
        assert (await bob.get("/v2/bob/app/tags/list")).status_code == 401


async def test_rules_follow_the_settings_file_and_a_fault_leaves_them(
    tmp_path: Path, logs: list[EventDict]
) -> None:
    settings_of(tmp_path)
    file = tmp_path / "moorage.toml"
    head, rule = _HEAD.format(tmp_path / "users"), _RULE
    file.write_text(head + rule.format("one/*"))
    async with guarded(load_settings(file)) as registry, registry.client() as nobody:
        gate = registry.app.gate
        assert gate is not None

        async def may() -> list[int]:
            paths = (f"/v2/{name}/app/tags/list" for name in ("one", "two"))
            return [(await nobody.get(path)).status_code for path in paths]

        assert await may() == [404, 401]
        file.write_text(head + rule.format("two/*"))
        gate.policies.reload()
        assert await may() == [401, 404]
        for broken, said in [
            (head + rule.format("one/*").replace("pull", "pul"), f"{file}:7: policy.rules.0"),
            (head + rule.format("one/*") + "= 1", "line 8"),
            (head + rule.format("one/*") + "[server]\nprot = 1\n", "server.prot"),
            # A full disk, or an editor, has left it empty.
            ("", f"{file}: all rules are gone"),
            (head, f"{file}: all rules are gone"),
        ]:
            file.write_text(broken)
            gate.policies.reload()
            assert await may() == [401, 404]
            assert said in logs[-1]["reason"]
        file.unlink()
        gate.policies.reload()
        assert await may() == [401, 404]


async def test_write_once_tags_alone_do_not_go_with_the_content_of_the_file(tmp_path: Path) -> None:
    settings_of(tmp_path)
    file = tmp_path / "moorage.toml"
    file.write_text(_HEAD.format(tmp_path / "users") + '[[policy.write_once]]\ntags = ["v*"]\n')
    async with guarded(load_settings(file)) as registry:
        gate = registry.app.gate
        assert gate is not None
        file.write_text("")
        gate.policies.reload()
        assert gate.policies.policy.is_write_once("team/app", "v1")


async def test_settings_that_are_older_than_the_file_are_not_in_force_for_a_moment(
    tmp_path: Path,
) -> None:
    settings_of(tmp_path)
    file = tmp_path / "moorage.toml"
    head = _HEAD.format(tmp_path / "users")
    file.write_text(head + _RULE.format("one/*"))
    settings = load_settings(file)
    file.write_text(head + _RULE.format("two/*"))
    # As a worker begins that takes the place of another one.
    async with guarded(settings) as registry, registry.client() as nobody:
        assert (await nobody.get("/v2/one/app/tags/list")).status_code == 401
        assert (await nobody.get("/v2/two/app/tags/list")).status_code == 404


async def test_what_is_proven_while_the_passwords_change_is_not_remembered(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        guarded(settings) as registry,
        registry.client("bob") as bob,
        registry.client() as nobody,
    ):
        gate = registry.app.gate
        assert gate is not None
        users = gate.controller._users  # type: ignore[attr-defined]
        real = users.verify

        async def verify(user: str, password: str) -> Principal | None:
            found: Principal | None = await real(user, password)
            write_users(users._passwords.path, ann="pw-ann")
            users._passwords.reload()
            # Somebody else's request takes note of the change first.
            assert (await nobody.get("/v2/")).status_code == 401
            return found

        monkeypatch.setattr(users, "verify", verify)
        assert (await bob.get("/v2/bob/app/tags/list")).status_code == 404
        monkeypatch.undo()
        assert (await bob.get("/v2/bob/app/tags/list")).status_code == 401


async def test_a_store_that_is_away_at_the_start_keeps_nobody_from_logging_in(
    settings: Settings,
) -> None:
    is_away = True

    async def away(call: Call) -> None:
        if is_away:
            raise DriverUnavailable(call.path, "away")

    async with (
        guarded(settings, FaultyDriver(MemoryDriver(), away)) as registry,
        registry.client("ann") as ann,
    ):
        assert (await ann.get("/v2/")).status_code == 200
        assert (await ann.post("/v2/team/app/blobs/uploads/")).status_code == 503
        is_away = False
        assert (await ann.post("/v2/team/app/blobs/uploads/")).status_code == 202
