"""Rejected rows in words: their kinds, each with an example."""

from typing import Final

import polars as pl

_EXAMPLE_CHARS: Final = 80


def kinds_of_rejects(quarantine: pl.DataFrame, most: int = 10) -> list[tuple[str, int]]:
    """The most common kinds of rejected rows, with the place and the beginning of the first row of each, and how many
    rows there are of it.

    Args:
        quarantine: QUARANTINE_SCHEMA.
        most: how many kinds.
    """
    kinds = (
        quarantine.sort("row")
        .group_by("reason", "detail", maintain_order=True)
        .agg(pl.len(), pl.col("row", "line", "lines", "record").first())
        .sort("len", descending=True, maintain_order=True)
        .head(most)
    )
    return [(_in_words(kind), kind["len"]) for kind in kinds.iter_rows(named=True)]


def _in_words(kind: dict[str, str | int | None]) -> str:
    what = f"{kind['reason']}: {kind['detail']}".removesuffix(": ")
    place = f"row {kind['row']:,}" + (f", line {kind['line']:,}" if kind["line"] is not None else "")
    if isinstance(kind["lines"], int) and kind["lines"] > 1:
        place += f" and the {kind['lines'] - 1:,} after it"
    record = " ".join(str(kind["record"] or "").split()).strip(" |")
    example = f"{record[:_EXAMPLE_CHARS]}…" if len(record) > _EXAMPLE_CHARS else record
    return f"{what} (first at {place}{f': {example}' if example else ''})"
