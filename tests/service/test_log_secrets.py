"""What is taken for a secret in the log of a service."""

from pathlib import Path

import pytest

from tests.service.log_secrets import check_log, find_secrets, used_secret

__all__: list[str] = []


@pytest.mark.parametrize(
    "text",
    [
        '"token": "eyJhbGciOiJFUzI1NiJ9eyJpc3MiOiJtb29y',
        "moorage_robot_0123456789abcdef",
        "moorage_refresh_0123456789abcdef",
        "authorization: Basic YW5uOnNlY3JldA==",
        "Bearer abcdefgh.ijklmnop",
        "-----BEGIN EC PRIVATE KEY-----",
        "ann:$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "a password that a test has used",
    ],
)
def test_a_secret_is_found_in_whatever_form(tmp_path: Path, text: str) -> None:
    used_secret("a password that a test has used")
    file = tmp_path / "service.log"
    file.write_text(f"one line\nanother with {text} in it\n")
    with pytest.raises(AssertionError, match="has secrets in it"):
        check_log(file)


def test_what_is_no_secret_is_none(tmp_path: Path) -> None:
    file = tmp_path / "service.log"
    file.write_text('{"event": "audit", "who": "user:ann", "reason": "Basic realm=x", "sha256:ab"}')
    check_log(file)
    assert find_secrets('Bearer realm="https://registry/token"') == []
    assert find_secrets("the Basic credentials name no user") == []
