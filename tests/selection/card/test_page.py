import re
from pathlib import Path

import pytest

from fakenews_assets.common.plotting import new_figure, to_png
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

## What it is

A model.

| source | articles | verdict |
| --- | --- | --- |
| {" ".join(SMUGGLED)} | 1,234 | 2 good |

[label]: http://elsewhere.example

{"<div onclick=alert(1)>"}

## Limits

- It knows nothing.
"""


def test_a_card_becomes_a_page_of_sections_tables_and_pictures():
    figure, _ = new_figure()
    page = to_html(CARD, {'A "plot"': to_png(figure)})

    assert "<title>Model card: a &amp; b</title>" in page
    assert '<h2 id="section-1">What it is</h2>' in page
    assert '<a href="#section-2">Limits</a>' in page
    assert '<td class="number">1,234</td>' in page
    assert '<th class="number">articles</th>' in page
    assert "<td>2 good</td>" in page
    assert 'alt="A &quot;plot&quot;"' in page
    assert page.index("</table>") < page.index("<figure>") < page.index('<h2 id="section-2">Limits')
    assert page == to_html(CARD, {'A "plot"': to_png(figure)})


def test_nothing_out_of_the_data_becomes_markup():
    page = to_html(CARD, {})

    assert set(re.findall(r"<(\w+)", page.split("<body>")[1])) <= {
        *("nav", "ol", "li", "a", "main", "h1", "h2", "blockquote", "p", "strong", "section", "ul"),
        *("div", "table", "thead", "tbody", "tr", "th", "td"),
    }
    assert re.findall(r'(?:href|src)="([^"#][^"]*)"', page) == []
    for text in ("&lt;script&gt;", "![](http://elsewhere.example/a.png)", "&lt;div onclick=alert(1)&gt;"):
        assert text in page


def test_a_card_without_limits_is_refused():
    with pytest.raises(ValueError, match="has no section '## Limits'"):
        to_html("# Model card\n\nThe model's ## Limits are unknown.\n", {})


def test_the_page_of_a_bundle_needs_nothing_but_itself(trained: Path):
    models = Store(trained / ".fakenews").bundles.root
    pointer = ChampionRegistry(models).champion()
    assert pointer is not None
    page = (models / pointer.bundle / "model_card.html").read_text(encoding="utf-8")

    assert len(page) < 500_000
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert {"Reliability", "Confusion", "Curves", "Slices", "Leaderboard"} <= set(captions)
    assert re.findall(r"<script|@import|url\(|https?://", page) == []
    sources = re.findall(r'src="([^"]*)"', page)
    assert len(sources) == len(captions)
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "prove only that the plumbing works" in page
