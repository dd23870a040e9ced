"""The leaderboard as Markdown, for the UI and the reports."""

from collections.abc import Sequence

import polars as pl

from fakenews_assets.common import markdown
from fakenews_assets.evaluation.reports.leaderboard import Entry


def leaderboard_markdown(table: pl.DataFrame, note: str | None = None) -> str:
    """Report a leaderboard as a Markdown table that fits the dialog of the UI; candidates on the front are in bold, and
    the champion is named.

    Args:
        table: as `leaderboard_table` returns it.
        note: warning shown beside the scores.
    """
    entries = [Entry.model_validate(row) for row in table.iter_rows(named=True)]
    head = (
        "candidate",
        "unseen: ROC AUC",
        "unseen: macro-F1",
        "seen: macro-F1",
        "accuracy",
        "ECE",
        "ms: headline / article",
        "articles/s",
        "speed-up",
        "MB",
    )
    rows = [
        (
            _marked(one),
            _with_interval(one.unseen_roc_auc, one.unseen_low, one.unseen_high, "not measured"),
            _score(one.unseen_macro_f1),
            _with_interval(one.macro_f1, one.low, one.high, "undefined"),
            _score(one.accuracy),
            _score(one.ece),
            f"{one.latency_headline_ms:.2f} / {one.latency_article_ms:.2f}",
            f"{one.rows_per_second:,.0f}",
            "" if one.speedup is None else f"{one.speedup:.2f}x",
            f"{one.megabytes:,.1f}",
        )
        for one in entries
    ]
    parts = [
        markdown.table(head, rows),
        "Unseen: test articles of publishers that no candidate was trained on, with the interval over publishers. Seen: the"
        " other test articles, with the interval over rows. Article: a title and 200 words.",
        "Bold: on the Pareto front, so no other candidate is at least as good and as fast (macro-F1, articles/s)"
        " and better in one of the two. Candidates are ordered by their quality on the selection split. All"
        " scores here are of the test split, which decides nothing.",
        *_spread_parts(entries),
    ]
    return "\n\n".join([f"> **{note}**", *parts] if note else parts)


def _marked(entry: Entry) -> str:
    name = markdown.cell(entry.candidate)
    return f"{f'**{name}**' if entry.on_pareto_front else name}{' (champion)' if entry.is_champion else ''}"


def _spread_parts(entries: Sequence[Entry]) -> list[str]:
    measured = [one for one in entries if one.seed_mean is not None or one.source_disjoint is not None]
    if not measured:
        return []
    rows = [
        (
            markdown.cell(one.candidate),
            "" if one.seeds is None else str(one.seeds),
            _score(one.seed_mean),
            _score(one.seed_sd),
            ""
            if one.seed_low is None or one.seed_high is None
            else f"{one.seed_low:.3f} to {one.seed_high:.3f}",
            _score(one.source_disjoint),
            _score(one.time_ordered),
        )
        for one in measured
    ]
    head = (
        "candidate",
        "seeds",
        "macro-F1, mean",
        "sd",
        "interval of the mean",
        "source-disjoint",
        "time-ordered",
    )
    return [
        "The same recipes, retrained with several seeds (`generalization`) and evaluated on unseen sources "
        "and later times:",
        markdown.table(head, rows),
    ]


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _with_interval(value: float | None, low: float | None, high: float | None, missing: str) -> str:
    if value is None:
        return missing
    return _score(value) if low is None or high is None else f"{value:.3f} ({low:.3f} to {high:.3f})"
