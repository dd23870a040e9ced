"""What Evidently's pages lack: a title, what they are about, a way back, and tests that open on the tests.

Its API offers none of these, so the finished HTML is changed, in as few places as possible.
"""

from collections.abc import Collection
from datetime import date
from html import escape
from typing import Final

from fakenews_assets.monitoring.drift.verdict import DRIFT_PAGES, DriftVerdict

_OPENS_ON_METRICS: Final = 'useState("metrics")'
"""In Evidently's script: the tab that a page with tests shows first."""

_CURRENT: Final = ' aria-current="page"'

_STYLE: Final = """\
.about { margin: 0; padding: 1rem 1.5rem; background: #1b2330; color: #e7ebf1; font: 0.9375rem/1.5 system-ui, sans-serif; }
.about h1 { margin: 0.25rem 0; font-size: 1.4rem; line-height: 1.3; }
.about p { margin: 0.25rem 0 0; }
.about a { color: #9cc4f5; margin-right: 1rem; }
.about a:focus-visible { outline: 3px solid #9cc4f5; outline-offset: 2px; }
.about [aria-current] { color: #e7ebf1; font-weight: 650; text-decoration: none; }
"""


def with_heading(html: str, pages: Collection[str], name: str, day: date, verdict: DriftVerdict) -> str:
    """One of Evidently's pages, with a heading and links.

    Args:
        html: as Evidently writes it.
        pages: names of all pages of the day.
        name: of this one.
        day: that it is about.
        verdict: of that day.
    """
    title = f"{DRIFT_PAGES[name].title} of {day:%-d %B %Y}"
    links = "".join(
        f'<a href="{page}.html"{_CURRENT if page == name else ""}>{about.title}</a>'
        for page, about in DRIFT_PAGES.items()
        if page in pages
    )
    heading = (
        f'<header class="about"><nav aria-label="Pages"><a href="/">← Monitoring</a>{links}</nav><h1>{title}</h1>'
        f"<p>{escape(verdict.summary)}</p>"
        f"<p>Model {escape((verdict.model_id or '')[:12])} ({escape(verdict.candidate or '')}). Its test split of"
        f" {verdict.reference_rows:,} articles is the reference.</p></header>"
    )
    page = html.replace("<head>", f"<head><title>{title} – fakenews</title><style>{_STYLE}</style>", 1)
    page = page.replace("<body>", f"<body>{heading}", 1)
    page = page.replace('<div id="root_', '<div role="main" id="root_', 1)
    if name == "drift_tests":
        page = page.replace(_OPENS_ON_METRICS, 'useState("tests")', 1)
    return page
