"""`python -m tests.service.launch FACTORY` serves a small application as `moorage serve` would."""

import sys

from api.logging import configure_logging
from api.server import listen, run_server
from api.settings import SettingsError, load_settings

__all__: list[str] = []

if __name__ == "__main__":
    settings = load_settings()
    configure_logging(settings.log)
    try:
        sys.exit(run_server(settings, listen(settings.server), factory=sys.argv[1]))
    except SettingsError as error:
        sys.exit(f"moorage: {error}")
