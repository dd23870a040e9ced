"""Divisions of a corpus, and what trainings under them say."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fakenews_assets.common.plotting import to_png
from fakenews_assets.data.schema import ARTICLE_SCHEMA
from fakenews_assets.evaluation.checks import carries_over
from fakenews_assets.evaluation.generalization import generalization
from fakenews_assets.evaluation.generalization.folds import make_folds, sources_to_hold_out
from fakenews_assets.evaluation.generalization.generalization import Spread, measure, spreads
from fakenews_assets.evaluation.generalization.report import generalization_markdown, generalization_plot
from fakenews_assets.evaluation.generalization.settings import PROTOCOLS, GeneralizationSettings
from fakenews_assets.models.settings import BaselineSettings, EncoderSpec
from fakenews_assets.training.settings import FinetuneSettings

Sides = dict[str, pl.DataFrame]


def corpus(rows: int = 1200) -> Sides:
    """Two in three articles are of `wire`, whose fakes all say "shocking"; elsewhere that word means nothing, and the
    weak words that tell labels apart everywhere must do. Each article has a near-copy in its cluster."""
    rng = random.Random(0)
    records = []
    for row in range(rows):
        label = row % 2
        source = rng.choices(["wire", "daily", "blog", None], [64, 20, 12, 4])[0]
        weak = rng.choice([("said", "claimed"), ("report", "rumour")])
        words = rng.choices([f"word{n}" for n in range(60)], k=6)
        words.append(weak[label] if rng.random() < 0.7 else weak[1 - label])
        if (label == 1) if source == "wire" else (rng.random() < 0.5):
            words.append("shocking")
        rng.shuffle(words)
        records.append(
            {
                "article_id": f"{row:032x}",
                "title": " ".join(words),
                "text": "",
                "label": label,
                "source": source,
                "published_at": datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=row // 2),
                "batch": "b",
                "cluster_id": f"{row // 4}",
            }
        )
    table = pl.DataFrame(records, schema={**ARTICLE_SCHEMA, "cluster_id": pl.String})
    split = pl.col("cluster_id").cast(pl.Int64) % 20
    return {
        "train": table.filter(split < 14),
        "val": table.filter(split.is_in([14, 15, 16])),
        "test": table.filter(split > 16),
    }


def test_every_row_is_tested_on_where_it_should_be() -> None:
    splits = corpus()
    every = pl.concat(splits.values())
    for protocol in PROTOCOLS:
        folds = list(make_folds(splits, protocol))
        for fold in folds:
            ids = [set(part["article_id"]) for part in (fold.train, fold.val, fold.test)]
            assert len(set.union(*ids)) == sum(len(one) for one in ids)
            clusters = [set(part["cluster_id"]) for part in (fold.train, fold.test)]
            # Rows drawn one by one leave near-copies on both splits: that is what is wrong with it.
            assert clusters[0].isdisjoint(clusters[1]) == (protocol != "random")
        if protocol == "source_disjoint":
            assert [fold.held_out for fold in folds] == ["daily", "blog"]
            for fold in folds:
                assert set(fold.test["source"]) == {fold.held_out}
                assert fold.held_out not in {*fold.train["source"], *fold.val["source"]}
                assert fold.test.height == every.filter(pl.col("source") == fold.held_out).height
                assert None in set(fold.train["source"])
        else:
            (fold,) = folds
            assert fold.held_out is None
        if protocol == "time_ordered":
            (fold,) = folds
            train, val, test = (part["published_at"] for part in (fold.train, fold.val, fold.test))
            assert train.max() <= val.min() <= val.max() <= test.min()  # pyright: ignore[reportOptionalOperand, reportOperatorIssue]


def test_a_source_is_held_out_only_if_that_says_something() -> None:
    table = pl.DataFrame(
        {
            "source": ["big"] * 120 + ["one label"] * 60 + ["tiny"] * 10 + ["fine"] * 60 + [None] * 30,
            "label": [0, 1] * 60 + [1] * 60 + [0, 1] * 5 + [0, 1] * 30 + [0, 1] * 15,
        }
    )
    assert sources_to_hold_out(table) == ["big", "fine"]
    assert sources_to_hold_out(table.filter(pl.col("source").is_in(["big", "fine"]))) == ["fine"]


def test_a_corpus_without_sources_and_dates_has_neither_division() -> None:
    splits = {
        split: table.with_columns(
            source=pl.lit(None, dtype=pl.String), published_at=pl.lit(None, dtype=pl.Datetime("us", "UTC"))
        )
        for split, table in corpus().items()
    }
    assert not list(make_folds(splits, "source_disjoint"))
    assert not list(make_folds(splits, "time_ordered"))
    with pytest.raises(ValueError, match="sources with both labels, or dates"):
        measure(
            splits,
            GeneralizationSettings(protocols=("source_disjoint",)),
            BaselineSettings(),
            FinetuneSettings(),
            Path(),
        )


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> list[Spread]:
    work = tmp_path_factory.mktemp("work")
    predictions = measure(corpus(), GeneralizationSettings(), BaselineSettings(), FinetuneSettings(), work)
    return spreads(predictions)


def of(measured: list[Spread], protocol: str, held_out: str | None = None) -> Spread:
    return next(one for one in measured if (one.protocol, one.held_out) == (protocol, held_out))


def test_a_shortcut_of_one_source_shows_where_that_source_is_absent(measured: list[Spread]) -> None:
    grouped, disjoint = of(measured, "grouped"), of(measured, "source_disjoint")
    assert grouped.mean > disjoint.mean + 0.1
    parts = [one for one in measured if one.held_out is not None]
    assert {one.held_out for one in parts} == {"daily", "blog"}
    assert disjoint.rows == sum(one.rows for one in parts)
    assert (grouped.seeds, grouped.sd, grouped.low) == (1, None, None)


def test_the_check_warns_of_such_a_corpus_and_is_quiet_where_the_drop_is_allowed(
    measured: list[Spread],
) -> None:
    result = carries_over(measured, largest_drop=5)
    assert not result.passed
    assert "source-disjoint" in (result.description or "")
    assert carries_over(measured, largest_drop=60).passed
    assert carries_over([one for one in measured if one.protocol == "random"], largest_drop=0).passed


def test_report_and_plot_name_every_division(measured: list[Spread]) -> None:
    text = generalization_markdown(measured, "Generated.")
    for name in ("random", "grouped", "source-disjoint, all sources", "without daily", "time-ordered"):
        assert f"| {name} |" in text
    assert text.startswith("> **Generated.**")
    assert "nan" not in text
    assert "None" not in text
    assert to_png(generalization_plot(measured)).startswith(b"\x89PNG")


def test_seeds_spread_and_a_killed_measurement_goes_on(
    tiny_encoder: EncoderSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = GeneralizationSettings(
        protocols=("grouped",), models=("baseline", "finetuned"), seeds=2, rows_of_a_source=60
    )
    recipe = FinetuneSettings(
        encoder=tiny_encoder, max_tokens=32, epochs=1, batch_size=16, learning_rate=5e-3, precision="fp32"
    )

    run_one, begun = generalization._run, []

    def killed_at_the_third(*run: Any) -> pl.DataFrame:
        begun.append(run)
        if len(begun) == 3:
            raise KeyboardInterrupt
        return run_one(*run)

    monkeypatch.setattr(generalization, "_run", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        measure(corpus(400), settings, BaselineSettings(), recipe, tmp_path)
    finished = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.parquet")}
    assert len(finished) == 2
    predictions = measure(corpus(400), settings, BaselineSettings(), recipe, tmp_path)
    assert len(begun) == 6
    assert len(list(tmp_path.glob("*.parquet"))) == 3
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in finished} == finished
    tuned = next(one for one in spreads(predictions) if one.model == "finetuned")
    assert tuned.seeds == 2
    assert tuned.sd is not None
    assert tuned.high is not None
    # Student's t for two runs: 12.706 standard errors.
    assert tuned.high - tuned.mean == pytest.approx(12.706 * tuned.sd / 2**0.5, rel=1e-3)
