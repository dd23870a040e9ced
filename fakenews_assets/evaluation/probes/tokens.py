"""Single tokens whose presence predicts the label."""

from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import beta

_WORD_OR_SIGN: Final = r"[\p{L}\p{N}]+(?:['.][\p{L}\p{N}]+)*|[^\s\p{L}\p{N}]"
"""A word in lower case, or a single sign."""


class TokenUse(BaseModel):
    """Association of one token with one label."""

    model_config = ConfigDict(frozen=True)

    field: str = Field(description="Where it stands: `title` or `text`.")
    token: str
    label: int = Field(description="The label it speaks for: 0 real, 1 fake.")
    rows: int = Field(description="Training rows that hold it.")
    coverage: float = Field(description="Share of the label's training rows that hold it.")
    purity: float = Field(description="Share of the training rows that hold it which have the label.")
    purity_low: float = Field(
        description="Lower bound of the purity, corrected for the number of tokens tested."
    )
    test_rows: int
    test_purity: float | None = Field(description="None where no test row holds it.")


class Tokens:
    """The tokens of labelled articles: which row holds which, in its title and in its text."""

    def __init__(self, articles: pl.DataFrame) -> None:
        """Take articles apart.

        Args:
            articles: columns `title`, `text` and `label`, both labels present.
        """
        self.labels = articles["label"].to_numpy()
        self.pairs = pl.concat(
            articles.select("label", token=pl.col(field).str.to_lowercase().str.extract_all(_WORD_OR_SIGN))
            .with_row_index("row")
            .explode("token", empty_as_null=False)
            .unique()
            .with_columns(field=pl.lit(field))
            for field in ("title", "text")
        )
        fakes = int(self.labels.sum())
        self.counts = (
            self.pairs.group_by("field", "token")
            .agg(fake=pl.col("label").cast(pl.Int64).sum(), rows=pl.len())
            .with_columns(
                fake_share=pl.col("fake") / fakes,
                real_share=(pl.col("rows") - pl.col("fake")) / (self.labels.size - fakes),
            )
        )

    def holding(self, field: str, token: str) -> NDArray[np.bool_]:
        """Which rows hold a token, shape (rows,)."""
        present = np.zeros(self.labels.size, dtype=np.bool_)
        found = self.pairs.filter(pl.col("field") == field, pl.col("token") == token)
        present[found["row"].to_numpy()] = True
        return present

    def best(self) -> tuple[str, str] | None:
        """Field and token whose presence or absence tells the labels apart best: by the gap of its two shares.

        None where every token is as common in one label as in the other.
        """
        gap = (pl.col("fake_share") - pl.col("real_share")).abs()
        ranked = self.counts.with_columns(gap=gap).filter(pl.col("gap") > 0)
        if ranked.is_empty():
            return None
        first = ranked.sort("gap", "token", "field", descending=[True, False, False]).row(0, named=True)
        return first["field"], first["token"]


def token_uses(train: Tokens, test: Tokens, *, coverage: float, level: float) -> list[TokenUse]:
    """Weigh every token that a share of one label's training rows holds, surest first.

    The lower bound is Clopper and Pearson's ("The use of confidence or fiducial limits", Biometrika 1934), one-sided,
    with Bonferroni's correction for the number of tokens weighed: of tokens that speak for nothing, the purest of a
    thousand looks pure by chance.

    Args:
        train: decides what is weighed.
        test: is counted beside it.
        coverage: share of the label's rows that must hold a token for it to be weighed.
        level: confidence of all lower bounds together.
    """
    common = train.counts.with_columns(
        speaks_for=(pl.col("fake_share") > pl.col("real_share")).cast(pl.Int8),
        coverage=pl.max_horizontal("fake_share", "real_share"),
    ).filter(pl.col("coverage") >= coverage)
    rows = common["rows"].to_numpy().astype(np.float64)
    fakes = common["fake"].to_numpy()
    hits = np.where(common["speaks_for"].to_numpy() == 1, fakes, rows - fakes)
    # A token that is weighed at all is held by a row of its label.
    low = beta.ppf((1 - level) / max(common.height, 1), hits, rows - hits + 1)
    seen = test.counts.select("field", "token", test_fake="fake", test_rows="rows")
    ranked = (
        common.with_columns(purity=hits / rows, purity_low=low)
        .join(seen, on=["field", "token"], how="left")
        .with_columns(pl.col("test_fake", "test_rows").fill_null(0))
        .sort("purity_low", "coverage", "token", "field", descending=[True, True, False, False])
    )
    return [_use(row) for row in ranked.iter_rows(named=True)]


def _use(row: dict[str, Any]) -> TokenUse:
    rows = row["test_rows"]
    hits = row["test_fake"] if row["speaks_for"] == 1 else rows - row["test_fake"]
    return TokenUse(
        field=row["field"],
        token=row["token"],
        label=row["speaks_for"],
        rows=row["rows"],
        coverage=row["coverage"],
        purity=row["purity"],
        purity_low=row["purity_low"],
        test_rows=rows,
        test_purity=hits / rows if rows else None,
    )
