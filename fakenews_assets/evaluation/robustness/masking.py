"""Measures the loss of macro-F1 when shortcuts are masked."""

import tomllib
from collections.abc import Iterator
from importlib.resources import files
from typing import Final

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.common import progress
from fakenews_assets.data.splits.splitting import sample_rows
from fakenews_assets.data.text.names import Names
from fakenews_assets.evaluation.metrics.comparison import PairedDifference, paired_bootstrap
from fakenews_assets.evaluation.robustness.settings import LIMITS, PerturbationName
from fakenews_assets.models.classifier import Classifier
from fakenews_assets.models.metrics import Metrics
from fakenews_assets.models.predictions import articles_of

UNKNOWN: Final = "[UNK]"
"""Stands where something was hidden: BERT's own token for a word it does not know, which costs little by itself. On
generated titles, whose names tell nothing, it cost a fine-tuned encoder 0.2 points of macro-F1, "[MASK]" 12."""

_FEW: Final = 32
_SAME: Final = 1e-4
"""Of a probability: what quantized arithmetic may differ by from batch to batch."""
_FEWEST_CLUSTERS: Final = 10
"""Of each label. With fewer, resamples without one of the labels are too common for an interval."""


class MaskedScore(BaseModel):
    """Macro-F1 on the same test articles before and after masking."""

    model_config = ConfigDict(frozen=True)

    name: PerturbationName
    rows: int
    changed: int = Field(description="Rows with something to mask.")
    macro_f1_before: float
    macro_f1: float
    difference: PairedDifference = Field(description="Macro-F1 after masking minus before.")
    limit: float = Field(description="Largest allowed loss of macro-F1.")

    @property
    def falls(self) -> bool:
        """Significantly more macro-F1 is lost than allowed."""
        return self.difference.high < -self.limit


def measure_masked(
    classifier: Classifier,
    judged: pl.DataFrame,
    names: Names,
    *,
    rows: int,
    reads_text: bool,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[MaskedScore, ...]:
    """Predict articles again with parts masked, and compare.

    Args:
        classifier: the candidate as served.
        judged: test rows with `title`, `text`, `source`, `true_label`, the `predicted_label` of them as they are,
            and `cluster_id` if near-duplicates are known.
        names: of the training rows.
        rows: most rows to judge again, drawn by cluster.
        reads_text: whether the candidate reads texts; if not, hiding one means nothing.
        resamples: as in `paired_bootstrap`.
        level: as in `paired_bootstrap`.
        seed: draws the names that are put in the place of others, and the bootstrap.

    Returns:
        In the order of `PerturbationName`; empty where one label has too few articles for a comparison, and without what
        does not apply.
    """
    sample = sample_rows(judged, rows).with_columns(pl.col("text").fill_null(""))
    blind = _is_case_blind(classifier, sample)
    scores = []
    for name, whole, hidden in _perturbations(sample, names, seed, reads_text):
        if not _comparable(whole):
            continue
        progress.report(unit="articles", note=f"robustness: {name}")
        changed = ((whole["title"] != hidden["title"]) | (whole["text"] != hidden["text"])).to_numpy()
        before = whole["predicted_label"].to_numpy()
        after = before.copy()
        if changed.any() and not (blind and name in ("lower_case", "upper_case")):
            after[changed] = classifier.predict(articles_of(hidden.filter(changed))).predicted_label
        labels = whole["true_label"].to_numpy()
        scores.append(
            MaskedScore(
                name=name,
                rows=whole.height,
                changed=int(changed.sum()),
                macro_f1_before=_macro_f1(labels, before),
                macro_f1=_macro_f1(labels, after),
                difference=paired_bootstrap(
                    labels,
                    before,
                    after,
                    whole["cluster_id"].to_numpy() if "cluster_id" in whole.columns else None,
                    resamples=resamples,
                    level=level,
                    seed=seed,
                ),
                limit=LIMITS[name],
            )
        )
    return tuple(scores)


def known_publishers() -> tuple[str, ...]:
    """The publishers that ship with the project (`masked.toml`)."""
    text = (files("fakenews_assets.evaluation.robustness") / "masked.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(text)["publishers"])


def mask_publishers(lines: pl.Series, sources: list[str]) -> pl.Series:
    """Replace the known publishers and the given sources by `UNKNOWN`."""
    spellings = {spelling for name in (*known_publishers(), *sources) for spelling in (name, name.upper())}
    # The longest first: an alternative that matches ends the search.
    wanted = sorted(spellings, key=lambda name: (-len(name), name))
    return lines.str.replace_all(rf"\b(?:{'|'.join(pl.escape_regex(name) for name in wanted)})\b", UNKNOWN)


def without_punctuation(lines: pl.Series) -> pl.Series:
    """Apostrophes and stops are dropped, so that "U.S." stays one word; other signs become blanks."""
    dropped = lines.str.replace_all(r"['.]", "").str.replace_all(r"[^\p{L}\p{N}\s]|_", " ")
    return dropped.str.replace_all(r"\s+", " ").str.strip_chars()


def _perturbations(
    sample: pl.DataFrame, names: Names, seed: int, reads_text: bool
) -> Iterator[tuple[PerturbationName, pl.DataFrame, pl.DataFrame]]:
    """Name of each perturbation, the rows that it is measured on, and the same rows perturbed."""
    title, text = pl.col("title"), pl.col("text")
    both = ("title", "text")
    sources = sample["source"].drop_nulls().unique().sort().to_list()
    yield "names_masked", sample, sample.with_columns(names.mask(sample[one], UNKNOWN) for one in both)
    yield "names_swapped", sample, sample.with_columns(names.swap(sample[one], seed) for one in both)
    yield "lower_case", sample, sample.with_columns(title.str.to_lowercase(), text.str.to_lowercase())
    yield "upper_case", sample, sample.with_columns(title.str.to_uppercase(), text.str.to_uppercase())
    yield "no_punctuation", sample, sample.with_columns(without_punctuation(sample[one]) for one in both)
    yield (
        "publishers_masked",
        sample,
        sample.with_columns(mask_publishers(sample[one], sources) for one in both),
    )
    if reads_text:
        full = sample.filter(text != "")
        yield "title_only", full, full.with_columns(text=pl.lit(""))
        yield "text_only", full, full.with_columns(title=pl.lit(""))


def _is_case_blind(classifier: Classifier, sample: pl.DataFrame) -> bool:
    """Whether the classifier reads no casing, as most encoders here do not; asking on a few articles saves thousands.

    One that does read it is not equally sure, to four digits, of as many articles in three kinds of casing.
    """
    few = sample.head(_FEW)
    both = ("title", "text")
    ways = [
        few,
        few.with_columns(pl.col(*both).str.to_lowercase()),
        few.with_columns(pl.col(*both).str.to_uppercase()),
    ]
    written, lower, upper = np.split(classifier.predict(articles_of(pl.concat(ways))).probability, 3)
    return bool(np.allclose(written, lower, atol=_SAME) and np.allclose(written, upper, atol=_SAME))


def _comparable(table: pl.DataFrame) -> bool:
    unit = "cluster_id" if "cluster_id" in table.columns else "article_id"
    clusters = [table.filter(pl.col("true_label") == label)[unit].n_unique() for label in (0, 1)]
    return min(clusters) >= _FEWEST_CLUSTERS


def _macro_f1(labels: np.ndarray, decisions: np.ndarray) -> float:
    score = Metrics.of(labels, decisions).macro_f1
    assert score is not None
    return score
