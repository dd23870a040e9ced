"""Labels articles by the rating of their publisher."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fakenews_assets.data.schema import Label
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.store import Store

TABLE: Final = "labels"
RULE_FILE: Final = "rule.json"


class LabelRule(BaseModel):
    """Settings of `publisher_labels`: the rule that turns the ratings into labels of one batch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fake_below: float = Field(
        default=0.5, ge=0, le=1, description="Publishers that are rated lower are fake."
    )
    real_from: float = Field(
        default=0.65, ge=0, le=1, description="Publishers that are rated this high are real."
    )
    replace: bool = Field(
        default=False,
        description="Ignore the labels of the file. Default: a label of the file goes before the rating.",
    )

    @model_validator(mode="after")
    def _leaves_no_overlap(self) -> Self:
        if self.fake_below > self.real_from:
            raise ValueError(f"fake_below {self.fake_below} lies above real_from {self.real_from}")
        return self


def label_publishers(ratings: pl.DataFrame, rule: LabelRule) -> pl.DataFrame:
    """Columns `source` and `label` of the publishers that the rule labels; those between the thresholds are left out."""
    return ratings.select(
        "source",
        label=pl.when(pl.col("rating") < rule.fake_below)
        .then(pl.lit(Label.FAKE.value))
        .when(pl.col("rating") >= rule.real_from)
        .then(pl.lit(Label.REAL.value))
        .cast(pl.Int8),
    ).drop_nulls("label")


def require_one_rating(store: Store, clean_news: Mapping[str, Artifact]) -> None:
    """Raises ValueError if different versions of the ratings have labelled these batches."""
    labelled: dict[str, list[str]] = {}
    for batch, clean in clean_news.items():
        key = f"publisher_labels/{batch}"
        if clean.record and (version := clean.record.upstream.get(key)):
            labels = store.get(key, version).record
            assert labels is not None
            labelled.setdefault(labels.upstream["source_ratings"], []).append(batch)
    if len(labelled) > 1:
        newest = store.current("source_ratings").version
        behind = sorted(batch for one, batches in labelled.items() if one != newest for batch in batches)
        raise ValueError(
            f"Earlier ratings labelled {', '.join(behind)}. Label these batches again (the job label_batch, or"
            " `fakenews rate FILE`), or retire them."
        )


@dataclass(frozen=True)
class PublisherLabels:
    """Labels of publishers, for one batch.

    Attributes:
        table: what `label_publishers` returned.
        replace: as in `LabelRule`.
    """

    table: pl.DataFrame
    replace: bool = False

    @classmethod
    def read(cls, stored: Artifact) -> Self:
        """Read what the asset `publisher_labels` stored for a batch."""
        rule = LabelRule.model_validate(stored.read_json(RULE_FILE))
        return cls(stored.scan(TABLE).collect(), rule.replace)

    def of(self, sources: pl.Series) -> pl.Series:
        """The label of each publisher, null where it has none."""
        return sources.replace_strict(
            self.table["source"], self.table["label"], default=None, return_dtype=pl.Int8
        )
