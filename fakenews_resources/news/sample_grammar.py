"""A context-free grammar that writes many sentences at once, column by column.

A symbol stands for one of several templates, a template for text with further symbols in braces. Instead
of walking the tree once a row, `Grammar.write` draws the template of every row together and fills each
template for all of its rows with a handful of column operations, which is what makes a million
articles a matter of minutes.
"""

import functools
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Final

import numpy as np
import polars as pl

SLOT: Final = re.compile(r"\{([\w.]+)\}")

LONG_TAIL: Final = 1.2
"""Exponent of the rank-frequency law of what is said (Zipf's is 1). The rarer half of a list of a hundred
gets 8 % of the draws: words that a linear model meets too seldom to learn."""

SHORT_TAIL: Final = 0.4
"""The same for circumstances: names and places lead, but none so often that headlines chain."""

ERA_TURN: Final = 0.382
"""Share of a list that one era moves from its head to its tail. The golden section: no two eras among the
first dozens put the same word first."""

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


@dataclass(frozen=True)
class Symbol:
    """What a name can stand for.

    Attributes:
        templates: each as alternating literal text and symbol names, literal first and last.
        cumulative: cumulative probability of each template, ending at 1.
    """

    templates: tuple[tuple[str, ...], ...]
    cumulative: np.ndarray

    @functools.cached_property
    def words(self) -> pl.Series | None:
        """The alternatives as one column when none has a slot, else None."""
        if any(len(template) > 1 for template in self.templates):
            return None
        return pl.Series([template[0] for template in self.templates], dtype=pl.String)


def ranked(options: list[str], era: int, exponent: float) -> Symbol:
    """A word list, commonest first, turned so that other words lead in each era."""
    turn = int(era * ERA_TURN * len(options)) % len(options)
    weights = np.arange(1, len(options) + 1, dtype=np.float64) ** -exponent
    return _symbol(options[turn:] + options[:turn], weights)


def even(options: list[str]) -> Symbol:
    """Alternatives of equal chance, the same in every era."""
    return _symbol(options, np.ones(len(options)))


def _symbol(options: list[str], weights: np.ndarray) -> Symbol:
    cumulative = np.cumsum(weights / weights.sum())
    cumulative[-1] = 1.0
    return Symbol(tuple(tuple(SLOT.split(option)) for option in options), cumulative)


class Grammar:
    """Symbols by name, ready to be written out.

    A name is looked up as a column of the rows first (what stays the same throughout an article), then as
    `<scope>.<name>`, then as `<name>`.
    """

    def __init__(self, symbols: Mapping[str, Symbol]) -> None:
        self.symbols: Final = symbols

    def write(self, name: str, rows: pl.DataFrame, rng: np.random.Generator, scope: str = "") -> pl.Series:
        """Write a symbol once for every row.

        Args:
            name: the symbol.
            rows: what is fixed for each row, one column for each fixed symbol; only its height counts when
                nothing is fixed.
            rng: random generator.
            scope: register or topic whose symbols go before the common ones.

        Returns:
            One string for each row, in the order of `rows`.

        Raises:
            KeyError: a template names a symbol that nothing defines.
        """
        return self._write(name, rows, np.arange(rows.height), rng, scope)

    def _write(
        self, name: str, rows: pl.DataFrame, at: np.ndarray, rng: np.random.Generator, scope: str
    ) -> pl.Series:
        if name in rows.columns:
            return rows.get_column(name).gather(at)
        symbol = self.symbols.get(f"{scope}.{name}") or self.symbols[name]
        choice = np.searchsorted(symbol.cumulative, rng.random(len(at)), side="right")
        if symbol.words is not None:
            return symbol.words.gather(choice)
        order = np.argsort(choice, kind="stable")
        borders = np.searchsorted(choice[order], np.arange(len(symbol.templates) + 1))
        written = []
        for template, start, stop in zip(symbol.templates, borders, borders[1:], strict=False):
            if start == stop:
                continue
            members = at[order[start:stop]]
            parts = [
                self._write(part, rows, members, rng, scope) if is_slot else pl.lit(part)
                for part, is_slot in _parts(template)
            ]
            if len(template) == 1:
                parts.append(pl.Series([""]).new_from_index(0, len(members)))  # a literal has no height
            written.append(pl.select(pl.concat_str(parts).alias(name)).to_series())
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return pl.concat(written).gather(back)


def _parts(template: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    for position, part in enumerate(template):
        if part:
            yield part, position % 2 == 1


@functools.cache
def read_vocabulary() -> dict[str, dict]:
    """The packaged words and templates, by table."""
    return tomllib.loads(
        resources.files("fakenews_resources.news").joinpath("sample_vocabulary.toml").read_text("utf-8")
    )


def topics() -> list[str]:
    """Names of the subject areas, each a scope of the grammar."""
    return list(read_vocabulary()["topics"])


def load_grammar(era: int) -> Grammar:
    """Read the packaged vocabulary as it is used in one era."""
    vocabulary = read_vocabulary()
    circumstances = dict(vocabulary["circumstances"])
    for topic, lists in vocabulary["topics"].items():
        circumstances |= {f"{topic}.{name}": options for name, options in lists.items()}
    symbols = {
        name: ranked(_split(options, ","), era, exponent)
        for lists, exponent in ((circumstances, SHORT_TAIL), (vocabulary["words"], LONG_TAIL))
        for name, options in lists.items()
    }
    symbols |= {name: even(_split(options, "\n")) for name, options in vocabulary["templates"].items()}
    return Grammar(symbols | _figures())


def _split(options: str, separator: str) -> list[str]:
    if separator != "\n":
        options = options.replace("\n", " ")
    return [option.strip() for option in options.split(separator) if option.strip()]


def _figures() -> dict[str, Symbol]:
    numbers = [*range(2, 200), *range(200, 1000, 5), *range(1000, 100_000, 250)]
    return {
        "number": even([f"{number:,}" for number in numbers]),
        "percent": even([f"{tenths / 10:.1f} percent" for tenths in range(3, 900)]),
        "money": even([f"${tenths / 10:.1f} million" for tenths in range(11, 990, 3)]),
        "year": even([str(year) for year in range(1961, 2021)]),
        "day": even([str(day) for day in range(1, 29)]),
        "weekday": even(list(WEEKDAYS)),
        "month": even(list(MONTHS)),
    }
