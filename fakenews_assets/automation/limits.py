"""Limits on automatic retraining: new rows, cooldown and weekly budget, and the reason for each that is not met."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from fakenews_assets.data.corpus import summaries
from fakenews_resources.storage.store import Store, ValueMissing

_WEEK = timedelta(days=7)


class RetrainSettings(BaseSettings):
    """When retraining starts by itself. Environment variables that begin with FAKENEWS_RETRAIN_ set it."""

    model_config = SettingsConfigDict(env_prefix="FAKENEWS_RETRAIN_", frozen=True)

    cooldown_hours: float = Field(
        default=24,
        ge=0,
        le=24 * 365,
        description="Hours between the start of one retraining and the next; at most a year.",
    )
    max_per_week: int = Field(default=3, ge=0, description="Retrainings in any seven days, at most.")
    min_new_rows: int = Field(
        default=1000, ge=1, description="New labelled articles that start a retraining without a trigger."
    )
    min_new_rows_on_trigger: int = Field(
        default=200,
        ge=1,
        description="New labelled articles that a retraining needs after a trigger (drift, too many abstentions, or a drop in quality):"
        " without new articles it would change nothing.",
    )
    warm_start: bool = Field(
        default=True, description="Start from the champion's weights instead of the pretrained encoder's."
    )

    @property
    def remembered(self) -> timedelta:
        """How far back an earlier retraining can keep another from starting."""
        return max(_WEEK, timedelta(hours=self.cooldown_hours))


@dataclass(frozen=True)
class NewRows:
    """Labelled articles that the current model has not been trained or judged on."""

    rows: int
    """Repeats counted, so that there are at most as many; see `distinct_rows`."""
    batches: tuple[str, ...]
    """Key and version of each batch that they are in."""


def new_batches(store: Store, batches: Iterable[str]) -> set[str]:
    """The batches of the corpus that were not behind the fine-tuned model; all of them if there is none."""
    known = _behind_model(store)
    return {name for name in batches if f"clean_news/{name}" not in known}


def gone_batches(store: Store, batches: Iterable[str]) -> set[str]:
    """The batches behind the fine-tuned model that the corpus no longer has."""
    known = {key.removeprefix("clean_news/") for key in _behind_model(store) if key.startswith("clean_news/")}
    return known.difference(batches)


def new_rows(store: Store, batches: Iterable[str]) -> NewRows:
    """Compare the batches of the corpus with those behind the fine-tuned model; all are new if there is none."""
    known = _behind_model(store)
    current = store.current_versions(f"clean_news/{name}" for name in sorted(batches))
    new = {key: version for key, version in current.items() if known.get(key) != version}
    labelled = {key: one.labelled for key, one in summaries(store, new).items() if one.labelled}
    return NewRows(sum(labelled.values()), tuple(f"{key} {new[key]}" for key in labelled))


def distinct_rows(store: Store, batches: Iterable[str]) -> int:
    """Of the new labelled articles, how many a model would be trained on: each once, and none that the others repeat.

    It reads the ids of the corpus's articles; those of a bucket are fetched, as the training would do.
    """
    known = _behind_model(store)
    found = store.current_of(f"clean_news/{name}" for name in sorted(batches))
    ids = {
        key: one.scan("articles").filter(pl.col("label").is_not_null()).select("article_id")
        for key, one in found.items()
    }
    new = [rows for key, rows in ids.items() if known.get(key) != found[key].version]
    if not new:
        return 0
    rows = pl.concat(new).unique()
    if old := [rows for key, rows in ids.items() if known.get(key) == found[key].version]:
        rows = rows.join(pl.concat(old), on="article_id", how="anti")
    return rows.select(pl.len()).collect().item()


def _behind_model(store: Store) -> Mapping[str, str]:
    """Key and version of each batch that the fine-tuned model was trained or judged on."""
    try:
        model = store.current("finetuned_bert").record
        assert model is not None
        splits = store.get("splits", model.upstream["splits"]).record
        assert splits is not None
    except ValueMissing:
        return {}
    return splits.upstream


def unmet_limits(
    now: datetime, retrains: Sequence[datetime], rows: int, needed: int, settings: RetrainSettings
) -> list[str]:
    """Reasons not to retrain now; empty if there are none.

    Args:
        now: the time.
        retrains: when earlier retrainings were started, at least those that `settings.remembered` reaches back to.
        rows: new labelled articles.
        needed: how many of them it takes.
        settings: the limits.
    """
    found = []
    if rows < needed:
        found.append(f"{rows:,} of {needed:,} new labelled articles")
    if retrains:
        over = max(retrains) + timedelta(hours=settings.cooldown_hours)
        if now < over:
            found.append(
                f"cooldown until {over:%Y-%m-%d %H:%M} UTC, since the last one started at"
                f" {max(retrains):%Y-%m-%d %H:%M}"
            )
    week = [moment for moment in retrains if moment > now - _WEEK]
    if len(week) >= settings.max_per_week:
        found.append(f"{len(week)} of {settings.max_per_week} retrainings in the last seven days")
    return found
