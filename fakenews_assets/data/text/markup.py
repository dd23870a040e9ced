"""What a file's way to an article leaves in its text: HTML tags and scripts, entities, wrongly decoded characters."""

import html
from collections.abc import Callable
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

_TAGS, _ENTITIES, _MOJIBAKE = MARKUP_COUNTS = ("HTML tags", "HTML entities", "mojibake")
"""Kinds of markup, as they are counted."""

_INLINE: Final = (
    "a|abbr|acronym|b|bdi|bdo|big|cite|code|data|del|dfn|em|font|i|ins|kbd|label|mark|q|s|samp|small|span|strike|strong|sub"
    "|sup|time|tt|u|var|wbr"
)
_BLOCK: Final = (
    "address|article|aside|audio|blockquote|body|br|button|canvas|caption|center|col|colgroup|dd|details|div|dl|dt|embed"
    "|fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|header|hr|html|iframe|img|input|legend|li|link|main"
    "|map|meta|nav|noscript|object|ol|optgroup|option|p|param|picture|pre|progress|script|section|select|source|style"
    "|summary|svg|table|tbody|td|template|textarea|tfoot|th|thead|title|tr|track|ul|video"
)
_ATTRIBUTES: Final = r"(?:\s(?:[^<>\"']|\"[^\"]*\"|'[^']*')*)?/?"
_REPLACED: Final = (
    # A script or a style goes with what is in it; one that never ends reaches to the end, as in a browser.
    (r"(?is)<script\b[^>]*>.*?(?:</script\s*>|\z)|<style\b[^>]*>.*?(?:</style\s*>|\z)", " "),
    (r"(?is)<!--.*?(?:-->|\z)|<!doctype[^>]*>", " "),
    (r"(?i)<sup(?:\s[^<>]*)?>\s*(\d+)\s*</sup\s*>", "^$1"),
    (rf"(?i)</?(?:{_INLINE}){_ATTRIBUTES}>", ""),
    (rf"(?i)</?(?:{_BLOCK}){_ATTRIBUTES}>", " "),
)
"""Tags by name, so that "a < b > c" stays. One that stands within a word joins, any other separates."""

_ENTITY: Final = r"&(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z]\w*);"
_SUSPECT: Final = (
    r"[\x{C2}-\x{F4}][\x{80}-\x{BF}\x{20AC}\x{201A}\x{192}\x{201E}\x{2026}\x{2020}\x{2021}\x{2C6}\x{2030}\x{160}\x{2039}"
    r"\x{152}\x{17D}\x{2018}-\x{201D}\x{2022}\x{2013}\x{2014}\x{2DC}\x{2122}\x{161}\x{203A}\x{153}\x{17E}\x{178}]"
    r"|\x{201A}\x{C4}|\x{221A}[\x{A9}\x{AE}\x{B1}\x{B6}\x{BA}]"
)
"""What UTF-8 looks like when it is read as Windows-1252 or Mac Roman. Whether it is that, ftfy decides."""
MARKUP: Final = rf"<[A-Za-z/!]|{_ENTITY}|{_SUSPECT}"
"""Where there may be any of it."""


def without_markup(column: pl.Series, counts: dict[str, int]) -> pl.Series:
    """Texts without HTML, with entities and wrongly decoded characters put right.

    Args:
        column: texts.
        counts: by `MARKUP_COUNTS`; raised by the number of texts that held each kind.
    """
    column = _changed(column, r"<[A-Za-z/!]", _untagged, counts, _TAGS)
    column = _changed(column, _ENTITY, _mapped(html.unescape), counts, _ENTITIES)
    return _changed(column, _SUSPECT, _mapped(_repaired), counts, _MOJIBAKE)


def _changed(
    column: pl.Series,
    pattern: str,
    change: Callable[[pl.Series], pl.Series],
    counts: dict[str, int],
    kind: str,
) -> pl.Series:
    held = column.str.contains(pattern)
    if not held.any():
        return column
    before = column.filter(held)
    after = change(before)
    counts[kind] += int((before != after).sum())
    return put(column, held, after)


def put(column: pl.Series, rows: pl.Series | NDArray[np.integer], values: pl.Series) -> pl.Series:
    """The column with other values in some rows.

    Args:
        column: whole.
        rows: Booleans of the column's length, or row numbers.
        values: one for each of these rows.
    """
    numbers = np.flatnonzero(rows) if isinstance(rows, pl.Series) else rows
    return column.clone().scatter(numbers, values)  # scatter writes into its own series


def _untagged(column: pl.Series) -> pl.Series:
    for pattern, replacement in _REPLACED:
        column = column.str.replace_all(pattern, replacement)
    return column


def _mapped(change: Callable[[str], str]) -> Callable[[pl.Series], pl.Series]:
    return lambda column: pl.Series(column.name, map(change, column), dtype=pl.String)


def _repaired(text: str) -> str:
    import ftfy  # which most processes never need

    return ftfy.fix_encoding(text)
