"""What every command pays before and after it does anything."""

import subprocess
import sys
from pathlib import Path

from tests.service.running import clean_environment

__all__: list[str] = []

_CODE = """
import gc, sys
from api.__main__ import main
sys.argv = ["moorage", "--version"]
try:
    main()
except SystemExit as ended:
    print(ended.code, gc.isenabled(), len(gc.get_objects()) < gc.get_freeze_count() / 10)
"""


def test_no_garbage_is_looked_for_among_modules_and_all_of_it_later(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _CODE],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ran.stdout.splitlines()[-1] == "0 True True"
