"""`python -m tests.service.launch FACTORY [ROOT]` serves a small application.

It does what `moorage serve --root ROOT` does for the application of the registry.
"""

import sys
from pathlib import Path

from api.logging import configure_logging
from api.serving.server import listen, run_server
from api.settings import SettingsError, load_settings

__all__: list[str] = []

if __name__ == "__main__":
    flags: dict[tuple[str, ...], object] = {}
    if sys.argv[2:]:
        flags["storage", "filesystem", "root"] = Path(sys.argv[2])
    settings = load_settings(flags=flags)
    configure_logging(settings.log)
    try:
        sys.exit(run_server(settings, listen(settings.server), factory=sys.argv[1]))
    except SettingsError as error:
        sys.exit(f"moorage: {error}")
