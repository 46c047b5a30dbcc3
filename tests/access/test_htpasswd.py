"""The password file: what it says, what it costs to ask, and how it is changed."""

import multiprocessing
import os
import statistics
import time
from pathlib import Path

import bcrypt
import pytest

from core.access.passwords.editing import UserUnknown, remove_user, set_password
from core.access.passwords.file import PasswordFile, hash_password, read_passwords

__all__: list[str] = []

# A vector of crypt_blowfish, by Solar Designer, under the prefix that htpasswd writes.
_ANN = b"ann:$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"


def write(path: Path, **passwords: str) -> Path:
    lines = [
        name.encode() + b":" + bcrypt.hashpw(password.encode(), bcrypt.gensalt(4))
        for name, password in passwords.items()
    ]
    path.write_bytes(b"\n".join([b"# users", b"", *lines, b""]))
    return path


async def test_a_right_password_is_right_and_everything_else_is_wrong(tmp_path: Path) -> None:
    users = PasswordFile(write(tmp_path / "users", ann="secret", bob="other"))
    assert await users.verify("ann", "secret")
    assert await users.verify("bob", "other")
    for user, password in [
        ("ann", "other"),
        ("ann", ""),
        ("ann", "secret\0"),
        ("nobody", "secret"),
        ("nobody", ""),
        ("", ""),
        ("ANN", "secret"),
    ]:
        assert not await users.verify(user, password), (user, password)


async def test_a_password_that_bcrypt_would_cut_is_wrong(tmp_path: Path) -> None:
    users = PasswordFile(write(tmp_path / "users", ann="x" * 72))
    assert await users.verify("ann", "x" * 72)
    assert not await users.verify("ann", "x" * 73)
    with pytest.raises(ValueError, match="72 bytes"):
        hash_password("x" * 73)
    with pytest.raises(ValueError, match="72 bytes"):
        hash_password("")


@pytest.mark.parametrize("others_cost", [8, 9])
async def test_an_unknown_user_takes_as_long_as_a_wrong_password(
    tmp_path: Path, others_cost: int
) -> None:
    path = tmp_path / "users"
    costs = {"ann": 8, "bob": others_cost}
    path.write_bytes(
        b"".join(
            name.encode() + b":" + bcrypt.hashpw(b"secret", bcrypt.gensalt(cost)) + b"\n"
            for name, cost in costs.items()
        )
    )
    users = PasswordFile(path)

    async def seconds(user: str) -> float:
        began = time.perf_counter()
        await users.verify(user, "wrong")
        return time.perf_counter() - began

    # By turns, so that what else the machine does weighs on both.
    pairs = [(await seconds("ann"), await seconds("nobody")) for _ in range(15)]
    known, unknown = (statistics.median(times) for times in zip(*pairs, strict=True))
    assert 0.6 < unknown / known < 1.6


def test_lines_that_are_no_use_are_told_by_number_without_their_hash(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_bytes(
        _ANN + b"\nbob:$apr1$abc$defghijk\njust-text\n\xff:x\n:x\ncleo:" + _ANN[4:-1] + b"\n"
    )
    found = read_passwords(path)
    assert list(found.hashes) == ["ann"]
    assert [fault.split()[1].rstrip(":") for fault in found.faults] == ["2", "3", "4", "5", "6"]
    assert not any("$" in fault for fault in found.faults)


async def test_a_hash_that_would_keep_everybody_waiting_is_not_used(tmp_path: Path) -> None:
    path = write(tmp_path / "users", ann="secret")
    path.write_bytes(path.read_bytes() + b"\nbob:" + _ANN[4:].replace(b"$05$", b"$31$") + b"\n")
    users = PasswordFile(path)
    assert users.users == {"ann"}
    # Whoever guesses at bob, or at nobody, is told that this is wrong.
    assert not await users.verify("bob", "U*U")
    assert read_passwords(path).faults == ("line 5: the hash of bob has a cost above 17",)


async def test_a_changed_file_is_taken_over_and_a_lost_one_changes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "users", ann="secret")
    users = PasswordFile(path)
    before = users.generation, users.fingerprint("ann")
    users.reload()
    assert (users.generation, users.fingerprint("ann")) == before
    write(path, ann="new")
    users.reload()
    assert users.generation != before[0]
    assert users.fingerprint("ann") != before[1]
    assert await users.verify("ann", "new")
    assert not await users.verify("ann", "secret")
    path.unlink()
    users.reload()
    assert await users.verify("ann", "new")
    assert users.fingerprint("nobody") is None


async def test_users_are_added_changed_and_removed_in_place(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_bytes(b"# kept\n" + _ANN + b"\n")
    path.chmod(0o640)
    assert set_password(path, "bob", "first")
    assert not set_password(path, "bob", "second")
    assert path.read_bytes().startswith(b"# kept\n" + _ANN + b"\nbob:")
    assert path.stat().st_mode & 0o777 == 0o640
    users = PasswordFile(path)
    assert await users.verify("bob", "second")
    assert await users.verify("ann", "U*U")
    remove_user(path, "ann")
    users.reload()
    assert users.users == {"bob"}
    with pytest.raises(UserUnknown):
        remove_user(path, "ann")
    assert os.listdir(tmp_path) == ["users"]  # noqa: PTH208 - a path of anyio would be awaited


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_changed_file_belongs_to_whom_it_belonged_to(tmp_path: Path) -> None:
    path = write(tmp_path / "users", ann="secret", bob="other")
    os.chown(path, 1234, 4321)
    path.chmod(0o640)
    set_password(path, "cleo", "third")
    remove_user(path, "bob")
    found = path.stat()
    # The service, which runs as another user, could not read it otherwise, and bob would stay.
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (1234, 4321, 0o640)


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    assert set_password(tmp_path / "users", "ann", "secret")
    assert (tmp_path / "users").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["", "a:b", "a\nb:x", "#a", " a", "a" * 256])
def test_a_name_that_the_file_could_not_hold_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        set_password(tmp_path / "users", name, "secret")
    assert not (tmp_path / "users").exists()


def _add_some(path: Path, prefix: str) -> None:
    for number in range(4):
        set_password(path, f"{prefix}{number}", "secret")


def test_two_commands_at_once_lose_nobody(tmp_path: Path) -> None:
    path = tmp_path / "users"
    context = multiprocessing.get_context("spawn")
    commands = [context.Process(target=_add_some, args=(path, prefix)) for prefix in "ab"]
    for command in commands:
        command.start()
    for command in commands:
        command.join()
        assert command.exitcode == 0
    assert len(read_passwords(path).hashes) == 8
