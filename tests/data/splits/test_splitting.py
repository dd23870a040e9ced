"""Sides of the split and the checks on them, each check with passing and failing input."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fakenews_assets.data.dedup.near_duplicates import NearDuplicateSettings, find_links
from fakenews_assets.data.schema import ARTICLE_SCHEMA, CLUSTER_SCHEMA
from fakenews_assets.data.splits.clusters import (
    BRIDGE,
    DUPLICATE,
    OVER_LIMIT,
    assign_clusters,
)
from fakenews_assets.data.splits.splitting import (
    SPLITS,
    UNLABELLED,
    SplitSettings,
    held_out_for,
    split_articles,
    split_of,
)
from fakenews_assets.data.splits.verification import (
    moved_articles,
    split_table,
    verify_clusters,
    verify_contents,
    verify_publishers,
    verify_shares,
)

CONFIG = SplitSettings()


def articles(count: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "article_id": [f"{row:04d}" for row in range(count)],
            "title": [f"Title number {row} here" for row in range(count)],
            "text": "",
            "label": [row % 2 for row in range(count)],
            "source": "wire",
            "group": None,
            "published_at": datetime(2024, 1, 1, tzinfo=UTC),
            "batch": "b1",
        },
        schema=ARTICLE_SCHEMA,
    )


def own_clusters(table: pl.DataFrame) -> pl.DataFrame:
    return table.select(
        "article_id",
        "batch",
        cluster_id="article_id",
        split=split_of(table["article_id"], CONFIG).cast(pl.String),
        unseen_publisher=False,
        shared_text=False,
        excluded=pl.lit(None, pl.String),
    )


def splits(**titles: list[str]) -> dict[str, pl.LazyFrame]:
    return {
        split: pl.LazyFrame(
            {"title": titles.get(split, []), "text": [""] * len(titles.get(split, []))},
            schema={"title": pl.String, "text": pl.String},
        ).with_columns(shared_text=False)
        for split in SPLITS
    }


def test_sides_are_the_same_for_ever() -> None:
    names = pl.Series(["a", "b", "c", "d", "e", "f", "g", "h", None])
    assert split_of(names, CONFIG).to_list() == [
        "train",
        "train",
        "test",
        "train",
        "train",
        "test",
        "train",
        "train",
        None,
    ]


@given(st.lists(st.text(max_size=5), max_size=20), st.integers(0, 20))
def test_the_side_depends_on_the_name_alone(names: list[str], start: int) -> None:
    everything = split_of(pl.Series(names, dtype=pl.String), CONFIG)
    assert split_of(pl.Series(names[start:], dtype=pl.String), CONFIG).equals(everything[start:])


def test_another_salt_is_another_split() -> None:
    names = pl.Series([str(number) for number in range(1000)])
    agree = (split_of(names, CONFIG) == split_of(names, SplitSettings(salt="other"))).mean()
    assert agree == pytest.approx(0.7**2 + 3 * 0.1**2, abs=0.05)  # as for two independent splits


@pytest.mark.parametrize("shares", [(0.7, 0.1, 0.2), (0.5, 0.2, 0.1)])
def test_shares_must_add_up(shares: tuple[float, float, float]) -> None:
    train, val, test = shares
    with pytest.raises(ValidationError, match="must add up to 1"):
        SplitSettings(train=train, val=val, selection=0.1, test=test)


@pytest.mark.parametrize("lazy", [False, True])
def test_split_places_every_row_once(lazy: bool, tmp_path: Path) -> None:
    table = articles(300).with_columns(
        label=pl.when(pl.col("article_id") == "0003").then(None).otherwise("label")
    )
    table = table.cast({"label": pl.Int8})
    clusters = own_clusters(table).with_columns(
        excluded=pl.when(pl.col("article_id") == "0001")
        .then(pl.lit(DUPLICATE))
        .when(pl.col("article_id") == "0002")
        .then(pl.lit(BRIDGE)),
        cluster_id=pl.when(pl.col("article_id") != "0002").then("cluster_id"),
    )
    table.write_parquet(tmp_path / "articles.parquet", row_group_size=37)
    source = pl.scan_parquet(tmp_path / "articles.parquet") if lazy else table
    result = split_articles(source, clusters)
    collected = {split: rows.collect() for split, rows in result.splits.items()}
    assert tuple(collected) == SPLITS
    for split, rows in collected.items():
        assert rows.schema == pl.Schema(
            {
                **ARTICLE_SCHEMA,
                "cluster_id": pl.String,
                "unseen_publisher": pl.Boolean,
                "shared_text": pl.Boolean,
            }
        )
        assert set(split_of(rows["cluster_id"], CONFIG)) == {split}
        assert rows["article_id"].is_sorted()
        expected = table.filter(pl.col("article_id").is_in(rows["article_id"].implode()))
        assert rows.drop("cluster_id", "unseen_publisher", "shared_text").equals(expected)
    assert sum(map(len, collected.values())) == 297
    assert dict(result.excluded.select("article_id", "reason").iter_rows()) == {
        "0001": DUPLICATE,
        "0002": BRIDGE,
        "0003": UNLABELLED,
    }


def test_clusters_of_other_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="5 articles but 4 rows of clusters"):
        split_articles(articles(5), own_clusters(articles(4)))


def test_a_publisher_trains_no_more_than_its_limit_and_later_batches_leave_none_out() -> None:
    table = articles(600).with_columns(
        source=pl.Series([("wire", "blog", None)[row % 3] for row in range(600)]),
        batch=pl.Series([f"b{row // 300}" for row in range(600)]),
    )
    config = SplitSettings(max_publisher_rows=20, largest_unseen_publisher=0.01)
    versions = []
    for rows in (table.head(300), table):
        links = find_links(rows, NearDuplicateSettings(min_title_words=9))
        result = split_articles(rows, assign_clusters(rows, links, ["b0", "b1"], config))
        counts = result.splits["train"].group_by("batch", "source").len().collect()
        assert counts.filter(pl.col("source").is_not_null())["len"].unique().to_list() == [20]
        assert counts.filter(pl.col("source").is_null())["len"].min() > 20  # pyright: ignore[reportOperatorIssue, reportOptionalOperand]
        assert set(result.excluded["reason"]) == {OVER_LIMIT}
        assert len(result.excluded) + len(split_table(result.splits)) == len(rows)
        versions.append(split_table(result.splits))
    moves = moved_articles(*versions)
    assert (moves.moved, moves.gone) == (0, 0)


def test_split_without_rows() -> None:
    result = split_articles(articles(0), pl.DataFrame(schema=CLUSTER_SCHEMA))
    table = split_table(result.splits)
    assert len(table) == len(result.excluded) == 0
    assert verify_shares(table, CONFIG).within_tolerance
    assert verify_clusters(table).passed
    assert verify_contents(result.splits, NearDuplicateSettings()).passed


def test_ten_more_batches_move_nothing() -> None:
    """The whole chain: links, clusters, splits, on titles that repeat and resemble each other."""
    rng = np.random.default_rng(0)
    words = np.array([f"word{number}" for number in range(400)])
    stems = [" ".join(rng.choice(words, 8)) for _ in range(300)]
    table = articles(1100).with_columns(
        title=pl.Series([f"{stems[rng.integers(300)]} {words[rng.integers(400)]}" for _ in range(1100)]),
        batch=pl.Series([f"b{row // 100:02d}" for row in range(1100)]),
    )
    versions = []
    for rows in (table.head(100), table):
        links = find_links(rows, NearDuplicateSettings())
        clusters = assign_clusters(rows, links, [f"b{number:02d}" for number in range(11)], CONFIG)
        result = split_articles(rows, clusters)
        assert verify_contents(result.splits, NearDuplicateSettings()).passed
        versions.append(split_table(result.splits))
    assert verify_clusters(versions[1]).passed
    assert len(versions[1]) > 500
    assert versions[1]["cluster_id"].n_unique() < 400
    assert moved_articles(*versions).passed
    assert moved_articles(*versions).gone == 0


def test_publishers_are_held_out_by_their_name() -> None:
    publishers = pl.Series([f"site-{number}.example" for number in range(2_000)])
    held_out = held_out_for(publishers, pl.zeros(2_000, pl.Int64, eager=True), CONFIG)
    for split in ("test", "selection"):
        assert (held_out == split).sum() / 2_000 == pytest.approx(0.1, abs=0.03)
    assert set(held_out.drop_nulls()) == {"test", "selection"}
    none = SplitSettings(unseen_publishers=0)
    assert held_out_for(publishers, pl.zeros(2_000, pl.Int64, eager=True), none).null_count() == 2_000


def test_a_publisher_keeps_its_fate_and_a_large_one_is_never_held_out() -> None:
    config = SplitSettings(unseen_publishers=0.49, largest_unseen_publisher=0.05)
    names = pl.Series([f"site-{number}.example" for number in range(100)])
    large = names.filter(held_out_for(names, pl.zeros(100, pl.Int64, eager=True), config) == "test")[0]
    small = names.filter(names != large)
    # 6 of 105 articles, then nearly all of a later batch.
    first = pl.concat([small, pl.Series([large] * 6)])
    both = pl.concat([first, pl.Series([large, small[0]] * 50), pl.Series([None], dtype=pl.String)])
    batches = pl.Series([0] * len(first) + [1] * 101)
    now = held_out_for(first, batches.head(len(first)), config)
    later = held_out_for(both, batches, config)
    assert later.head(len(first)).equals(now)
    assert later.filter(both == large).null_count() == 56
    assert later.last() is None
    # 5 of 104 articles.
    assert held_out_for(both[1 : len(first) - 1], batches[1 : len(first) - 1], config).last() == "test"


def test_verify_publishers() -> None:
    def of(train: str) -> dict[str, pl.LazyFrame]:
        return {
            "train": pl.LazyFrame({"source": [train, None], "unseen_publisher": False}),
            "test": pl.LazyFrame(
                {"source": ["held.out", "seen", None], "unseen_publisher": [True, False, False]}
            ),
        }

    assert verify_publishers(of("seen")).passed
    broken = verify_publishers(of("held.out"))
    assert (broken.passed, broken.count, broken.examples) == (False, 1, ("held.out",))


def test_verify_clusters() -> None:
    table = pl.DataFrame({"cluster_id": ["a", "a", "b", "b"], "split": ["train", "train", "test", "test"]})
    assert verify_clusters(table).passed
    broken = verify_clusters(table.with_columns(split=pl.Series(["train", "test", "test", "test"])))
    assert (broken.passed, broken.count, broken.examples) == (False, 1, ("a",))


def test_verify_contents_accepts_a_clean_split() -> None:
    clean = splits(
        train=["One story of today", "Breaking news", ""], test=["Another story of today", "Breaking", ""]
    )
    assert verify_contents(clean, NearDuplicateSettings()).passed


def test_verify_contents_finds_equal_titles() -> None:
    leaking = splits(train=["One STORY of today!"], val=["Nothing to see here"], test=["one story of today"])
    found = verify_contents(leaking, NearDuplicateSettings())
    assert (found.passed, found.count, found.examples) == (False, 1, ("One STORY of today!",))


def test_verify_contents_compares_short_titles_with_their_text() -> None:
    def two(text: str) -> dict[str, pl.LazyFrame]:
        return {
            "train": pl.LazyFrame({"title": ["Trump wins"], "text": ["Read more"], "shared_text": False}),
            "test": pl.LazyFrame({"title": ["Trump Wins"], "text": [text], "shared_text": False}),
        }

    only_titles = NearDuplicateSettings(min_text_words=3)
    assert verify_contents(two("read on"), only_titles).passed
    assert verify_contents(two("read more"), only_titles).count == 1


def test_verify_contents_finds_equal_texts() -> None:
    leaking = {
        "train": pl.LazyFrame(
            {"title": ["One story of today"], "text": ["The same, text."], "shared_text": False}
        ),
        "test": pl.LazyFrame(
            {"title": ["Quite another tale"], "text": ["the SAME text"], "shared_text": False}
        ),
    }
    assert verify_contents(leaking, NearDuplicateSettings()).count == 1
    shared = {split: rows.with_columns(shared_text=True) for split, rows in leaking.items()}
    assert verify_contents(shared, NearDuplicateSettings()).passed
    assert verify_contents(leaking, NearDuplicateSettings(min_text_words=4)).passed


def test_verify_shares_of_a_hashed_split() -> None:
    table = split_table(split_articles(articles(20_000), own_clusters(articles(20_000))).splits)
    shares = verify_shares(table, CONFIG)
    assert sum(shares.rows.values()) == 20_000
    assert shares.z_score < 4
    assert shares.deviation_points < 1
    assert shares.within_tolerance
    assert shares.largest_cluster == 1


def test_verify_shares_of_a_skewed_split() -> None:
    table = pl.DataFrame(
        {
            "cluster_id": [str(row) for row in range(10_000)],
            "split": ["train"] * 7_200 + ["val"] * 1_000 + ["selection"] * 900 + ["test"] * 900,
            "unseen_publisher": False,
        }
    )
    shares = verify_shares(table, CONFIG)
    assert shares.deviation_points == pytest.approx(2.0)
    assert shares.z_score == pytest.approx(0.02 * 10_000 / (0.7 * 0.3 * 10_000) ** 0.5)
    assert not shares.within_tolerance
    assert verify_shares(table.gather_every(2), CONFIG).within_tolerance  # 5,000 rows: chance may do this


def test_large_clusters_widen_the_spread_to_expect() -> None:
    single = pl.DataFrame(
        {"cluster_id": [str(row) for row in range(1000)], "split": "train", "unseen_publisher": False}
    )
    paired = single.with_columns(cluster_id=pl.Series([str(row // 4) for row in range(1000)]))
    assert verify_shares(single, CONFIG).z_score == pytest.approx(2 * verify_shares(paired, CONFIG).z_score)


def test_moved_articles() -> None:
    old = pl.DataFrame({"article_id": ["a", "b", "c"], "split": ["train", "val", "test"]})
    grown = pl.DataFrame({"article_id": ["d", "c", "b", "a"], "split": ["val", "test", "val", "train"]})
    assert moved_articles(old, grown) == moved_articles(old, old)
    assert moved_articles(old, grown).passed
    broken = moved_articles(old, pl.DataFrame({"article_id": ["a", "b"], "split": ["test", "val"]}))
    assert (broken.passed, broken.moved, broken.gone) == (False, 1, 1)
    assert broken.examples == ("a: train -> test", "c: test -> None")
