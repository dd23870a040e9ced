"""The corpus: how a batch becomes part of it, which stored batches count, and in which order."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from pydantic import Field

from fakenews_assets.common import progress
from fakenews_assets.data.admission.admission import Admission
from fakenews_assets.data.batch_checks import BatchLimits, CheckOutcome, check_batch, fake_share
from fakenews_assets.data.cleaning.cleaning import CleaningLimits, clean_batch
from fakenews_assets.data.cleaning.summary import CleaningSummary
from fakenews_assets.data.ratings.labelling import PublisherLabels
from fakenews_assets.data.receiving.raw_files import raw_files, read_mapping
from fakenews_assets.data.text.preparation import TextPreparation, default_rules, read_rules
from fakenews_resources.engine.in_process import OrderedMap, in_process
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.store import Store

_SUMMARY_FILE = "summary.json"
_OUTCOMES_FILE = "checks.json"


class CleanNewsSettings(CleaningLimits, BatchLimits):
    """Settings of `clean_news`: cleaning, and limits of the batch checks."""

    extra_boilerplate: str = Field(
        default="",
        description="Path of a TOML table of publisher boilerplate to remove besides the project's own.",
    )

    @property
    def preparation(self) -> TextPreparation:
        """The text preparation with all boilerplate rules. Raises ValueError as `read_rules` does."""
        extra = read_rules(Path(self.extra_boilerplate)) if self.extra_boilerplate else ()
        return TextPreparation(rules=default_rules() + extra)


@dataclass(frozen=True)
class CleanBatch:
    """One partition of `clean_news`, stored or as a draft."""

    name: str
    artifact: Artifact

    @property
    def summary(self) -> CleaningSummary:
        """Counts of the cleaning."""
        return CleaningSummary.model_validate(self.artifact.read_json(_SUMMARY_FILE))

    @property
    def outcomes(self) -> list[CheckOutcome]:
        """Results of the checks."""
        return [CheckOutcome.model_validate(outcome) for outcome in self.artifact.read_json(_OUTCOMES_FILE)]

    @property
    def admitted(self) -> bool:
        """Whether the batch passed every blocking check."""
        return all(outcome.passed for outcome in self.outcomes)

    @property
    def received_at(self) -> str:
        """When its bytes arrived, as ISO 8601 in UTC."""
        return self.artifact.meta["received_at"]

    @property
    def generated(self) -> bool:
        """Whether its articles come from the sample generator."""
        return str(self.artifact.meta["source_uri"]).startswith("sample:")

    @property
    def articles(self) -> pl.LazyFrame:
        """Its rows, in ARTICLE_SCHEMA."""
        return self.artifact.scan("articles")


def summaries(store: Store, versions: Mapping[str, str]) -> dict[str, CleaningSummary]:
    """Counts of the cleaning of many batches, by key. Args: versions: of `clean_news`, by key."""
    found = store.file_of(versions, _SUMMARY_FILE)
    return {key: CleaningSummary.model_validate_json(data) for key, data in found.items()}


def clean_and_check(
    raw: Artifact,
    batch: CleanBatch,
    earlier: Iterable[CleaningSummary],
    settings: CleanNewsSettings,
    *,
    labels: PublisherLabels | None = None,
    admission: Admission | None = None,
    erased: Collection[str] = (),
    over: OrderedMap = in_process,
) -> None:
    """Clean a received batch, and check it against the corpus that it has to fit.

    Args:
        raw: what `raw_news` stored.
        batch: its artifact is an empty draft, which receives what `clean_batch` writes, the summary and the outcomes
            of the checks.
        earlier: counts of the batches of the corpus that were received before.
        settings: how it is cleaned, and when it is refused.
        labels: as in `clean_batch`.
        admission: of this batch by a person, if there is one.
        erased: as in `clean_batch`.
        over: where the chunks are cleaned.

    Raises:
        UnreadableFile, BatchRejected: as `clean_batch` does.
    """
    draft = batch.artifact
    progress.report(0, raw.meta["rows"], "rows")
    draft.meta.update(received_at=raw.meta["received_at"], source_uri=raw.meta["source_uri"])
    summary = clean_batch(
        raw_files(raw),
        batch.name,
        draft.path,
        preparation=settings.preparation,
        limits=settings,
        mapping=read_mapping(raw),
        labels=labels,
        erased=erased,
        over=over,
    )
    outcomes = check_batch(summary, batch.articles, fake_share(earlier), settings, batch.name)
    if admission:
        outcomes = admission.overrule(outcomes)
    (draft.path / _SUMMARY_FILE).write_text(summary.model_dump_json(indent=2), encoding="utf-8")
    (draft.path / _OUTCOMES_FILE).write_text(
        json.dumps([one.model_dump(mode="json") for one in outcomes], indent=2)
    )


def in_order_of_arrival(clean_news: Mapping[str, Artifact]) -> list[CleanBatch]:
    """All stored batches by time received, then by name."""
    return sorted(
        (CleanBatch(name, artifact) for name, artifact in clean_news.items()),
        key=lambda batch: (batch.received_at, batch.name),
    )


def admitted(clean_news: Mapping[str, Artifact]) -> list[CleanBatch]:
    """The batches of the corpus, in order of arrival. Raises ValueError if there is none."""
    batches = [batch for batch in in_order_of_arrival(clean_news) if batch.admitted]
    if not batches:
        raise ValueError(
            "The corpus is empty: no batch of clean_news has passed its checks. Ingest one "
            "(`fakenews ingest FILE`), or look at the failed checks of clean_news."
        )
    return batches


DATA_NOTE = "Scores on the generated sample corpus prove only that the plumbing works; they say nothing about real news."


def data_note(batches: list[CleanBatch]) -> str | None:
    """The warning shown beside every score if any article was generated; else None."""
    return DATA_NOTE if any(batch.generated for batch in batches) else None
