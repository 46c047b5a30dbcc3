"""Writes the contract to `openapi/openapi.json`: `python -m api.openapi`."""

import json
from pathlib import Path

from api.contract import build_contract
from api.routes import router

__all__ = ["CONTRACT_FILE", "render_contract"]

CONTRACT_FILE = Path(__file__).parents[1] / "openapi" / "openapi.json"
"""The contract as it is committed."""


def render_contract() -> str:
    """Return the text of the committed file for the code as it is."""
    return json.dumps(build_contract(router.routes), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    CONTRACT_FILE.parent.mkdir(exist_ok=True)
    CONTRACT_FILE.write_text(render_contract(), encoding="utf-8")
