"""What the page does around an answer: links to it, history, copies, rows of a file."""

import re
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

import httpx
import pytest
from matplotlib.image import imread

from tests.support.pages import WORDS, check, expect, needs_chromium, percent, refuse, upload
from tests.support.pages import browser as browser
from tests.support.pages import failures as failures
from tests.support.pages import page as page
from tests.support.pages import stubbed as stubbed
from tests.support.servers import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = needs_chromium

TITLE, TEXT = "Senate hides the budget", "The bank said so."


def unsure(service: Server, reason: str, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """An answer without a verdict, and the model that gives it."""
    model = httpx.get(f"{service.url}/model").json()
    low, high = model["abstain_between"]
    answer = {
        "label": None,
        "verdict": "unsure",
        "probability": (low + high) / 2 if reason == "uncertain" else None,
        "abstained": True,
        "abstain_reason": reason,
        "request_id": "0192f0c1-7c2a-7d3e-9b1f-5a4c3d2e1f00",
        "model_id": model["model_id"],
    }
    return answer | changes, model


def test_an_answer_has_a_link(page: "Page"):
    predicted, _ = check(page, TITLE, TEXT)
    link = page.locator("#link").inner_text()
    assert link.endswith(f"/#answer={predicted['request_id']}")
    assert page.url == link
    expect(page.locator("#past")).to_be_hidden()
    expect(page.locator("#log-note")).to_contain_text("The log keeps headline and article")

    page.get_by_role("link", name="The model").click()  # the answer stays open
    with page.expect_request("**/answers/**") as asked:
        page.reload()
    assert "predict" not in asked.value.url
    expect(page.locator("#past")).to_contain_text("This answer was given on")
    expect(page.locator("#verdict-word")).to_have_text(WORDS[predicted["verdict"]])
    expect(page.locator("#probability")).to_have_text(percent(predicted["probability"]))
    expect(page.locator("#request-id")).to_have_text(predicted["request_id"])
    expect(page.locator("#title-words")).to_have_text(TITLE)
    expect(page.get_by_label("Headline", exact=True)).to_have_value(TITLE)
    expect(page.get_by_role("textbox", name="Article")).to_have_value(TEXT)
    page.go_back()
    expect(page.locator("#result")).to_be_hidden()


def test_a_printed_answer_says_which_it_is(page: "Page"):
    check(page, TITLE)
    page.emulate_media(media="print")
    for name in (
        ".lead",
        "#how-often",
        "#checked",
        "#verdict-word",
        "#probability",
        "#title-words",
        "#link",
        "#request-id",
        "#model-id",
    ):
        expect(page.locator(name)).to_be_visible()
    for name in ("#check", "#print", "#drop", "#history", "#facts", ".copy >> nth=0", "#feedback"):
        expect(page.locator(name)).to_be_hidden()


def test_a_printed_file_has_its_rows(page: "Page"):
    upload(page, ["First", "Second"])
    expect(page.locator("#file-status")).to_contain_text("Done")
    page.emulate_media(media="print")
    for name in (".lead", "#counts", "#rows >> text=Second"):
        expect(page.locator(name)).to_be_visible()
    for name in ("#check", "#drop", "#download", "#history"):
        expect(page.locator(name)).to_be_hidden()


def test_links_to_what_the_log_does_not_hold(stubbed: "Page", service: Server):
    stubbed.goto("/#answer=0192f0c1-7c2a-7d3e-9b1f-5a4c3d2e1f00")
    expect(stubbed.locator("#article-problem")).to_contain_text("holds no such answer")
    expect(stubbed.locator("#article-problem button")).to_have_count(0)

    stubbed.goto("/#answer=0192f0c1-7c2a-7d3e-9b1f")
    expect(stubbed.locator("#article-problem")).to_contain_text("link to an answer is damaged")
    stubbed.goto("/#answer=0192F0C1-7c2a-7d3e-9b1f-5a4c3d2e1f00).")  # as mail programs leave it
    expect(stubbed.locator("#article-problem")).to_contain_text("holds no such answer")

    kept = {"time": "2026-05-04T12:00:00Z", "row": 1, "title": None, "text": None}
    answer, model = unsure(service, "uncertain", **kept)
    stubbed.route("**/model", lambda route: route.fulfill(json=model | {"log_content": "hash"}))
    stubbed.route("**/answers/**", lambda route: route.fulfill(json=answer))
    stubbed.reload()
    expect(stubbed.locator("#verdict-word")).to_have_text("Not sure")
    expect(stubbed.locator("#past")).to_contain_text("holds no headline of it")
    expect(stubbed.locator("#log-note")).to_contain_text("keeps no texts")
    expect(stubbed.locator("#words-heading")).to_be_hidden()

    stubbed.unroute("**/answers/**")
    another = answer | {"title": TITLE, "model_id": "f" * 64}
    stubbed.route("**/answers/**", lambda route: route.fulfill(json=another))
    stubbed.reload()
    expect(stubbed.locator("#past")).to_contain_text("Another model has taken over since")
    expect(stubbed.locator("#words-heading")).to_be_hidden()


def test_a_pasted_link_is_told_what_to_do(page: "Page"):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    headline = page.get_by_label("Headline", exact=True)
    for link in (
        "https://news.example/a-story?id=1",
        " www.news.example/x ",
        "HTTP://NEWS.EXAMPLE",
        "bit.ly/3xYz12A",
        "news.example",
        "news.example:8080/2026/a-story#top",
        "https://news.example/2020/ budget story.html",
        "Look at this: https://news.example/a-story",
        "https://news.example/a https://news.example/b",
    ):
        headline.fill(link)
        expect(page.locator("#title-error")).to_contain_text("the service opens no pages")
        page.get_by_role("button", name="Check", exact=True).click()
        expect(headline).to_be_focused()
    for words in (
        "See https://news.example for the story",
        "Amazon.com cuts 9,000 jobs",
        "U.S. votes",
        "Node.js/Deno merger falls apart",
        "No.",
    ):
        headline.fill(words)
        expect(page.locator("#title-error")).to_be_empty()
    headline.fill("A headline")
    page.get_by_role("textbox", name="Article").fill("https://news.example/a")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.locator("#text-error")).to_contain_text("paste the words of the article here")
    assert asked == []


def test_what_is_missing_for_a_verdict(stubbed: "Page", service: Server):
    answer, model = unsure(service, "uncertain")
    low, high = model["abstain_between"]
    model["reads_text"] = True
    stubbed.route("**/model", lambda route: route.fulfill(json=model))
    stubbed.route("**/predict", lambda route: route.fulfill(json=answer))
    stubbed.route("**/explain", refuse(500, "failed", "No."))
    stubbed.goto("/")
    headline = stubbed.get_by_label("Headline", exact=True)
    headline.fill(TITLE)
    stubbed.get_by_role("button", name="Check", exact=True).click()
    missing = stubbed.locator("#missing-list li")
    expect(missing).to_have_count(2)
    half = f"{float(percent((high - low) / 2).removesuffix('%')):g} points"
    expect(missing.first).to_contain_text(f"{half} more for “fake”, or {half} less for “real”")
    expect(missing.last).to_contain_text("paste it below the headline")

    stubbed.unroute("**/predict")
    strange, _ = unsure(service, "out_of_distribution")
    stubbed.route("**/predict", lambda route: route.fulfill(json=strange))
    stubbed.get_by_role("textbox", name="Article").fill(TEXT)
    stubbed.get_by_role("button", name="Check", exact=True).click()
    expect(missing).to_have_count(1)
    expect(missing).to_contain_text("An article like the 70 that this model was trained on")


def test_a_model_of_headlines_asks_for_no_article(stubbed: "Page", service: Server):
    model = httpx.get(f"{service.url}/model").json()
    stubbed.route("**/model", lambda route: route.fulfill(json=model | {"reads_text": False}))
    stubbed.goto("/")
    expect(stubbed.locator("#facts")).to_contain_text("headline only")
    expect(stubbed.locator("#text")).to_be_hidden()
    expect(stubbed.locator("#keys")).to_be_hidden()


def test_a_phone_is_told_of_no_keys(browser: "Browser", service: Server):
    context = browser.new_context(
        base_url=service.url, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True
    )
    page = context.new_page()
    page.goto("/")
    expect(page.locator("#model")).to_be_visible()
    expect(page.locator("#keys")).to_be_hidden()
    context.close()


def test_ids_and_commands_are_copied(page: "Page"):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    predicted, _ = check(page, TITLE)
    for name, copied in {
        "Copy the request id": predicted["request_id"],
        "Copy the command": f"fakenews audit {predicted['request_id']}",
        "Copy the link": page.url,
    }.items():
        page.get_by_role("button", name=name).click()
        expect(page.locator("#copied")).to_have_text("Copied.")
        assert page.evaluate("navigator.clipboard.readText()") == copied
    # Over plain HTTP from another machine browsers have no clipboard.
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.get_by_role("button", name="Copy the id of the model").click()
    expect(page.locator("#copied")).to_have_text("Copied.")
    assert page.evaluate("getSelection().toString()") == predicted["model_id"]


def test_history_stays_in_the_browser(page: "Page"):
    first, _ = check(page, TITLE)
    check(page, "Another headline")
    entries = page.locator("#history a")
    expect(entries).to_have_text(["Another headline", TITLE])
    page.goto("/")
    expect(entries).to_have_count(2)
    entries.last.click()
    expect(page.locator("#request-id")).to_have_text(first["request_id"])

    page.get_by_label("Remember what I check").uncheck()
    check(page, "Not remembered")
    expect(entries).to_have_count(2)
    page.get_by_role("button", name="Clear the history").click()
    expect(entries).to_have_count(0)
    page.reload()
    expect(page.get_by_label("Remember what I check")).not_to_be_checked()
    assert page.evaluate("JSON.parse(localStorage['fakenews-history']).checks") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page: "Page", scheme: Literal["light", "dark"]):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")

    def violations() -> list[str]:
        found = axe.Axe().run(page).response["violations"]
        return [f"{one['id']}: {[node['target'] for node in one['nodes']]}" for one in found]

    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    assert violations() == []
    check(page, TITLE, TEXT)
    upload(page, ["First", "Second", ""])
    page.get_by_role("button", name="Details of row 2").click()
    page.get_by_text("Model card", exact=True).click()
    page.get_by_text("Where to check the claim itself").click()
    page.get_by_label("Headline", exact=True).fill("https://news.example")
    assert violations() == []
    page.goto("/docs")
    page.get_by_text("Test articles to try").click()
    expect(page.get_by_text("Parameters").first).to_be_visible()
    assert violations() == []
    ground = imread(BytesIO(page.screenshot()))[-1, 0, :3]
    assert (ground.mean() < 0.5) == (scheme == "dark")
    page.goto("/model/card")
    assert violations() == []


def test_a_row_of_a_file_is_counted_opened_and_labelled(page: "Page"):
    upload(page, ["First", "", "Third", "", "x" * 1001])
    expect(page.locator("#file-status")).to_contain_text("Done")
    reasons = page.locator("#reasons li")
    expect(reasons.filter(has_text="Not judged: no title, 2")).to_have_count(1)
    expect(reasons.filter(has_text="Not judged: title longer than 1,000 characters, 1")).to_have_count(1)

    page.get_by_role("button", name="Not judged 3").click()
    assert page.locator("#rows tr td:first-child").all_inner_texts() == ["2", "4", "5"]
    page.get_by_role("button", name="Not judged 3").click()
    assert page.locator("#rows tr").count() == 5

    details = page.get_by_role("button", name="Details of row 3")
    details.click()
    row = page.locator("#rows tr.details")
    with page.expect_response("**/feedback") as sent:
        row.get_by_role("button", name="It is fake").click()
    assert sent.value.ok
    body = sent.value.request.post_data_json
    assert body is not None
    assert (body["row"], body["label"]) == (3, 1)
    expect(row).to_contain_text("this article is fake")
    expect(row.locator("code")).to_have_text(f"fakenews audit {body['request_id']} --row 3")
    details.click()
    expect(row).to_have_count(0)
    expect(page.locator("#rows")).to_contain_text("you: fake")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download my labels").click()
    assert download.value.path().read_text().split() == [
        "row,true_label,request_id",
        f"3,1,{body['request_id']}",
    ]

    details.click()
    expect(row).to_contain_text("this article is fake")
    row.get_by_role("link", name="Open this answer alone").click()
    expect(page.locator("#title-words")).to_have_text("Third")
    expect(page.locator("#audit")).to_have_text(re.compile(r"--row 3$"))
    with page.expect_response("**/feedback") as again:
        page.locator("#feedback").get_by_role("button", name="Take it back").click()
    assert again.value.ok
    body = again.value.request.post_data_json
    assert body is not None
    assert (body["row"], body["label"]) == (3, None)
