"""Generated days of a service that does not exist, to see the monitoring page before there is traffic.

The answers are drawn at random. What the page says of them comes from the code that judges real ones.
"""

import hashlib
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import numpy as np
import polars as pl
from sklearn.feature_extraction.text import HashingVectorizer

from fakenews_assets.common.progress import report
from fakenews_assets.models.bootstrap import bootstrap_intervals
from fakenews_assets.models.metrics import Metrics
from fakenews_assets.monitoring.drift.abstentions import compare_abstentions
from fakenews_assets.monitoring.drift.drift import EMBEDDING, Compared, feature_drifts
from fakenews_assets.monitoring.drift.features import article_features
from fakenews_assets.monitoring.drift.verdict import DriftVerdict
from fakenews_assets.monitoring.log.records import FEEDBACK_SCHEMA, PREDICTION_LOG_SCHEMA
from fakenews_assets.monitoring.page.history import Day, read_day
from fakenews_assets.monitoring.page.page import PAGE_FILE, last_days, monitoring_html
from fakenews_assets.monitoring.performance import PerformanceVerdict
from fakenews_assets.monitoring.settings import DriftSettings, PerformanceSettings
from fakenews_assets.monitoring.simulation import articles_of
from fakenews_assets.registry.champion import Pointer
from fakenews_resources.news.sample import SampleSpec
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.store import Store

NOTE: Final = (
    "Generated example days: no service gave these answers. Without --demo this page shows yours, once"
    " fakenews report has run."
)

_UNUSUAL: Final = 3
"""Days at the end with articles of another era, on which the model is less sure and less often right."""
_ROWS: Final = 250
_REFERENCE_ROWS: Final = 900
_LABELS: Final = 120
"""Labels of a day, for its first answers."""
_LOG_ODDS: Final = {"usual": (3.2, 2.0), "unusual": (0.7, 1.0)}
"""Mean and spread of the model's log odds for the right label."""
_BAND: Final = (0.35, 0.65)
"""The example's model abstains between these probabilities."""
_MODELS: Final = [hashlib.sha256(name).hexdigest() for name in (b"earlier example", b"example")]


def write_example_days(store: Store, until: date, count: int = 14) -> None:
    """Write logs and reports, Evidently's pages of the last day, and the monitoring page.

    Args:
        store: receives them.
        until: the last day.
        count: how many days; the last three are unusual.
    """
    reference = _answers(_REFERENCE_ROWS, 0, "usual", datetime.combine(until, time(), UTC))
    found: list[Day] = []
    for at, day in enumerate(last_days(until, count)):
        report(at, count, "days")
        kind = "unusual" if at >= count - _UNUSUAL else "usual"
        answers = _answers(_ROWS, at + 1, kind, datetime.combine(day, time(9), UTC))
        parts = [
            store.commit(f"prediction_log/{day}", _log(store.draft(), answers)),
            store.commit(f"drift_report/{day}", _drift(store.draft(), reference, answers, at == count - 1)),
            store.commit(f"performance_report/{day}", _quality(store.draft(), reference, answers)),
        ]
        found.append(read_day(day, *parts))
    champions = [
        Pointer(
            sequence=number,
            bundle=sha,
            previous=number - 1 or None,
            action="promote",
            reason="an example",
            run_id=None,
            promoted_by="an example",
            promoted_at=datetime.combine(found[at].day, time(8), UTC),
        )
        for number, (sha, at) in enumerate(zip(_MODELS, (0, count // 3), strict=True), 1)
    ]
    draft = store.draft()
    page = monitoring_html(found, champions, NOTE, "An example service")
    (draft.path / PAGE_FILE).write_text(page, encoding="utf-8")
    store.commit("monitoring_page", draft)


def _answers(rows: int, seed: int, kind: str, start: datetime) -> pl.DataFrame:
    """Articles with invented answers: columns of `PREDICTION_LOG_SCHEMA` as far as the service would fill them,
    and `label`."""
    spec = SampleSpec(rows=2 * rows, seed=100 + seed, era=0 if kind == "usual" else 3)
    articles = articles_of(spec).drop_nulls("label").unique("title", maintain_order=True).head(rows)
    rows, generator = articles.height, np.random.default_rng(seed)
    log_odds = generator.normal(*_LOG_ODDS[kind], rows) * (2 * articles["label"].to_numpy() - 1)
    probability = 1 / (1 + np.exp(-log_odds))
    return articles.with_columns(
        time=pl.Series([start + timedelta(minutes=2 * row) for row in range(rows)]).dt.cast_time_unit("ms"),
        request_id=pl.Series([f"example-{seed}-{row}" for row in range(rows)]),
        row=pl.lit(1),
        endpoint=pl.lit("/predict"),
        article_id=pl.Series(
            [hashlib.sha256(title.encode()).hexdigest()[:32] for title in articles["title"]]
        ),
        probability=pl.Series(probability),
        predicted_label=pl.Series(probability >= 0.5).cast(pl.Int8),
        abstained=pl.Series((probability > _BAND[0]) & (probability < _BAND[1])),
        out_of_distribution=pl.lit(False),
        title_chars=pl.col("title").str.len_chars(),
        text_chars=pl.lit(0),
        text=pl.lit(""),
        model_id=pl.lit(_MODELS[1]),
        latency_ms=pl.Series(generator.gamma(4, 3, rows)),
    )


def _log(draft: Artifact, answers: pl.DataFrame) -> Artifact:
    _in_schema(answers, PREDICTION_LOG_SCHEMA).write_parquet(draft.path / "predictions.parquet")
    labels = answers.head(_LABELS).rename({"label": "true_label"})
    _in_schema(labels, FEEDBACK_SCHEMA).write_parquet(draft.path / "feedback.parquet")
    return draft


def _in_schema(table: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """The columns of a schema; those that the table lacks are null."""
    found = [pl.col(name) if name in table.columns else pl.lit(None).alias(name) for name in schema]
    return table.select(found).cast(schema)  # pyright: ignore[reportArgumentType]


def _drift(draft: Artifact, reference: pl.DataFrame, answers: pl.DataFrame, pages: bool) -> Artifact:
    settings, tables = DriftSettings(permutations=400), (reference, answers)
    numbers = [article_features(table, with_text=False) for table in tables]
    vectors = [_embed(table["title"]) for table in tables]
    features, scores = feature_drifts(numbers[0], numbers[1], vectors[0], vectors[1], settings)
    verdict = DriftVerdict(
        model_id=_MODELS[1],
        candidate="example",
        rows=answers.height,
        reference_rows=reference.height,
        first=answers["time"][0],
        last=answers["time"][-1],
        by_other_models=0,
        repeated=0,
        min_rows=200,
        features=tuple(features),
        abstentions=compare_abstentions(answers, reference, settings),
        data_note=NOTE,
    )
    verdict.write(draft.path)
    if pages:
        from fakenews_assets.monitoring.drift.pages import write_drift_pages

        split = reference.height
        compared = Compared(
            numbers[0].with_columns(pl.Series(EMBEDDING, scores[:split])),
            numbers[1].with_columns(pl.Series(EMBEDDING, scores[split:])),
            (reference["title"], answers["title"]),
        )
        write_drift_pages(compared, verdict, answers["time"][0].date(), draft.path)
    return draft


def _embed(titles: pl.Series) -> np.ndarray:
    """Titles as small bags of words."""
    words = HashingVectorizer(n_features=48, alternate_sign=False)
    return np.asarray(words.transform(titles.to_list()).toarray(), dtype=np.float32)  # pyright: ignore[reportAttributeAccessIssue]


def _quality(draft: Artifact, reference: pl.DataFrame, answers: pl.DataFrame) -> Artifact:
    settings, labelled = PerformanceSettings(), answers.head(_LABELS)
    labels, probabilities = labelled["label"].to_numpy(), labelled["probability"].to_numpy()
    PerformanceVerdict(
        model_id=_MODELS[1],
        candidate="example",
        labels={"feedback": labelled.height},
        by_other_models=0,
        min_labels=settings.min_labels,
        max_drop_points=settings.max_drop_points,
        metrics=Metrics.of(labels, probabilities),
        intervals=bootstrap_intervals(labels, probabilities, metrics=("macro_f1",)),
        evaluated=Metrics.of(reference["label"].to_numpy(), reference["probability"].to_numpy()),
        data_note=NOTE,
    ).write(draft.path)
    return draft
