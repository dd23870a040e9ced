"""Words that are characteristic of a class."""

from typing import Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

_PRIOR_WORDS = 500.0
_WORD_PATTERN = r"\p{L}[\p{L}\p{N}'’-]*[\p{L}\p{N}]"


class WordUse(BaseModel):
    """How much more one class uses a word than the other."""

    model_config = ConfigDict(frozen=True)

    word: str
    z: float = Field(description="Log-odds ratio over its standard error; positive means fake.")
    real: int = Field(description="Times the word occurs in real titles.")
    fake: int = Field(description="Times the word occurs in fake titles.")


def word_sample(table: pl.LazyFrame, rows: int, most: int) -> pl.LazyFrame:
    """Sample the labelled titles (`title`, `kind`) for the word statistics.

    Args:
        table: `ARTICLE_SCHEMA` and `kind` (real, fake or unlabelled).
        rows: how many it has.
        most: how many to draw from, about. The lowest article ids are taken.
    """
    labelled = table.filter(pl.col("kind") != "unlabelled").select("title", "kind")
    if rows <= most:
        return labelled
    border = f"{int(most / rows * 16**8):08x}"
    return table.filter(pl.col("article_id") < border, pl.col("kind") != "unlabelled").select("title", "kind")


def word_uses(labelled: pl.LazyFrame) -> tuple[int, pl.DataFrame]:
    """Weigh every word by its log-odds ratio with an informative Dirichlet prior.

    Monroe, Colaresi and Quinn, "Fightin' Words" (Political Analysis 16, 2008): each class's counts are
    added to a prior that uses words as both classes together do and is worth `_PRIOR_WORDS` words. The
    ratio of the two odds, over its standard error, is near 0 for words that are rare or common to both.

    Returns:
        The number of titles, and one row per word (`word`, `real`, `fake`, `z`); no row when a class is
        missing.
    """
    tokens = labelled.select(
        "kind", word=pl.col("title").str.to_lowercase().str.extract_all(_WORD_PATTERN)
    ).explode("word", empty_as_null=False)
    titles = labelled.select(pl.len()).collect(engine="streaming").item()
    counted = (
        tokens.group_by("word")
        .agg(real=(pl.col("kind") == "real").sum(), fake=(pl.col("kind") == "fake").sum())
        .collect(engine="streaming")
    )
    real = counted["real"].to_numpy().astype(np.float64)
    fake = counted["fake"].to_numpy().astype(np.float64)
    if not (real.any() and fake.any()):
        return titles, counted.clear().with_columns(z=pl.lit(0.0))
    prior = _PRIOR_WORDS * (real + fake) / (real.sum() + fake.sum())
    real_odds, fake_odds = (
        (counts + prior) / (counts.sum() + _PRIOR_WORDS - counts - prior) for counts in (real, fake)
    )
    deviation = np.sqrt(1 / (real + prior) + 1 / (fake + prior))
    return titles, counted.with_columns(z=(np.log(fake_odds) - np.log(real_odds)) / deviation)


def strongest(uses: pl.DataFrame, kind: Literal["real", "fake"], count: int) -> tuple[WordUse, ...]:
    """The words of `word_uses` that speak most for one class, strongest first."""
    strength = pl.col("z") if kind == "fake" else -pl.col("z")
    ranked = (
        uses.with_columns(strength=strength)
        .filter(pl.col("strength") > 0)
        .sort(["strength", "word"], descending=[True, False])
    )
    rows = ranked.head(count).select("word", "z", "real", "fake").iter_rows(named=True)
    return tuple(WordUse(**row) for row in rows)
