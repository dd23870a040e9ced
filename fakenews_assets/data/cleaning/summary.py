"""Counts of a batch that is cleaned."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import polars as pl
from pydantic import BaseModel, ConfigDict

from fakenews_assets.data.cleaning.label_flips import LabelFlipDetector, LabelFlipEvidence
from fakenews_assets.data.fields.labels import meanings_of
from fakenews_assets.data.fields.mapping import BatchMapping
from fakenews_assets.data.schema import Label

_WORDS_KEPT: Final = 12


class CleaningSummary(BaseModel):
    """Counts of one batch. `rows_in = rows_out + rejected`, always."""

    model_config = ConfigDict(frozen=True)

    rows_in: int
    rows_out: int
    rejected: dict[str, int]
    boilerplate: dict[str, int]
    fake: int
    real: int
    unlabelled: int
    rated: int
    """Rows whose label comes from their publisher's rating."""
    missing_text: int
    undated: int
    unread_dates: int = 0
    """Undated rows that have a value where their date should stand."""
    unread_date: str = ""
    """The first such value."""
    words: dict[str, str] = {}
    """What the words of the label column are read as, the most common ones first."""
    repeated: int
    """Rows with the article_id of an earlier row of the batch."""
    evidence: LabelFlipEvidence

    @property
    def labelled(self) -> int:
        """Rows with a label."""
        return self.fake + self.real


@dataclass
class Tally:
    """Counts that grow chunk by chunk."""

    rows_in: int = 0
    lines_in: int = 0
    rows_out: int = 0
    labels: Counter[int | None] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    """The label column as written."""
    boilerplate: Counter[str] = field(default_factory=Counter)
    rated: int = 0
    missing_text: int = 0
    undated: int = 0
    unread_dates: int = 0
    unread_date: str = ""
    detector: LabelFlipDetector = field(default_factory=LabelFlipDetector)

    def add(self, later: "Tally") -> None:
        """Add the counts of another chunk."""
        self.rows_in += later.rows_in
        self.lines_in += later.lines_in
        self.rows_out += later.rows_out
        self.labels.update(later.labels)
        self.words.update(later.words)
        self.boilerplate.update(later.boilerplate)
        self.rated += later.rated
        self.missing_text += later.missing_text
        self.undated += later.undated
        self.unread_dates += later.unread_dates
        self.unread_date = self.unread_date or later.unread_date
        self.detector.add(later.detector)

    def summary(self, quarantine: pl.DataFrame, mapping: BatchMapping, repeated: int) -> CleaningSummary:
        """The counts of the batch. Args: quarantine: its rejected rows. mapping: what was given for it. repeated: see there."""
        return CleaningSummary(
            rows_in=self.rows_in,
            rows_out=self.rows_out,
            rejected=dict(
                quarantine.group_by("reason").len().sort("len", "reason", descending=[True, False]).rows()
            ),
            boilerplate=dict(self.boilerplate),
            fake=self.labels[Label.FAKE],
            real=self.labels[Label.REAL],
            unlabelled=self.labels[None],
            rated=self.rated,
            missing_text=self.missing_text,
            undated=self.undated,
            unread_dates=self.unread_dates,
            unread_date=self.unread_date,
            words=meanings_of(
                sorted(self.words, key=lambda word: (-self.words[word], word))[:_WORDS_KEPT], mapping.labels
            ),
            repeated=repeated,
            evidence=self.detector.evidence(),
        )
