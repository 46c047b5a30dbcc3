"""The lines of docs/tls.md and docs/limits.md work as printed."""

import re
import ssl
import subprocess
import tomllib
from pathlib import Path

import pytest

from api.limits import create_limiter
from api.settings import Settings
from tests.service.authority import tls_variables
from tests.service.running import REPOSITORY, running_service_over_tls

__all__: list[str] = []

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _blocks(page: str, language: str) -> list[str]:
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    return [block for kind, block in _BLOCK.findall(text) if kind == language]


@pytest.mark.parametrize("page", ["tls.md", "limits.md"])
def test_every_table_of_settings_is_one(page: str) -> None:
    blocks = _blocks(page, "toml")
    assert blocks
    for block in blocks:
        tables = tomllib.loads(block)
        settings = Settings.model_validate(tables)
        assert set(tables) == {page.removesuffix(".md")}
        assert settings != Settings()


def test_the_first_table_of_limits_limits_something() -> None:
    first = tomllib.loads(_blocks("limits.md", "toml")[0])
    assert create_limiter(Settings.model_validate(first).limits) is not None


@pytest.mark.needs("openssl")
def test_the_certificate_for_a_first_try_is_one_to_serve_with(tmp_path: Path) -> None:
    _, make = _blocks("tls.md", "sh")
    subprocess.run(
        ["bash", "-eu", "-c", make], cwd=tmp_path, check=True, capture_output=True, timeout=20
    )
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    context = ssl.create_default_context(cafile=certificate)
    # The name of the documentation does not lead here.
    context.check_hostname = False
    variables = tls_variables(certificate=str(certificate), key=str(key))
    with running_service_over_tls(tmp_path, context, **variables) as service:
        assert service.ask(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")[2] == b"hello"
