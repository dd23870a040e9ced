"""The corpus: which stored batches count, and in which order."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from fakenews_assets.data.batch_checks import CheckOutcome
from fakenews_assets.data.cleaning import CleaningSummary
from fakenews_resources.storage.store import Artifact


@dataclass(frozen=True)
class CleanBatch:
    """One stored partition of `clean_news`."""

    name: str
    artifact: Artifact

    @property
    def summary(self) -> CleaningSummary:
        """The counts of its cleaning."""
        return CleaningSummary.model_validate(self.artifact.read_json("summary.json"))

    @property
    def outcomes(self) -> list[CheckOutcome]:
        """The verdicts of its checks."""
        return [CheckOutcome.model_validate(outcome) for outcome in self.artifact.read_json("checks.json")]

    @property
    def admitted(self) -> bool:
        """Whether it passed every check, so that the corpus may use it."""
        return all(outcome.passed for outcome in self.outcomes)

    @property
    def generated(self) -> bool:
        """Whether its articles come from the sample generator."""
        return str(self.artifact.meta["source_uri"]).startswith("sample:")

    @property
    def articles(self) -> pl.LazyFrame:
        """Its rows, in ARTICLE_SCHEMA."""
        return self.artifact.scan("articles")


def in_order_of_arrival(clean_news: Mapping[str, Artifact]) -> list[CleanBatch]:
    """All stored batches; the earliest received first, by name where two arrived at once."""
    return sorted(
        (CleanBatch(name, artifact) for name, artifact in clean_news.items()),
        key=lambda batch: (batch.artifact.meta["received_at"], batch.name),
    )


def admitted(clean_news: Mapping[str, Artifact]) -> list[CleanBatch]:
    """The batches that make up the corpus, in order of arrival. Raises ValueError when there is none."""
    batches = [batch for batch in in_order_of_arrival(clean_news) if batch.admitted]
    if not batches:
        raise ValueError(
            "The corpus is empty: no batch of clean_news has passed its checks. Ingest one "
            "(`fakenews ingest FILE`), or look at the failed checks of clean_news."
        )
    return batches


DATA_NOTE = "Scores on the generated sample corpus prove only that the plumbing works; they say nothing about real news."


def data_note(batches: list[CleanBatch]) -> str | None:
    """The warning that belongs beside every score, when any article was generated."""
    return DATA_NOTE if any(batch.generated for batch in batches) else None
