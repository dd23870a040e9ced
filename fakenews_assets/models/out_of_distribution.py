"""Out-of-distribution detection: whether an article is like those that a model was trained on.

There are two scores, and either may reject an article. Each sees what the other misses (measured on real English titles, with 1 in 200
in-distribution articles refused). Character surprise finds other languages and gibberish; distances between
embeddings miss most of these, since a fine-tuned English encoder maps what it cannot read amidst what it knows.
Embedding distance finds English of other kinds, such as recipes and chat, whose characters are ordinary.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from safetensors import safe_open
from safetensors.numpy import save_file

from fakenews_assets.common import progress
from fakenews_assets.models.classifier import Article, Classifier, OnePassEmbedder
from fakenews_assets.models.predictions import articles_of, with_headlines

OOD_FILE: Final = "ood.safetensors"

_RUN: Final = 5
"""Characters. Runs of three find a fifth fewer of the headlines in other languages."""
_BUCKETS: Final = 2**17
_PRIOR: Final = 0.1
"""Times that every bucket is taken to have been met before the first article."""
_MOST_CHARACTERS: Final = 2_000
"""Of a text: what an encoder reads of it, roughly, and enough to know a language by."""
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
"""2^64 divided by the golden ratio: scatters well (Knuth, "The Art of Computer Programming", vol. 3, 6.4)."""
_METADATA: Final = "limits"


class OodSettings(BaseModel):
    """Settings of the out-of-distribution detector."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    refused_share: float = Field(
        default=0.005,
        gt=0,
        le=0.5,
        description="Share of in-distribution articles that may be refused as out of distribution.",
    )
    rows: int = Field(
        default=4_000, ge=2, description="Most articles of a split to learn from, drawn at random."
    )
    seed: int = Field(default=0, description="Seed of that sample.")


class OodLimits(BaseModel):
    """Limits above which an article is out of distribution, and what they were set by."""

    model_config = ConfigDict(frozen=True)

    reads_text: bool = Field(
        description="Whether the text beside the title counts, as it does for the model."
    )
    char_surprise: float = Field(
        gt=0, description="Highest in-distribution surprise, in nats per run of characters."
    )
    embedding_distance: float | None = Field(
        description="Largest in-distribution distance of an embedding from the nearer class; None: not looked at."
    )
    refused_share: float = Field(
        description="Share of in-distribution articles that may be refused, as configured."
    )
    refused_on_validation: float = Field(
        ge=0, le=1, description="Share of the validation rows that are refused."
    )
    train_rows: int
    validation_rows: int


@dataclass(frozen=True)
class OodDetector:
    """A fitted detector. Applying it needs numpy only."""

    limits: OodLimits
    surprise: NDArray[np.float32]
    """Minus the log of how often runs of characters occurred, by bucket, shape [buckets]."""
    means: NDArray[np.float32]
    """Whitened mean of the embeddings of each class, shape [2, dimensions]; of no dimensions where embeddings are not
    looked at."""
    whitening: NDArray[np.float32]
    """Makes the spread of the embeddings around their class's mean the same in all directions,
    shape [dimensions, dimensions]."""

    @property
    def needs_embedding(self) -> bool:
        """Whether `ood_score` wants embeddings."""
        return self.limits.embedding_distance is not None

    def ood_score(
        self, articles: Sequence[Article], embeddings: NDArray[np.float32] | None = None
    ) -> NDArray[np.float64]:
        """Out-of-distribution score per article, shape [n]: above 1 it is out of distribution.

        Args:
            articles: prepared as the training rows were.
            embeddings: shape [n, dimensions], if they are needed.
        """
        if not len(articles):
            return np.zeros(0)
        found = (
            _char_surprise(self.surprise, _read(articles, self.limits.reads_text)) / self.limits.char_surprise
        )
        if self.limits.embedding_distance is None:
            return found
        assert embeddings is not None
        return np.maximum(
            found, _distance(self.means, self.whitening, embeddings) / self.limits.embedding_distance
        )

    def save(self, folder: Path) -> None:
        """Write `ood.safetensors`."""
        arrays = {"surprise": self.surprise, "means": self.means, "whitening": self.whitening}
        save_file(arrays, folder / OOD_FILE, metadata={_METADATA: self.limits.model_dump_json()})

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Read what `save` wrote; None if the model has no detector."""
        file = folder / OOD_FILE
        if not file.is_file():
            return None
        with safe_open(file, framework="numpy") as stored:
            limits = OodLimits.model_validate_json(stored.metadata()[_METADATA])
            arrays = {name: stored.get_tensor(name) for name in ("surprise", "means", "whitening")}
        return cls(limits, **arrays)


def fit_ood_detector(
    classifier: Classifier,
    train: pl.DataFrame,
    validation: pl.DataFrame,
    settings: OodSettings,
    *,
    reads_text: bool,
) -> OodDetector:
    """Learn from training rows what is in distribution, and from validation rows how much they differ from these.

    Character surprise: the mean surprise of an article's runs of five characters, by how often each occurred in training.

    Embedding distance: the Mahalanobis distance of an article's embedding to the mean of the nearer class, with one covariance for
    both (Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples", NeurIPS 2018), shrunk
    (Ledoit and Wolf, 2004). The distance relative to one without classes (Ren et al., 2021) was measured too, and is no
    use here: what is out of distribution lies far out in the directions that do not tell the classes apart. A bag of words is
    judged by character surprise alone: its embedding found 2 % of what is not news.

    Args:
        classifier: embeds; one that is no encoder is judged by character surprise alone.
        train: columns `title`, `text` and `label` of articles that the model was trained on.
        validation: the same of others.
        settings: how much may be refused.
        reads_text: whether the model reads the text beside the title.
    """
    train, validation = _drawn(train, settings), _drawn(validation, settings)
    # Headlines come too, and are not out of distribution for lacking a text.
    shown, judged = (with_headlines(rows) if reads_text else rows for rows in (train, validation))
    learnt, others = articles_of(shown), articles_of(judged)
    surprise = _surprise(_read(learnt, reads_text))
    char_surprise = _char_surprise(surprise, _read(others, reads_text))
    means, whitening = np.zeros((2, 0), np.float32), np.zeros((0, 0), np.float32)
    distance = None
    embedded = _embedded(classifier, learnt, others)
    if embedded is not None:
        means, whitening = _spread(embedded[0], shown["label"].to_numpy())
        distance = _distance(means, whitening, embedded[1])
    # Two measures share what may be refused.
    kept = 1 - settings.refused_share / (1 if distance is None else 2)
    limits = OodLimits(
        reads_text=reads_text,
        char_surprise=_limit(char_surprise, kept),
        embedding_distance=None if distance is None else _limit(distance, kept),
        refused_share=settings.refused_share,
        refused_on_validation=0,
        train_rows=train.height,
        validation_rows=validation.height,
    )
    found = OodDetector(limits, surprise, means, whitening)
    refused = found.ood_score(others, embedded[1] if embedded is not None else None) > 1
    return OodDetector(
        limits.model_copy(update={"refused_on_validation": float(refused.mean())}), surprise, means, whitening
    )


def _drawn(table: pl.DataFrame, settings: OodSettings) -> pl.DataFrame:
    return table.sample(min(settings.rows, table.height), seed=settings.seed)


def _embedded(classifier: Classifier, *parts: Sequence[Article]) -> tuple[NDArray[np.float32], ...] | None:
    if not isinstance(classifier, OnePassEmbedder):
        return None
    progress.report(0, sum(map(len, parts)), "articles", "embedding for the out-of-distribution detector")
    return tuple(classifier.embed(articles) for articles in parts)


def _limit(values: NDArray[np.float64], kept: float) -> float:
    # The higher of two neighbours: no more than promised are beyond it.
    return float(np.quantile(values, kept, method="higher"))


def _read(articles: Iterable[Article], reads_text: bool) -> list[str]:
    if not reads_text:
        return [article.title for article in articles]
    return [f"{article.title} {article.text[:_MOST_CHARACTERS]}" for article in articles]


def _runs(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The bucket of the run that begins at each character of all texts, and where each text's runs begin and end."""
    # A text too short for a run is one run all the same.
    spaced = [f" {text.lower()} ".ljust(_RUN) for text in texts]
    code = np.frombuffer("".join(spaced).encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)
    lengths = np.array([len(text) for text in spaced])
    hashed = np.zeros(code.size - _RUN + 1, dtype=np.uint64)
    for offset in range(_RUN):
        hashed = (hashed ^ code[offset : offset + hashed.size]) * _MULTIPLIER
        hashed ^= hashed >> np.uint64(29)
    ends = np.cumsum(lengths)
    return (hashed % np.uint64(_BUCKETS)).astype(np.int64), ends - lengths, ends - _RUN + 1


def _surprise(texts: Sequence[str]) -> NDArray[np.float32]:
    buckets, begins, ends = _runs(texts)
    whole = np.concatenate([buckets[begin:end] for begin, end in zip(begins, ends, strict=True)])
    counts = np.bincount(whole, minlength=_BUCKETS) + _PRIOR
    return -np.log(counts / counts.sum()).astype(np.float32)


def _char_surprise(surprise: NDArray[np.float32], texts: Sequence[str]) -> NDArray[np.float64]:
    buckets, begins, ends = _runs(texts)
    found = surprise[buckets].astype(np.float64)
    return np.array([found[begin:end].mean() for begin, end in zip(begins, ends, strict=True)])


def _spread(
    embeddings: NDArray[np.float32], labels: NDArray[np.integer]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The whitened mean of each class, and what whitens: makes the spread around the means even."""
    # Brings scikit-learn, which applying needs not.
    from sklearn.covariance import LedoitWolf

    vectors = embeddings.astype(np.float64)
    means = np.stack([vectors[labels == label].mean(axis=0) for label in (0, 1)])
    precision = LedoitWolf(assume_centered=True).fit(vectors - means[labels]).precision_
    whitening = np.linalg.cholesky(np.asarray(precision))
    return (means @ whitening).astype(np.float32), whitening.astype(np.float32)


def _distance(
    means: NDArray[np.float32], whitening: NDArray[np.float32], embeddings: NDArray[np.float32]
) -> NDArray[np.float64]:
    apart = (embeddings @ whitening)[:, None, :] - means
    return np.linalg.norm(apart, axis=2).min(axis=1).astype(np.float64)
