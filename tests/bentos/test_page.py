"""The page in a real browser, against a real server."""

import csv
import io
import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.pages import (
    NAMES,
    WORDS,
    check,
    expect,
    needs_chromium,
    percent,
    playwright,
    refuse,
    shown,
    table,
    upload,
)
from tests.support.pages import browser as browser
from tests.support.pages import failures as failures
from tests.support.pages import page as page
from tests.support.pages import stubbed as stubbed
from tests.support.servers import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = needs_chromium

# Outside the basic plane: JavaScript counts these as two characters, the API as one.
TITLE = "SHOCKING 😱 Senate 🗳️ hid the budget"
INJECTION = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>'
KEY = "a-key-of-sixteen-characters"


def test_headline_gets_its_verdict_and_its_words(page: "Page"):
    predicted, explained = check(page, TITLE)

    expect(page.locator("#verdict-word")).to_have_text(WORDS[predicted["verdict"]])
    promise = "at least 98% of such verdicts are right, with 95% confidence"
    expect(page.locator("#how-often")).to_contain_text(promise if predicted["label"] is not None else "")
    expect(page.locator("#probability")).to_have_text(percent(predicted["probability"]))
    meter = page.get_by_role("meter", name="Probability of fake")
    assert float(meter.get_attribute("aria-valuenow") or "") == pytest.approx(
        100 * predicted["probability"], abs=0.06
    )
    expect(page.locator("#request-id")).to_have_text(predicted["request_id"])
    expect(page.locator("#model-id")).to_have_text(predicted["model_id"])

    expect(page.locator("#title-words")).to_have_text(TITLE)
    marks = page.locator("#title-words .word").evaluate_all(
        "all => all.map(e => [e.textContent, e.className])"
    )
    assert [word for word, _ in marks] == TITLE.split() == [word["word"] for word in explained["words"]]
    for (_, kind), word in zip(marks, explained["words"], strict=True):
        assert kind in ("word", "word fake" if word["weight"] > 0 else "word real")
    expect(page.locator("#text-words")).to_be_hidden()


def test_article_goes_with_control_and_enter(page: "Page"):
    text = "\n\n".join(f"Paragraph {row} says nothing new." for row in range(40))
    page.get_by_label("Headline", exact=True).fill(TITLE)
    page.get_by_role("textbox", name="Article").fill(text)
    with page.expect_response("**/explain") as explained:
        page.get_by_role("textbox", name="Article").press("Control+Enter")
    answer = explained.value.json()
    assert explained.value.request.post_data_json == {"title": TITLE, "text": text}
    own = [word["word"] for word in answer["words"] if word["field"] == "text"]

    expect(page.locator("#words")).to_be_visible()
    expect(page.locator("#text-words .word")).to_have_text(own)
    expect(page.locator("#text-words")).to_be_visible(visible=bool(own))
    expect(page.locator("#words-truncated")).to_be_visible(visible=answer["words_truncated"])


def test_feedback_reaches_the_service(page: "Page"):
    predicted, _ = check(page, TITLE)
    with page.expect_response("**/feedback") as sent:
        page.get_by_role("button", name="It is fake").click()
    assert sent.value.ok
    body = json.loads(sent.value.request.post_data or "")
    assert (body["request_id"], body["label"]) == (predicted["request_id"], 1)
    expect(page.locator("#feedback .feedback-status")).to_contain_text("this article is fake")
    page.reload()  # it is remembered here
    expect(page.locator("#feedback .feedback-status")).to_contain_text("this article is fake")
    # Said once is said; `force`, for the browser knows that the button no longer does anything.
    page.get_by_role("button", name="It is real").click(force=True)
    expect(page.locator("#feedback .feedback-status")).to_contain_text("this article is fake")

    with page.expect_response("**/feedback") as taken_back:
        page.get_by_role("button", name="Take it back").click()
    assert json.loads(taken_back.value.request.post_data or "")["label"] is None
    assert taken_back.value.ok
    expect(page.locator("#feedback .feedback-status")).to_have_text("Taken back.")
    expect(page.get_by_role("button", name="Take it back")).to_be_hidden()
    with page.expect_response("**/feedback"):
        page.get_by_role("button", name="It is real").click()

    # The next article is asked about anew.
    check(page, "Another one")
    expect(page.locator("#feedback .feedback-status")).to_be_empty()
    with page.expect_response("**/feedback"):
        page.get_by_role("button", name="It is real").click()


def test_headline_that_cannot_be_sent(page: "Page"):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    headline = page.get_by_label("Headline", exact=True)
    button = page.get_by_role("button", name="Check", exact=True)
    headline.fill("  ")
    button.click()
    expect(page.locator("#title-error")).to_have_text("Paste a headline first.")
    expect(headline).to_be_focused()
    headline.fill("😱" * 1001)
    expect(page.locator("#title-count")).to_have_text("1,001 of 1,000 characters")
    button.click()
    expect(page.locator("#title-error")).to_contain_text("at most 1,000 characters")
    assert asked == []
    check(page, "😱" * 1000)
    expect(page.locator("#title-error")).to_be_empty()


def test_what_the_model_knows(page: "Page", service: Server):
    model = httpx.get(f"{service.url}/model").json()
    about = page.get_by_role("region", name="What this model knows")
    for words in ("how publishers write", "past English news", "not to remove them unread"):
        expect(about).to_contain_text(words)
    expect(about).to_contain_text(f"macro-F1 {model['evaluation']['macro_f1']:.3f}")
    expect(about).to_contain_text(f"on {model['evaluation']['rows']:,} test articles")
    expect(page.locator("#note")).to_contain_text(model["note"])
    expect(page.locator("#card")).to_be_hidden()
    about.get_by_text("Model card", exact=True).click()
    assert page.locator("#card").text_content() == model["model_card"]
    about.get_by_role("link", name="The same with pictures").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Model card: tiny")
    # The content policy lets its style pass.
    assert page.locator("body").evaluate("body => getComputedStyle(body).maxWidth") != "none"
    page.get_by_role("link", name="Back to the page").click()
    expect(page.get_by_label("Headline", exact=True)).to_be_visible()


def test_markup_is_shown_as_text(page: "Page"):
    check(page, INJECTION, INJECTION)
    expect(page.locator("#title-words")).to_have_text(INJECTION)
    upload(page, [INJECTION])
    expect(page.locator("#file-status")).to_contain_text("Done: 1 row of")
    assert shown(page)[0][1] == INJECTION
    assert page.locator("#words img, #words script, #rows img, #rows script").count() == 0
    assert page.evaluate("window.hit") is None


def test_letters_are_shown_in_their_order(page: "Page"):
    check(page, "Bank \u202eseirrow\u202c sells", "")
    expect(page.locator("#title-words")).to_have_text("Bank seirrow sells")
    expect(page.locator("#history a").first).to_have_text("Bank seirrow sells")
    upload(page, ["Bank \u202eseirrow\u202c sells"])
    expect(page.locator("#file-status")).to_contain_text("Done: 1 row of")
    assert shown(page)[0][1] == "Bank seirrow sells"


def test_file_of_five_hundred_rows(page: "Page"):
    kinds = (
        'He said "no", twice',
        "Two\nlines, {0}",
        "Emoji 😱🗳️ {0}",
        "חדשות היום, {0}",
        "=1+1 {0}",
        "",
        INJECTION,
        "the " * 70 + "{0}",
    )
    titles = [kinds[row % len(kinds)].replace("{0}", str(row)) for row in range(500)]
    with page.expect_response("**/predict_csv") as answered:
        upload(page, titles, "my news.csv")
    assert answered.value.headers["x-rows"] == "500"
    expect(page.locator("#file-status")).to_have_text(
        "Done: 500 rows of my news.csv, read as CSV in UTF-8, delimited by `,`."
    )
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "answers-my news.csv"
    received = download.value.path().read_bytes()
    assert received == answered.value.body()

    answers = list(csv.DictReader(io.StringIO(received.decode(), newline="")))
    assert [answer["title"].removeprefix("'") for answer in answers] == titles
    expected = [
        [
            answer["row"],
            title,
            NAMES[answer["verdict"]]
            + (answer["error"] or answer["abstain_reason"])
            + ("only its beginning was read" if answer["truncated"] == "1" else ""),
            percent(float(answer["probability"])) if answer["probability"] else "",
        ]
        for answer, title in zip(answers, titles, strict=True)
    ]
    assert {answer["truncated"] for answer in answers} == {"0", "1", ""}
    counts = {
        name: sum(answer["verdict"] == verdict for answer in answers) for verdict, name in NAMES.items()
    }
    assert page.locator("#counts b").all_inner_texts() == [
        str(counts[name]) for name in ("Fake", "Not sure", "Real", "Not judged")
    ]

    pages: list[list[list[str]]] = []
    for status in ("1–200 of 500", "201–400 of 500", "401–500 of 500"):
        expect(page.locator("#page-status")).to_have_text(status)
        pages.append(shown(page))
        page.get_by_role("button", name="Next").click(force=True)  # does nothing on the last page
    assert [len(rows) for rows in pages] == [200, 200, 100]
    assert [row for rows in pages for row in rows] == expected

    probability = page.get_by_role("columnheader", name="Probability of fake")
    for way, sign in (("descending", -1), ("ascending", 1)):
        probability.get_by_role("button").click()
        expect(probability).to_have_attribute("aria-sort", way)
        judged = sorted(
            (answer for answer in answers if answer["verdict"]),
            key=lambda answer: (sign * float(answer["probability"]), int(answer["row"])),
        )
        assert [row[0] for row in shown(page)] == [answer["row"] for answer in judged[:200]]
    assert page.locator("[aria-sort]").count() == 1
    page.get_by_role("button", name="Last").click()
    expect(page.locator("#page-status")).to_have_text("401–500 of 500")
    assert shown(page)[-1][2] == "Not judgedno title"


def test_file_by_drag_and_drop(page: "Page"):
    held = page.evaluate_handle(
        """text => {
            const held = new DataTransfer();
            held.items.add(new File([text], "dropped.csv", { type: "text/csv" }));
            return held;
        }""",
        table(["One", "Two"]),
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": held})
    expect(page.locator("#file-status")).to_contain_text("Done: 2 rows of dropped.csv")
    assert [row[1] for row in shown(page)] == ["One", "Two"]


def test_file_can_be_cancelled(page: "Page"):
    upload(page, [f"Title {row}" for row in range(50_000)])
    expect(page.locator("#progress-text")).to_contain_text("of 50,000 rows")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#file-status")).to_have_text(
        re.compile(r"^Cancelled after [\d,]+ of 50,000 rows\.$")
    )
    expect(page.locator("#download-name")).to_contain_text("only the rows that came")
    # And another may follow.
    upload(page, ["One"])
    expect(page.locator("#file-status")).to_contain_text("Done: 1 row of")
    assert len(shown(page)) == 1


def test_file_without_titles(stubbed: "Page"):
    stubbed.goto("/")
    payload = {"name": "x.csv", "mimeType": "text/csv", "buffer": b"heading\nOne\n"}
    stubbed.get_by_label("Choose a file").set_input_files(files=[payload])  # pyright: ignore[reportArgumentType]
    expect(stubbed.locator("#file-problem")).to_contain_text("title")
    expect(stubbed.locator("#file-problem button")).to_have_count(0)  # it would be refused again
    expect(stubbed.locator("#answers")).to_be_hidden()


def test_answers_may_arrive_in_any_pieces(page: "Page"):
    rows = [["row", "title"], ["1", 'a "quoted"; 😱,\r\nline'], ["2", "חדשות"], ["3", ""], ["4", '"']]
    file = io.StringIO(newline="")
    csv.writer(file).writerows(rows)
    read = page.evaluate(
        """async text => {
            const { readCsv } = await import("./page/csv.js");
            const bytes = new TextEncoder().encode(text);
            const results = [];
            for (let size = 1; size <= bytes.length; size++) {
                const body = new ReadableStream({ start(stream) {
                    for (let at = 0; at < bytes.length; at += size) stream.enqueue(bytes.slice(at, at + size));
                    stream.close();
                } });
                const rows = [];
                let kept = 0;
                for await (const found of readCsv(new Response(body), piece => (kept += piece.length))) rows.push(...found);
                results.push([rows, kept === bytes.length]);
            }
            return results;
        }""",
        file.getvalue(),
    )
    assert len(read) == len(file.getvalue().encode())
    assert all(
        result == [[dict(zip(rows[0], row, strict=True)) for row in rows[1:]], True] for result in read
    )


def test_abstention_is_explained(stubbed: "Page", service: Server):
    model = httpx.get(f"{service.url}/model").json()
    low, high = model["abstain_between"]
    answer = {
        "label": None, "verdict": "unsure", "probability": (low + high) / 2, "abstained": True,
        "abstain_reason": "uncertain",
        "request_id": "r-1", "model_id": model["model_id"],
    }  # fmt: skip
    weighed = {"field": "title", "word": "One", "start": 0, "end": 3, "weight": 0.0001}
    stubbed.route("**/predict", lambda route: route.fulfill(json=answer))
    stubbed.route(
        "**/explain",
        lambda route: route.fulfill(json={**answer, "words": [weighed], "words_truncated": True}),
    )
    stubbed.goto("/")
    check(stubbed, "One two")
    expect(stubbed.locator("#verdict-word")).to_have_text("Not sure")
    expect(stubbed.locator("#verdict-reason")).to_have_text(
        f"The model declines to answer: between {percent(low)} and {percent(high)} it would be wrong too often."
    )
    expect(stubbed.locator("#band-legend")).to_contain_text(f"{percent(low)} to {percent(high)}")
    expect(stubbed.locator("#threshold-legend")).to_contain_text(percent(model["threshold"]))
    # A weight next to nothing is not coloured as if it were the reason.
    expect(stubbed.locator("#words mark:not(.sample)")).to_have_count(0)
    expect(stubbed.locator("#words-status")).to_contain_text("No single word matters")
    expect(stubbed.locator("#words-truncated")).to_contain_text("first 1 words")


def test_what_is_out_of_distribution_is_called_so(stubbed: "Page", service: Server):
    model = httpx.get(f"{service.url}/model").json()
    answer = {
        "label": None, "verdict": "unsure", "probability": None, "abstained": True,
        "abstain_reason": "out_of_distribution",
        "request_id": "r-1", "model_id": model["model_id"],
    }  # fmt: skip
    stubbed.route("**/predict", lambda route: route.fulfill(json=answer))
    header = "row,title,label,verdict,probability,abstained,abstain_reason,error,model_id,request_id"
    lines = f"{header}\r\n1,Uno,,unsure,,1,out_of_distribution,,m,r\r\n2,Two,,unsure,0.5,1,uncertain,,m,r\r\n"
    stubbed.route(
        "**/predict_csv",
        lambda route: route.fulfill(body=lines, headers={"X-Rows": "2", "Content-Type": "text/csv"}),
    )
    stubbed.goto("/")
    stubbed.get_by_label("Headline", exact=True).fill("Uno dos")
    stubbed.get_by_role("button", name="Check", exact=True).click()
    expect(stubbed.locator("#verdict-word")).to_have_text("Not sure")
    expect(stubbed.locator("#verdict-reason")).to_contain_text(
        "unlike the news articles that it has learnt from"
    )
    for number in ("#probability", "#meter", "#words-heading"):
        expect(stubbed.locator(number)).to_be_hidden()
    expect(stubbed.get_by_role("button", name="It is fake")).to_be_visible()
    upload(stubbed, ["Uno", "Two"])
    expect(stubbed.locator("#rows .reason")).to_have_text(["unlike the training articles", "uncertain"])
    assert [row[3] for row in shown(stubbed)] == ["", "50%"]


def test_busy_service_is_asked_once_more(stubbed: "Page"):
    stubbed.goto("/")
    busy = refuse(503, "busy", "The service is busy; try again in 1 s.", **{"Retry-After": "1"})
    stubbed.route("**/predict", busy, times=1)
    stubbed.get_by_label("Headline", exact=True).fill(TITLE)
    stubbed.get_by_role("button", name="Check", exact=True).click()
    expect(stubbed.locator("#article-status")).to_contain_text("Trying again in 1 s")
    expect(stubbed.locator("#words")).to_be_visible()

    stubbed.route("**/predict", busy, times=2)
    stubbed.get_by_role("button", name="Check", exact=True).click()
    expect(stubbed.locator("#article-problem")).to_contain_text("The service is busy")
    expect(stubbed.locator("#verdict-word")).to_be_empty()
    stubbed.get_by_role("button", name="Try again").click()
    expect(stubbed.locator("#words")).to_be_visible()
    expect(stubbed.locator("#article-problem")).to_be_hidden()


def test_key_is_asked_for_and_sent(stubbed: "Page"):
    refusal = refuse(401, "no_key", "Send the service's key in the header X-API-Key.")

    def guard(route: "Route") -> None:
        if route.request.headers.get("x-api-key") == KEY:
            route.continue_()
        else:
            refusal(route)

    stubbed.route(re.compile("/(predict|explain|model)$"), guard)
    stubbed.goto("/")
    field = stubbed.get_by_label("API key")
    expect(field).to_be_focused()
    field.fill("wrong")
    field.press("Enter")
    expect(stubbed.locator("#key-error")).to_contain_text("did not accept")
    field.fill(KEY)
    field.press("Enter")
    expect(stubbed.locator("#model")).to_be_visible()
    expect(field).to_be_hidden()
    check(stubbed, TITLE)
    assert stubbed.evaluate("Object.values(sessionStorage)") == [KEY]
    assert KEY not in stubbed.evaluate("JSON.stringify(localStorage)")
    stubbed.reload()
    expect(stubbed.locator("#model")).to_be_visible()


def test_network_failure_in_plain_words(stubbed: "Page"):
    stubbed.goto("/")
    stubbed.route("**/explain", lambda route: route.abort(), times=1)
    stubbed.get_by_label("Headline", exact=True).fill(TITLE)
    stubbed.get_by_role("button", name="Check", exact=True).click()
    # The verdict stands, even where its words do not come.
    expect(stubbed.locator("#words-problem")).to_contain_text("cannot be reached")
    expect(stubbed.locator("#verdict-word")).not_to_be_empty()
    stubbed.get_by_role("button", name="Try again").click()
    expect(stubbed.locator("#words")).to_be_visible()


def test_failure_of_something_before_the_service(stubbed: "Page"):
    stubbed.goto("/")
    stubbed.route("**/predict", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    stubbed.get_by_label("Headline", exact=True).fill(TITLE)
    stubbed.get_by_role("button", name="Check", exact=True).click()
    expect(stubbed.locator("#article-problem")).to_contain_text("answered with an error (502)")


def test_late_answer_does_not_replace_a_newer_one(stubbed: "Page"):
    held: list[Route] = []
    stubbed.route("**/predict", lambda route: held.append(route), times=1)
    stubbed.goto("/")
    stubbed.get_by_label("Headline", exact=True).fill("The first headline")
    with stubbed.expect_request("**/predict"):
        stubbed.get_by_role("button", name="Check", exact=True).click()
    predicted, _ = check(stubbed, "The second one")
    with suppress(playwright.Error):  # the browser has given it up
        held[0].continue_()
    stubbed.wait_for_timeout(500)
    expect(stubbed.locator("#title-words")).to_have_text("The second one")
    expect(stubbed.locator("#request-id")).to_have_text(predicted["request_id"])


def test_no_model_yet(stubbed: "Page"):
    stubbed.route("**/model", refuse(503, "no_model", "No model.", **{"Retry-After": "5"}), times=1)
    stubbed.goto("/")
    expect(stubbed.locator("#model-problem")).to_contain_text("No model has been selected yet")
    expect(stubbed.locator("#model-problem")).to_contain_text("make demo")
    stubbed.get_by_role("button", name="Try again").click()
    expect(stubbed.locator("#model")).to_be_visible()
    expect(stubbed.locator("#model-problem")).to_be_hidden()


def test_keyboard_is_enough(page: "Page"):
    keys = page.keyboard
    keys.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    keys.press("Enter")
    keys.press("Tab")
    expect(page.get_by_label("Headline", exact=True)).to_be_focused()
    keys.type("A headline typed by hand")
    keys.press("Enter")
    expect(page.locator("#words")).to_be_visible()
    for name in ("Article – optional", "Check", "Where to check the claim itself", "It is real"):
        keys.press("Tab")
        assert page.evaluate(
            "document.activeElement.labels?.[0]?.innerText ?? document.activeElement.innerText"
        ) == (name)
        # The focus is to be seen.
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    keys.press("Enter")
    expect(page.locator("#feedback .feedback-status")).to_contain_text("this article is real")
    for _ in range(9):  # the other label and taking this one back, the link, what can be copied, and printing
        keys.press("Tab")
    expect(page.get_by_label("Choose a file")).to_be_focused()


def test_phone_does_not_scroll_sideways(page: "Page"):
    page.set_viewport_size({"width": 360, "height": 740})
    check(page, "Unbreakable" * 60, "word " * 50)
    upload(page, ["W" * 400, "Not so long", ""])
    expect(page.locator("#file-status")).to_contain_text("Done")
    page.get_by_text("Model card", exact=True).click()
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    assert page.locator("#scroller").evaluate("box => box.scrollWidth <= box.clientWidth")


def test_everything_has_a_name(page: "Page"):
    check(page, TITLE)
    upload(page, ["One"])
    expect(page.locator("#file-status")).to_contain_text("Done")
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.locator("h1").count() == 1
    nameless = page.locator("input, textarea, select, button, a, [role=meter], progress").evaluate_all(
        """all => all.filter(e => !(e.labels?.length || e.ariaLabel || e.textContent.trim()
            || document.getElementById(e.getAttribute("aria-labelledby")))).map(e => e.outerHTML)"""
    )
    assert nameless == []
    lost = page.evaluate(
        """["for", "aria-labelledby", "aria-describedby"].flatMap(name =>
            [...document.querySelectorAll(`[${name}]`)].flatMap(e => e.getAttribute(name).split(" "))
        ).filter(id => !document.getElementById(id))"""
    )
    assert lost == []
    names = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(names) == len(set(names))


def test_page_works_behind_a_path_prefix(stubbed: "Page", service: Server):
    def strip(route: "Route") -> None:
        route.fulfill(response=route.fetch(url=route.request.url.replace("/news/", "/", 1)))

    stubbed.route("**/news/**", strip)
    asked: list[str] = []
    stubbed.on("request", lambda request: asked.append(request.url))
    stubbed.goto("/news/")
    check(stubbed, TITLE)
    assert all(url.startswith(f"{service.url}/news/") for url in asked)


def test_files_of_the_page_are_there(service: Server):
    index = httpx.get(f"{service.url}/").text
    names = set(re.findall(r'(?:href|src)="(page/[^"]+)"', index))
    assert {"page/style.css", "page/app.js", "page/icon.svg"} <= names
    assert [httpx.get(f"{service.url}/{name}").status_code for name in names] == [200] * len(names)
    # The content policy would drop them without a word to the reader.
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]*src=)", index)
