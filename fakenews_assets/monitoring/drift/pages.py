"""Writes Evidently's reports: data drift, drift tests, text metrics.

They use the same features, distances and thresholds as the verdict.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Final

# Read by Evidently when it is imported: it reports its use to its maker otherwise.
os.environ.setdefault("DO_NOT_TRACK", "1")

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.descriptors import NonLetterCharacterPercentage, SentenceCount, TextLength, WordCount
from evidently.legacy.calculations.stattests import StatTest, register_stattest
from evidently.legacy.core import ColumnType
from evidently.presets import DataDriftPreset, TextEvals
from sklearn.metrics import roc_auc_score

from fakenews_assets.monitoring.drift.drift import Compared
from fakenews_assets.monitoring.drift.heading import with_heading
from fakenews_assets.monitoring.drift.verdict import DriftVerdict

_AUC: Final = "fakenews_domain_auc"


def _domain_auc(
    reference: pd.Series, window: pd.Series, _: ColumnType, threshold: float
) -> tuple[float, bool]:
    labels = [0] * len(reference) + [1] * len(window)
    area = float(roc_auc_score(labels, pd.concat([reference, window])))
    return area, area > threshold


register_stattest(
    StatTest(
        name=_AUC,
        display_name="Area under the ROC curve of a classifier between reference and window",
        allowed_feature_types=[ColumnType.Numerical],
    ),
    _domain_auc,
)


def write_drift_pages(compared: Compared, verdict: DriftVerdict, day: date, folder: Path) -> None:
    """Write `DRIFT_PAGES`, the last one only where titles are known.

    Each page is self-contained: it loads no script or style from elsewhere.

    Args:
        compared: window and reference.
        verdict: of the day, with its features, their measures and thresholds.
        day: that the pages are about.
        folder: receives the files.
    """
    features, measures = verdict.features, {"wasserstein": "wasserstein", "auc": _AUC}
    preset = DataDriftPreset(
        columns=[feature.name for feature in features],
        # One feature that has moved is drift, as in the verdict; there are fewer than a hundred.
        drift_share=0.01,
        per_column_method={feature.name: measures[feature.measure] for feature in features},
        per_column_threshold={feature.name: feature.threshold for feature in features},
    )
    numbers = DataDefinition(numerical_columns=[feature.name for feature in features])
    window, reference = (
        Dataset.from_pandas(table.to_pandas(), data_definition=numbers)
        for table in (compared.window, compared.reference)
    )
    with _quiet():
        pages = {
            "data_drift": Report([preset]).run(window, reference),
            "drift_tests": Report([preset], include_tests=True).run(window, reference),
        }
        if compared.titles is not None:
            known, asked = (_texts(titles.to_list()) for titles in compared.titles)
            pages["text_metrics"] = Report([TextEvals()]).run(asked, known)
        for name, page in pages.items():
            html = with_heading(page.get_html_str(as_iframe=False), list(pages), name, day, verdict)
            (folder / f"{name}.html").write_text(html, encoding="utf-8")


def _texts(titles: list[str]) -> Dataset:
    return Dataset.from_pandas(
        pd.DataFrame({"title": titles}),
        data_definition=DataDefinition(text_columns=["title"]),
        descriptors=[
            TextLength("title", alias="characters"),
            WordCount("title", alias="words"),
            SentenceCount("title", alias="sentences"),
            NonLetterCharacterPercentage("title", alias="characters other than letters, %"),
        ],
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence warnings about intermediate results that the pages do not show."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        warnings.simplefilter("ignore", FutureWarning)
        yield
