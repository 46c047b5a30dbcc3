"""The page at /docs, in a real browser."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from core.manifest import OCI_MANIFEST
from tests.clients.guarded import running_guarded
from tests.live import Service, running_registry

__all__: list[str] = []

_BROWSER_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_NAME = "team/app"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_registry(tmp_path_factory.mktemp("docs")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(_BROWSER_OPTIONS)
        )
        yield started
        started.close()


class _Watched:
    """A page that remembers where it sent requests, and whatever went wrong on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.troubles: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("requestfailed", lambda request: self.troubles.append(request.url))
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("console", self._on_message)

    def _on_message(self, message: object) -> None:
        # A refusal by the policy of the page, and an answer that is an error, are told here only.
        if getattr(message, "type", "") in {"error", "warning"}:
            self.troubles.append(str(message))


@pytest.fixture
def docs(browser: Browser, service: Service) -> Iterator[_Watched]:
    with browser.new_page() as page:
        watched = _Watched(page)
        page.goto(f"{service.url}/docs")
        yield watched


@pytest.mark.clients
@pytest.mark.needs("chromium")
def test_the_page_shows_every_operation_and_asks_nobody_else(
    docs: _Watched, service: Service
) -> None:
    expect(docs.page.locator(".info .title")).to_contain_text("Moorage")
    contract = httpx.get(f"{service.url}/openapi.json").json()
    count = sum(len(operations) for operations in contract["paths"].values())
    expect(docs.page.locator(".opblock")).to_have_count(count)
    assert {httpx.URL(url).netloc.decode() for url in docs.requests} == {service.host}
    assert docs.troubles == []


@pytest.mark.clients
@pytest.mark.needs("chromium")
def test_try_it_out_lists_the_tags_that_were_pushed(docs: _Watched, service: Service) -> None:
    """The name has a slash, which the page sends as `%2F`."""
    _push_tags(service, "1.0", "latest")
    operation = docs.page.locator("#operations-tags-listTags")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_placeholder("name", exact=True).fill(_NAME)
    operation.get_by_role("button", name="Execute").click()
    shown = operation.locator(".live-responses-table .response-col_description code").first
    expect(shown).to_contain_text("latest")
    assert json.loads(shown.inner_text()) == {"name": _NAME, "tags": ["1.0", "latest"]}
    assert docs.requests[-1] == f"{service.url}/v2/team%2Fapp/tags/list"
    assert docs.troubles == []


@pytest.mark.clients
@pytest.mark.needs("chromium")
def test_the_page_logs_in(browser: Browser, tmp_path: Path) -> None:
    settings = '[access]\ncontroller = "moorage"\nhtpasswd.file = "{folder}/users"\n'
    with running_guarded(tmp_path, settings, "ann") as guarded, browser.new_page() as page:
        page.goto(f"{guarded.service.url}/docs")
        page.locator(".auth-wrapper .authorize").click()
        form = page.locator(".auth-container", has=page.locator("h4", has_text="password"))
        form.locator("input[type=text]").fill("ann")
        form.locator("input[type=password]").fill("pw-ann")
        form.locator("button.authorize").click()
        page.locator(".btn-done").first.click()
        operation = page.locator("#operations-registry-listRepositories")
        operation.locator(".opblock-summary-control").click()
        operation.get_by_role("button", name="Try it out").click()
        operation.get_by_role("button", name="Execute").click()
        shown = operation.locator(".live-responses-table .response-col_description code").first
        expect(shown).to_contain_text("repositories")
        assert [line["who"] for line in guarded.audit("login")] == ["user:ann"]


def test_the_page_forbids_whatever_does_not_come_from_the_registry(service: Service) -> None:
    answer = httpx.get(f"{service.url}/docs")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["cache-control"] == "no-cache"
    assert "//" not in answer.text


@pytest.mark.parametrize("file", ["swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"])
def test_a_file_of_the_page_is_served_to_be_kept(service: Service, file: str) -> None:
    answer = httpx.get(f"{service.url}/docs/{file}")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content
    head = httpx.head(f"{service.url}/docs/{file}")
    assert head.headers["content-length"] == str(len(answer.content))


@pytest.mark.parametrize(
    "path",
    [
        "redoc.standalone.js",
        "../api/app.py",
        "..%2f__init__.py",
        "%2e%2e/__init__.py",
        "..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "%2fetc%2fpasswd",
        "swagger-ui.css%00",
        "",
    ],
)
def test_no_other_file_is_served(service: Service, path: str) -> None:
    """Sent as it is: clients of higher level would resolve the dots themselves."""
    status, _, body = service.ask(
        f"GET /docs/{path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n".encode()
    )
    assert status == 404
    assert json.loads(body)["errors"][0]["code"] == "NOT_FOUND"


def _push_tags(service: Service, first: str, second: str) -> None:
    with httpx.Client(base_url=f"{service.url}/v2/{_NAME}") as client:
        digest = f"sha256:{hashlib.sha256(b'{}').hexdigest()}"
        client.post(f"/blobs/uploads/?digest={digest}", content=b"{}").raise_for_status()
        config = {"mediaType": "application/json", "digest": digest, "size": 2}
        client.put(
            f"/manifests/{first}?tag={second}",
            headers={"Content-Type": OCI_MANIFEST},
            json={
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": config,
                "layers": [],
            },
        ).raise_for_status()
