import re
from pathlib import Path

from fakenews_assets.common.plotting import in_few_colours, new_figure, to_data_uri, to_png
from fakenews_assets.evaluation.reports.reporting import stored_plots
from fakenews_assets.registry.bundle import CARD_URL
from fakenews_assets.registry.champion import ChampionRegistry
from fakenews_assets.selection.card.page import to_html
from fakenews_resources.storage.store import Store

SMUGGLED = (
    '<img src=x onerror="alert(1)">',
    "![](http://elsewhere.example/a.png)",
    "[here](http://elsewhere.example)",
    "<http://elsewhere.example>",
    "<script>alert(1)</script>",
)
CARD = f"""# Model card: a & b

> **Beware.**

- **Owner:** somebody

## What it is

A model.

| source | articles | verdict |
| --- | --- | --- |
| {" ".join(SMUGGLED)} | 1,234 | 2 good |

[label]: http://elsewhere.example

{"<div onclick=alert(1)>"}

## Limits

- It knows nothing.

### Slices

| slice | articles |
| --- | --- |
| one | 1 |

```sh
curl
```
"""


def test_a_card_becomes_a_page_of_sections_tables_and_pictures():
    figure, _ = new_figure()
    page = to_html(CARD, {'A "plot"': to_png(figure)})

    assert "<title>Model card: a &amp; b</title>" in page
    assert '<h2 id="section-1">What it is</h2>' in page
    assert '<a href="#section-2">Limits</a>' in page
    assert '<td class="number">1,234</td>' in page
    assert '<th scope="col" class="number">articles</th>' in page
    assert "<td>2 good</td>" in page
    assert 'alt="A &quot;plot&quot;"' in page
    assert page.index("</main>") > page.index("<figure>") > page.rindex("</table>")
    assert page == to_html(CARD, {'A "plot"': to_png(figure)})


def test_nothing_out_of_the_data_becomes_markup():
    page = to_html(CARD, {})

    assert set(re.findall(r"<(\w+)", page.split("<body>")[1])) <= {
        *(
            "nav",
            "ol",
            "li",
            "a",
            "main",
            "h1",
            "h2",
            "blockquote",
            "p",
            "strong",
            "section",
            "ul",
            "header",
            "h3",
            "pre",
            "code",
        ),
        *("div", "table", "thead", "tbody", "tr", "th", "td"),
    }
    assert re.findall(r'(?:href|src)="([^"#][^"]*)"', page) == []
    for text in ("&lt;script&gt;", "![](http://elsewhere.example/a.png)", "&lt;div onclick=alert(1)&gt;"):
        assert text in page


def test_a_picture_stands_in_the_section_of_its_tables():
    figure, _ = new_figure()
    page = to_html(CARD, {"Slices": to_png(figure)})

    assert re.search(
        r'<h3>Slices</h3>\s<div class="beside"><div>.*<figure>.*</figure></div></div></section>', page, re.S
    )


def test_tables_and_code_can_be_scrolled_without_a_mouse_and_have_names_of_their_own():
    page = to_html(CARD, {})

    boxes = re.findall(r'<(?:div|pre) role="region" aria-label="([^"]+)" tabindex="0"', page)
    assert boxes == ["What it is, box 1", "Slices, box 2", "Slices, box 3"]
    assert page.count("<table>") + page.count("<pre") == len(boxes)
    assert not re.findall(r"<th(?! scope)[ >]", page)


def test_the_page_of_a_bundle_needs_nothing_but_itself(trained: Path):
    models = Store(trained / ".fakenews").bundles.root
    pointer = ChampionRegistry(models).champion()
    assert pointer is not None
    page = (models / pointer.bundle / "model_card.html").read_text(encoding="utf-8")

    assert len(page) < 500_000
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert {"Reliability", "Confusion", "Curves", "Slices", "Leaderboard"} <= set(captions)
    assert re.findall(r"<script|@import|url\(|https?://", page.replace(CARD_URL, "")) == []
    sources = re.findall(r'src="([^"]*)"', page)
    assert len(sources) == len(captions)
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    # They show the test split, as the scores beside them do.
    judged = Store(trained / ".fakenews").current("evaluation/baseline").path
    assert all(to_data_uri(in_few_colours(png, 64)) in sources for png in stored_plots(judged).values())
    assert "prove only that the plumbing works" in page
