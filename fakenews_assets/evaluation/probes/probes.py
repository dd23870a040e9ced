"""Shortcut probes: accuracy of metadata-only baselines.

A model learns whatever separates the labels of its training rows. If a comma, a publisher or a name does so, a good
score on the test split says little about articles from elsewhere (Geirhos et al., "Shortcut learning in deep
neural networks", Nature Machine Intelligence 2020; Gururangan et al., "Annotation artifacts", NAACL 2018).
"""

from typing import Final, Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.data.splits.splitting import sample_rows
from fakenews_assets.data.text.names import Names
from fakenews_assets.evaluation.probes import views
from fakenews_assets.evaluation.probes.settings import ProbeConfig, ProbeName
from fakenews_assets.evaluation.probes.tokens import Tokens, TokenUse, token_uses
from fakenews_assets.models.bootstrap import Interval, bootstrap_intervals
from fakenews_assets.models.metrics import Metrics

_REPORTED_TOKENS: Final = 10


Reference = Literal["all_words", "all_words_but_names"]


class Probe(BaseModel):
    """Result of one probe on the test rows."""

    model_config = ConfigDict(frozen=True)

    name: ProbeName | Reference
    roc_auc: float | None = Field(description="None if the probe is undefined, such as with a single source.")
    roc_auc_interval: Interval | None = None
    macro_f1: float | None = None
    macro_f1_interval: Interval | None = None
    limit: float | None = Field(default=None, description="Limit of the ROC AUC; None: no limit.")
    flagged: bool = Field(default=False, description="Whether the probe is significantly above the limit.")
    note: str = ""


class ProbeReport(BaseModel):
    """Results of all probes."""

    model_config = ConfigDict(frozen=True)

    config: ProbeConfig
    train_rows: int
    test_rows: int
    majority_macro_f1: float = Field(description="Metrics of always predicting the majority label.")
    probes: tuple[Probe, ...] = Field(description="One for each `ProbeName`, in that order.")
    references: tuple[Probe, ...] = Field(
        description="A bag of words, with and without names: for comparison."
    )
    tokens: tuple[TokenUse, ...] = Field(description="The tokens with the highest lower bound of purity.")


def probe_shortcuts(train: pl.DataFrame, test: pl.DataFrame, config: ProbeConfig) -> ProbeReport:
    """Fit every probe on training rows and score it on test rows.

    Args:
        train: `ARTICLE_SCHEMA`, labelled, and `cluster_id` if near-duplicates are known.
        test: the same.
        config: settings of the probes.

    Raises:
        ValueError: a split lacks one of the labels.
    """
    train, test = (
        views.beginnings(sample_rows(split, most))
        for split, most in ((train, config.train_rows), (test, config.test_rows))
    )
    for name, split in (("training", train), ("test", test)):
        if split["label"].n_unique() < 2:
            raise ValueError(
                f"The {name} rows have one label only; ingest articles of both, then split again."
            )
    names = Names.learn(train)
    scored = _Scorer(test, config)
    style = scored("style", views.style_forecast(train, test), config.max_auc)
    source = scored(
        "source", views.source_forecast(train, test), config.max_auc, "fewer than two sources are known"
    )
    only = views.words_forecast(views.names_only(train, names), views.names_only(test, names))
    named = scored("names", only, config.max_auc, "no names were found")
    missing = scored(
        "missing_text",
        views.missing_text_forecast(train, test),
        config.max_auc_missing_text,
        "all articles have a text, or none has",
    )
    tokens = Tokens(train), Tokens(test)
    uses = token_uses(*tokens, coverage=config.token_coverage, level=config.level)
    masked = views.words_forecast(views.names_masked(train, names), views.names_masked(test, names))
    fakes = int(test["label"].sum())
    return ProbeReport(
        config=config,
        train_rows=train.height,
        test_rows=test.height,
        majority_macro_f1=_majority_macro_f1(fakes, test.height - fakes),
        probes=(style, source, named, _single_token(*tokens, uses, scored), missing),
        references=(
            scored("all_words", views.words_forecast(train, test), None),
            scored("all_words_but_names", masked, None),
        ),
        tokens=tuple(uses[:_REPORTED_TOKENS]),
    )


def is_shortcut(use: TokenUse, config: ProbeConfig) -> bool:
    """Whether a token alone is a shortcut: significantly pure, and frequent enough to matter."""
    return use.purity_low >= config.token_purity and use.coverage >= config.token_coverage


class _Scorer:
    """Scores forecasts for the same test rows."""

    def __init__(self, test: pl.DataFrame, config: ProbeConfig) -> None:
        self.labels = test["label"].to_numpy()
        self.clusters = test["cluster_id"].to_numpy() if "cluster_id" in test.columns else None
        self.config = config

    def __call__(
        self,
        name: ProbeName | Reference,
        forecast: views.Forecast | None,
        limit: float | None,
        missing: str = "no word is common",
    ) -> Probe:
        if forecast is None:
            return Probe(name=name, roc_auc=None, limit=limit, note=missing)
        metrics = Metrics.of(self.labels, np.clip(forecast, 0, 1))
        intervals = bootstrap_intervals(
            self.labels,
            np.clip(forecast, 0, 1),
            clusters=self.clusters,
            metrics=("roc_auc", "macro_f1"),
            resamples=self.config.resamples,
            level=self.config.level,
            seed=self.config.seed,
        )
        sure = intervals["roc_auc"]
        return Probe(
            name=name,
            roc_auc=metrics.roc_auc,
            roc_auc_interval=sure,
            macro_f1=metrics.macro_f1,
            macro_f1_interval=intervals["macro_f1"],
            limit=limit,
            flagged=limit is not None and sure is not None and sure.low >= limit,
        )


def _single_token(train: Tokens, test: Tokens, uses: list[TokenUse], scored: _Scorer) -> Probe:
    """The best single token as a predictor; flagged if any token is a shortcut."""
    best = train.best()
    forecast = None
    if best is not None:
        forecast = views.presence_forecast(train.holding(*best), train.labels, test.holding(*best))
    if best is None or forecast is None:
        return Probe(name="single_token", roc_auc=None, note="no token predicts the label")
    found = [f"{use.token} ({use.field})" for use in uses if is_shortcut(use, scored.config)]
    note = f"best: {best[1]} ({best[0]})" + (f"; shortcuts: {', '.join(found)}" if found else "")
    return scored("single_token", forecast, None).model_copy(update={"flagged": bool(found), "note": note})


def _majority_macro_f1(fakes: int, reals: int) -> float:
    most = max(fakes, reals)
    return most / (most + fakes + reals)
