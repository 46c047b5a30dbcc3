"""What the documentation says of robots and tokens of the registry's own is what there is."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

from api.settings import Settings
from core.access.robots.record import SECRET_PREFIX
from core.access.tokens.refreshing import REFRESH_PREFIX
from tests.service.running import REPOSITORY, clean_environment

__all__: list[str] = []

TEXT = (REPOSITORY / "docs" / "access-robots.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)


def test_its_settings_are_settings() -> None:
    tables = [tomllib.loads(block) for kind, block in BLOCKS if kind == "toml"]
    first, last = (Settings.model_validate(table).access for table in tables)
    assert first.controller == "moorage"
    assert last.tokens.services() == ("moorage", "old-registry")


def test_its_commands_run_as_they_are_written(tmp_path: Path) -> None:
    lines = [
        line
        for kind, block in BLOCKS
        if kind == "sh"
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("moorage ")
    ]
    assert len(lines) == 3
    for line in lines:
        words = shlex.split(re.split(r" [|>] ", line)[0])
        ran = subprocess.run(
            [sys.executable, "-m", "api", *words[1:], "--root", str(tmp_path)],
            cwd=tmp_path,
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout


def test_it_names_the_prefixes_by_which_scanners_find_secrets() -> None:
    assert f"`{SECRET_PREFIX}`" in TEXT
    assert f"`{REFRESH_PREFIX}`" in TEXT
