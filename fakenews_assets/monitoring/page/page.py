"""Writes the self-contained monitoring page."""

from collections.abc import Sequence
from datetime import date, timedelta
from html import escape
from pathlib import Path
from typing import Final, Literal

from fakenews_assets.common.html import document, table
from fakenews_assets.common.plotting import to_svg
from fakenews_assets.monitoring.drift.verdict import DRIFT_PAGES
from fakenews_assets.monitoring.page.advice import advise
from fakenews_assets.monitoring.page.history import Day
from fakenews_assets.monitoring.page.plots import abstention_plot, drift_plot, performance_plot, traffic_plot
from fakenews_assets.registry.champion import Pointer

PAGE_FILE: Final = "index.html"

_STYLE: Final = Path(__file__).with_name("page.css")

_PLOTS: Final = {
    "Answers a day, by verdict": traffic_plot,
    "Abstentions a day, beside the evaluation's": abstention_plot,
    "Drift a day, in multiples of what is tolerated": drift_plot,
    "Quality by late labels, beside the evaluation's": performance_plot,
}
"""By what they show, for readers who do not see them."""

_State = Literal["good", "watch", "alarm", "none"]


def last_days(until: date, count: int) -> list[date]:
    """So many days in a row, the last of them `until`."""
    return [until - timedelta(days=back) for back in range(count - 1, -1, -1)]


def monitoring_html(
    days: Sequence[Day], champions: Sequence[Pointer], note: str | None, service: str = "The service"
) -> str:
    """Write the page; equal input gives an equal page.

    Args:
        days: in a row, the oldest first; at least one.
        champions: the champion's history, the oldest first.
        note: warning that belongs beside every score.
        service: what the page is about.
    """
    changes = [pointer.promoted_at.date() for pointer in champions]
    figures = "".join(
        f"<figure>{to_svg(plot(days, changes), name)}</figure>" for name, plot in _PLOTS.items()
    )
    warning = f'<p class="note">{escape(note)}</p>' if note else ""
    body = f"""<main>
<h1>{service} from {days[0].day:%-d %B} to {days[-1].day:%-d %B %Y}</h1>
{warning}
<section class="cards" aria-label="Latest verdicts">{_cards(days, champions)}</section>
{_next(days)}
<h2>Day by day</h2>
<section class="plots" aria-label="Plots">{figures}</section>
<h2>Reports</h2>
{_days(days)}
<p class="quiet">Days are those of UTC. A day counts from its reports on; <code>fakenews report DAY</code> makes them.</p>
<h2>Champions</h2>
{_champions(champions)}
</main>"""
    return document("Monitoring – fakenews", body, _STYLE)


def _cards(days: Sequence[Day], champions: Sequence[Pointer]) -> str:
    drift = next((day for day in reversed(days) if day.drift), Day(days[-1].day))
    quality = next((day for day in reversed(days) if day.performance), Day(days[-1].day))
    answers = sum(day.traffic.answers for day in days if day.traffic)
    champion = champions[-1] if champions else None
    return "".join(
        [
            _card("Drift", *_drift_word(drift), _detail(drift, drift.drift and drift.drift.summary)),
            _card(
                "Abstentions",
                *_abstention_word(drift),
                _detail(drift, drift.drift and drift.drift.abstention_summary),
            ),
            _card(
                "Quality",
                *_quality_word(quality),
                _detail(quality, quality.performance and quality.performance.summary),
            ),
            _card(
                "Champion",
                "none",
                champion.bundle[:12] if champion else "none yet",
                (f"Since {champion.promoted_at:%-d %B %Y, %H:%M} UTC. " if champion else "")
                + f"{answers:,} answers in {len(days)} days.",
            ),
        ]
    )


def _drift_word(day: Day) -> tuple[_State, str]:
    return _word(day.drift and day.drift.drifted, "drifted", "as usual")


def _abstention_word(day: Day) -> tuple[_State, str]:
    return _word(day.drift and day.drift.abstains_more, "too many", "as evaluated")


def _quality_word(day: Day) -> tuple[_State, str]:
    quality = day.performance
    if quality is None or quality.standing is None:
        return "none", "not known"
    return "alarm" if quality.dropped else "watch" if quality.lower else "good", quality.standing


def _word(alarm: bool | None, bad: str, good: str) -> tuple[_State, str]:
    if alarm is None:
        return "none", "not known"
    return ("alarm", bad) if alarm else ("good", good)


def _detail(day: Day, summary: str | None) -> str:
    return f"{day.day:%-d %B}: {summary}" if summary else "No report yet."


def _card(name: str, state: _State, value: str, detail: str) -> str:
    return f'<div class="card {state}"><h2>{name}</h2><p class="value">{escape(value)}</p><p>{escape(detail)}</p></div>'


def _next(days: Sequence[Day]) -> str:
    advice = "".join(
        f"<div><h3>{one.finding}</h3><ol>{''.join(f'<li>{step}</li>' for step in one.steps)}</ol></div>"
        for one in advise(days)
    )
    inside = f"<div>{advice}</div>" if advice else "<p>Nothing: no alarm is raised.</p>"
    return f'<section class="next"><h2>What to do next</h2>{inside}</section>'


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
    if not rows:
        return "<p>There is no champion yet.</p>"
    return table("Champions", ["when", "bundle", "what", "by", "why"], rows)


def _days(days: Sequence[Day]) -> str:
    rows = [_row(day) for day in reversed(days) if day.traffic or day.drift or day.performance]
    head = [
        *("day", "drift", "abstentions", "quality", "pages"),
        *("answers", "real", "fake", "unsure", "ms, median", "ms, 95 %"),
    ]
    return table("Reports", head, rows, range(5, 11)) if rows else "<p>There is no report yet.</p>"


def _row(day: Day) -> list[str]:
    traffic = day.traffic
    counts = [
        f"{getattr(traffic, name):,}" if traffic else "" for name in ("answers", "real", "fake", "unsure")
    ]
    latencies = [traffic.latency_p50_ms, traffic.latency_p95_ms] if traffic else [None, None]
    drift, quality = day.drift, day.performance
    score = f"{drift.score:.1f}×, " if drift and drift.score is not None else ""
    share = f"{drift.abstentions.share:.1%}, " if drift and drift.abstentions else ""
    value = f"{quality.value:.3f}, " if quality and quality.value is not None else ""
    links = "&nbsp;&nbsp;".join(
        f'<a href="reports/{day.day}/{page}.html">{about.link}</a>'
        for page, about in DRIFT_PAGES.items()
        if page in day.pages
    )
    return [
        str(day.day),
        _verdict(score, *_drift_word(day)) if drift else "",
        _verdict(share, *_abstention_word(day)) if drift else "",
        _verdict(value, *_quality_word(day)) if quality else "",
        links,
        *counts,
        *("" if latency is None else f"{latency:.0f}" for latency in latencies),
    ]


def _verdict(number: str, state: _State, word: str) -> str:
    return f'<span class="word {state}">{number}{word}</span>'
