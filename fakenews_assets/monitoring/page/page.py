"""Writes the self-contained monitoring page."""

from collections.abc import Sequence
from datetime import date, timedelta
from html import escape
from pathlib import Path
from typing import Final

from fakenews_assets.common.plotting import to_svg
from fakenews_assets.monitoring.page.history import Day
from fakenews_assets.monitoring.page.plots import drift_plot, performance_plot, share_plot, traffic_plot
from fakenews_assets.registry.champion import Pointer

PAGE_FILE: Final = "index.html"

_STYLE: Final = Path(__file__).with_name("page.css")

_PAGE_TITLES: Final = {"data_drift": "drift", "drift_tests": "tests", "text_metrics": "texts"}


def last_days(until: date, count: int) -> list[date]:
    """So many days in a row, the last of them `until`."""
    return [until - timedelta(days=back) for back in range(count - 1, -1, -1)]


def monitoring_html(days: Sequence[Day], champions: Sequence[Pointer], note: str | None) -> str:
    """Write the page; equal input gives an equal page.

    Args:
        days: in a row, the oldest first; at least one.
        champions: the champion's history, the oldest first.
        note: warning that belongs beside every score.
    """
    changes = [pointer.promoted_at.date() for pointer in champions]
    plots = [plot(days, changes) for plot in (traffic_plot, share_plot, drift_plot, performance_plot)]
    warning = f'<p class="note">{escape(note)}</p>' if note else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Monitoring – fakenews</title>
<style>
{_STYLE.read_text(encoding="utf-8")}</style>
</head>
<body>
<h1>The service from {days[0].day:%d %B} to {days[-1].day:%d %B %Y}</h1>
{warning}
<section class="cards">{_cards(days, champions)}</section>
<section class="plots">{"".join(f"<figure>{to_svg(plot)}</figure>" for plot in plots)}</section>
<h2>Champions</h2>
{_champions(champions)}
<h2>Days</h2>
{_days(days)}
<p class="quiet">Days are those of UTC. A day counts from its reports on; <code>fakenews report DAY</code> makes them.</p>
</body>
</html>
"""


def _cards(days: Sequence[Day], champions: Sequence[Pointer]) -> str:
    drift = next((day for day in reversed(days) if day.drift), None)
    performance = next((day for day in reversed(days) if day.performance), None)
    answers = sum(day.traffic.answers for day in days if day.traffic)
    champion = champions[-1] if champions else None
    return "".join(
        [
            _card(
                "Champion",
                champion.bundle[:12] if champion else "none yet",
                f"since {champion.promoted_at:%d %B %Y, %H:%M} UTC" if champion else "",
            ),
            _card("Answers", f"{answers:,}", f"in {len(days)} days"),
            _card(
                "Drift",
                _word(drift.drift.drifted if drift and drift.drift else None, "drifted", "as usual"),
                f"{drift.day:%d %B}: {drift.drift.summary}" if drift and drift.drift else "no report yet",
                alarm=bool(drift and drift.drift and drift.drift.drifted),
            ),
            _card(
                "Quality",
                _word(
                    performance.performance.dropped if performance and performance.performance else None,
                    "dropped",
                    "as evaluated",
                ),
                f"{performance.day:%d %B}: {performance.performance.summary}"
                if performance and performance.performance
                else "no report yet",
                alarm=bool(performance and performance.performance and performance.performance.dropped),
            ),
        ]
    )


def _word(verdict: bool | None, bad: str, good: str) -> str:
    return "not known" if verdict is None else bad if verdict else good


def _card(name: str, value: str, detail: str, *, alarm: bool = False) -> str:
    kind = "card alarm" if alarm else "card"
    return f'<div class="{kind}"><h3>{name}</h3><p class="value">{escape(value)}</p><p>{escape(detail)}</p></div>'


def _champions(champions: Sequence[Pointer]) -> str:
    rows = [
        [
            f"{pointer.promoted_at:%Y-%m-%d %H:%M}",
            f"<code>{pointer.bundle[:16]}</code>",
            escape(pointer.action),
            escape(pointer.promoted_by),
            escape(pointer.reason),
        ]
        for pointer in reversed(champions)
    ]
    return (
        _table(["when", "bundle", "what", "by", "why"], rows) if rows else "<p>There is no champion yet.</p>"
    )


def _days(days: Sequence[Day]) -> str:
    rows = []
    for day in reversed(days):
        if not (day.traffic or day.drift or day.performance):
            continue
        traffic, drift, performance = day.traffic, day.drift, day.performance
        links = " ".join(
            f'<a href="reports/{day.day}/{page}.html">{_PAGE_TITLES[page]}</a>' for page in day.pages
        )
        latency = (
            f"{traffic.latency_p50_ms:.0f} / {traffic.latency_p95_ms:.0f}"
            if traffic and traffic.latency_p50_ms is not None and traffic.latency_p95_ms is not None
            else ""
        )
        rows.append(
            [
                str(day.day),
                f"{traffic.answers:,}" if traffic else "",
                f"{traffic.real:,} / {traffic.fake:,} / {traffic.unsure:,}" if traffic else "",
                latency,
                escape(drift.summary) if drift else "",
                links,
                escape(performance.summary) if performance else "",
            ]
        )
    head = [
        "day",
        "answers",
        "real / fake / unsure",
        "ms, half / 95 %",
        "drift",
        "pages",
        "quality by late labels",
    ]
    return _table(head, rows) if rows else "<p>There is no report yet.</p>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    heads = "".join(f"<th>{name}</th>" for name in head)
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div>'
