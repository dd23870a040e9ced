from collections.abc import Callable

import polars as pl
import pytest

from fakenews_assets.evaluation.metrics.slices import SliceConfig, SliceScore, score_slices, slice_table
from fakenews_assets.models.metrics import Metrics

MakeSplit = Callable[..., pl.DataFrame]


def _scored(split: pl.DataFrame) -> pl.DataFrame:
    """Every article gets the right answer, except those of the source "middle"."""
    right = pl.when(pl.col("source") == "middle").then(1 - pl.col("label")).otherwise("label")
    return split.with_columns(probability=0.1 + 0.8 * right.cast(pl.Float64))


def _named(slices: tuple[SliceScore, ...], dimension: str) -> dict[str, SliceScore]:
    return {one.name: one for one in slices if one.dimension == dimension}


def test_every_dimension_divides_all_rows(make_split: MakeSplit):
    slices = score_slices(_scored(make_split(400)), SliceConfig(), resamples=100)

    rows: dict[str, int] = {}
    for one in slices:
        rows[one.dimension] = rows.get(one.dimension, 0) + one.rows
    assert rows == {"source": 400, "title length": 400, "text": 400, "month": 400}


def test_values_of_a_slice_are_those_of_its_rows(make_split: MakeSplit):
    table = _scored(make_split(400))
    by_source = _named(score_slices(table, SliceConfig(), resamples=100), "source")

    assert list(by_source) == ["large", "middle", "small"]
    for name, one in by_source.items():
        part = table.filter(pl.col("source") == name)
        metrics = Metrics.of(part["label"].to_numpy(), part["probability"].to_numpy())
        assert (one.rows, one.fake_share) == (part.height, metrics.fake_share)
        assert (one.accuracy, one.macro_f1) == (metrics.accuracy, metrics.macro_f1)
    assert by_source["large"].accuracy == 1
    assert by_source["middle"].accuracy == 0


def test_small_slices_are_flagged_and_have_no_interval(make_split: MakeSplit):
    by_source = _named(
        score_slices(_scored(make_split(400)), SliceConfig(minimum_rows=50), resamples=100), "source"
    )

    assert by_source["small"].rows < 50
    assert by_source["small"].too_few
    assert by_source["small"].accuracy_interval is None
    assert not by_source["large"].too_few
    assert by_source["large"].accuracy_interval is not None


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([2, 3, 5, 8], {"up to 2 words": 1, "3 words": 1, "4 to 5 words": 1, "6 words or more": 1}),
        ([1, 1, 1, 3, 3, 3], {"up to 1 word": 3, "2 words or more": 3}),
        ([4, 4, 4, 4, 4], {"any length": 5}),
    ],
)
def test_title_lengths_are_quarters_with_readable_names(
    make_split: MakeSplit, lengths: list[int], expected: dict[str, int]
):
    titles = pl.Series([" ".join(["word"] * length) for length in lengths])
    table = _scored(make_split(len(lengths)).with_columns(title=titles))

    found = _named(score_slices(table, SliceConfig()), "title length")
    assert {name: one.rows for name, one in found.items()} == expected


def test_months_come_in_order_and_unknown_dates_last(make_split: MakeSplit):
    dated = pl.when(pl.int_range(pl.len()) >= 30).then("published_at")
    table = _scored(make_split(400).with_columns(dated))

    months = _named(score_slices(table, SliceConfig(), resamples=100), "month")
    assert list(months) == [*(f"2017-0{month}" for month in range(1, 7)), "unknown"]
    assert months["unknown"].rows == 30


def test_columns_without_values_make_no_dimension(make_split: MakeSplit):
    table = _scored(make_split(60)).with_columns(pl.lit(None, pl.String).alias("source"), published_at=None)
    table = table.cast({"published_at": pl.Datetime("us", "UTC")})

    slices = score_slices(table, SliceConfig(), resamples=100)
    assert {one.dimension for one in slices} == {"title length", "text"}


def test_small_sources_share_a_slice(make_split: MakeSplit):
    names = pl.Series([f"site{index % 10}" if index < 100 else "daily" for index in range(400)])
    table = _scored(make_split(400)).with_columns(source=names)

    sources = _named(score_slices(table, SliceConfig(largest_sources=3), resamples=100), "source")
    assert {name: one.rows for name, one in sources.items()} == {
        "daily": 300,
        "site0": 10,
        "site1": 10,
        "8 smaller sources": 80,
    }


def test_a_slice_of_one_class_has_no_macro_f1(make_split: MakeSplit):
    table = _scored(make_split(200)).with_columns(label=pl.lit(1, pl.Int8))

    for one in score_slices(table, SliceConfig(), resamples=100):
        assert (one.fake_share, one.macro_f1, one.macro_f1_interval) == (1, None, None)


def test_intervals_draw_whole_clusters(make_split: MakeSplit):
    table = _scored(make_split(400)).with_columns(cluster_id=pl.lit("only"))

    for one in score_slices(table, SliceConfig(minimum_rows=1), resamples=100):
        assert one.accuracy_interval is not None
        width = one.accuracy_interval.high - one.accuracy_interval.low
        assert width > 0.5  # one observation says next to nothing
        assert one.accuracy_interval.low <= one.accuracy <= one.accuracy_interval.high


def test_the_table_is_tidy(make_split: MakeSplit):
    slices = score_slices(_scored(make_split(400)), SliceConfig(), resamples=100)
    table = slice_table(slices)

    assert table.height == len(slices)
    large = table.row(by_predicate=(pl.col("slice") == "large"), named=True)
    assert large["accuracy"] == large["accuracy_high"] == 1 > large["accuracy_low"] > 0.97
    small = table.row(by_predicate=(pl.col("slice") == "small"), named=True)
    assert small["too_few"]
    assert small["accuracy_low"] is None
    assert slice_table(()).schema == table.schema
