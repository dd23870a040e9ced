"""The audit recomputes labels that follow from ratings."""

from collections.abc import Callable

import polars as pl
import pytest

from fakenews_assets.governance.audit.audit_log import AuditLog
from fakenews_assets.governance.audit.data import audit_data
from fakenews_assets.governance.audit.ratings import audit_ratings
from fakenews_assets.governance.audit.versions import Versions
from fakenews_assets.models.calibration import Calibration
from fakenews_assets.registry.bundle import Manifest
from fakenews_resources.storage.artifact import Artifact
from tests.support.rated import RatedCorpus

pytestmark = pytest.mark.runs

KEYS = (
    "source_ratings",
    "publisher_labels/rated",
    *(f"{name}_news/{batch}" for name in ("raw", "clean") for batch in ("rated", "plain")),
)

Change = Callable[[Artifact], object]


def audited(rated: RatedCorpus) -> list[tuple[str, str]]:
    """The failed checks of a bundle that was made of these batches."""
    stored = {key: rated.store.current(key) for key in KEYS}
    manifest = Manifest(
        candidate="x",
        encoder=None,
        runtime="linear",
        calibration=Calibration.identity(),
        data_versions={key: one.version for key, one in stored.items()},
        config={key: one.record.config for key, one in stored.items() if one.record},
        git_commit=None,
        package_versions={},
    )
    log, versions = AuditLog(), Versions(readable=stored)
    audit_ratings(log, manifest, versions)
    audit_data(log, manifest, versions)
    assert {"ratings", "publisher labels", "labelling rule", "cleaning"} <= {
        check.what for check in log.checks
    }
    return [(check.what, check.name) for check in log.checks if not check.ok]


def edited(table: str, change: pl.Expr) -> Change:
    def edit(stored: Artifact) -> None:
        file = stored.path / table
        pl.read_parquet(file).with_columns(change).write_parquet(file)

    return edit


def other_label(name: str = "label") -> pl.Expr:
    return (1 - pl.col(name)).cast(pl.Int8).alias(name)


def test_labels_by_rating_are_sound(rated: RatedCorpus) -> None:
    assert audited(rated) == []


@pytest.mark.parametrize(
    ("key", "change", "faults"),
    [
        ("source_ratings", edited("ratings.parquet", pl.col("rating") + 0.01), [("ratings", "source_ratings")]),
        (
            "source_ratings",
            lambda stored: (stored.path / "received" / "ratings.csv").write_text("domain,rating\na.b,1"),
            [("raw bytes", "source_ratings ratings.csv"), ("ratings", "source_ratings")],
        ),
        (
            "publisher_labels/rated",
            edited("labels.parquet", other_label()),
            [("publisher labels", "publisher_labels/rated"), ("cleaning", "clean_news/rated")],
        ),
        (
            "publisher_labels/rated",
            lambda stored: (stored.path / "rule.json").write_text('{"fake_below": 0.1}'),
            [("labelling rule", "publisher_labels/rated")],
        ),
        ("clean_news/rated", edited("articles-0000.parquet", other_label()), [("cleaning", "clean_news/rated")]),
    ],
    ids=["a rating", "the file of ratings", "a publisher's label", "the rule", "an article's label"],
)  # fmt: skip
def test_what_was_changed_is_named(
    rated: RatedCorpus, key: str, change: Change, faults: list[tuple[str, str]]
) -> None:
    change(rated.store.current(key))
    assert audited(rated) == faults
