"""The service's page in a real browser: fixtures and steps of its tests."""

import csv
import io
import json
import shutil
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.servers import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome")

WORDS = {"real": "Looks real", "fake": "Looks fake", "unsure": "Not sure"}
NAMES = {"real": "Real", "fake": "Fake", "unsure": "Not sure", "": "Not judged"}


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    switches = ["no-sandbox", "disable-gpu", "disable-background-networking", "disable-sync"]
    switches.append("disable-component-update")
    expect.set_options(timeout=20_000)
    with playwright.sync_playwright() as started:
        args = [f"--{switch}" for switch in switches]
        browser = started.chromium.launch(executable_path=CHROMIUM, args=args)
        yield browser
        browser.close()


@pytest.fixture
def failures(browser: "Browser", service: Server) -> Iterator["tuple[Page, list[str]]"]:
    """A page that is not open yet, and what its console has complained of."""
    context = browser.new_context(base_url=service.url, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(20_000)
    complaints: list[str] = []
    page.on(
        "console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page, complaints
    context.close()


@pytest.fixture
def page(failures: "tuple[Page, list[str]]") -> Iterator["Page"]:
    """The open page. Any error in its console, such as a violation of the content policy, fails the test."""
    page, complaints = failures
    page.goto("/")
    expect(page.locator("#model")).to_be_visible()
    yield page
    assert complaints == []


@pytest.fixture
def stubbed(failures: "tuple[Page, list[str]]") -> Iterator["Page"]:
    """A page for tests that have requests fail: browsers write those into the console."""
    page, complaints = failures
    yield page
    assert [text for text in complaints if not text.startswith("Failed to load resource")] == []


def check(page: "Page", title: str, text: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """Check an article and wait for its words.

    Returns:
        What the API answered to `predict` and `explain`.
    """
    page.get_by_label("Headline", exact=True).fill(title)
    page.get_by_role("textbox", name="Article").fill(text)
    with page.expect_response("**/predict") as predicted, page.expect_response("**/explain") as explained:
        page.get_by_role("button", name="Check", exact=True).click()
    expect(page.locator("#words")).to_be_visible()
    return predicted.value.json(), explained.value.json()


def upload(page: "Page", titles: list[str], name: str = "news.csv") -> None:
    payload = {"name": name, "mimeType": "text/csv", "buffer": table(titles).encode()}
    page.get_by_label("Choose a file").set_input_files(files=[payload])  # pyright: ignore[reportArgumentType]


def table(titles: list[str]) -> str:
    file = io.StringIO(newline="")
    lines = csv.writer(file)
    lines.writerow(("", "title", "text", "label"))
    lines.writerows((row, title, 'Said "so",\nand so on.', 0) for row, title in enumerate(titles))
    return file.getvalue()


def shown(page: "Page") -> list[list[str]]:
    """The cells of the table's current page: row, title, verdict, probability."""
    return page.locator("#rows").evaluate(
        "body => [...body.rows].map(row => [...row.cells].slice(0, 4).map(cell => cell.textContent))"
    )


def percent(probability: float) -> str:
    if 0.9995 < probability < 1:
        return "over 99.9%"
    if 0 < probability < 0.0005:
        return "under 0.1%"
    # JavaScript rounds halves up, Python to even; `:g` drops the zero of "50.0".
    rounded = Decimal(100 * probability).quantize(Decimal("0.1"), ROUND_HALF_UP)
    return f"{float(rounded):g}%"


def refuse(status: int, code: str, message: str, **headers: str) -> Callable[["Route"], None]:
    body = json.dumps({"error": {"code": code, "message": message}, "request_id": "r-1"})

    def answer(route: "Route") -> None:
        route.fulfill(status=status, body=body, headers={"Content-Type": "application/json", **headers})

    return answer
