"""The pages of the drivers, and the links of all pages."""

import re
from pathlib import Path

import pytest

from api.settings.storage import StorageSettings
from tests.service.running import REPOSITORY

__all__: list[str] = []

_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
_PAGES = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")])


@pytest.mark.parametrize("driver", ["s3", "azure", "gcs"])
def test_the_page_of_a_driver_names_each_of_its_settings(driver: str) -> None:
    page = (REPOSITORY / "docs" / "drivers" / f"{driver}.md").read_text(encoding="utf-8")
    settings = type(getattr(StorageSettings(), driver)).model_fields

    assert settings
    assert [name for name in settings if not re.search(rf"`{name}\b", page)] == []


@pytest.mark.parametrize("driver", ["s3", "azure", "gcs"])
def test_the_readme_leads_to_the_page_of_a_driver(driver: str) -> None:
    assert f"](docs/drivers/{driver}.md)" in (REPOSITORY / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    links = _LINK.findall(page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []
