"""Clusters over arriving batches: the rules one by one, and that no article's state ever changes."""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakenews_assets.data.dedup.near_duplicates import Links
from fakenews_assets.data.schema import CLUSTER_SCHEMA
from fakenews_assets.data.splits.clusters import (
    BRIDGE,
    CONTRADICTION,
    DUPLICATE,
    HELD_OUT,
    assign_clusters,
    cluster_sizes,
)
from fakenews_assets.data.splits.inheritance import Inherited
from fakenews_assets.data.splits.splitting import SplitSettings, split_of

CONFIG = SplitSettings(unseen_publishers=0.3, largest_unseen_publisher=1)
# What the hashes of these names decide.
TRAINED_ON, HELD_FOR_TEST, HELD_FOR_SELECTION = "wire", "desk", "held"


class Row(NamedTuple):
    """An article reduced to what clustering looks at. The content key defaults to the article itself."""

    name: str
    batch: str = "b1"
    label: int | None = 0
    key: int = 0
    text: int = 0
    source: str | None = None


def cluster(
    rows: Sequence[Row],
    edges: Sequence[tuple[int, int]] = (),
    batches: Sequence[str] = ("b1", "b2", "b3"),
    inherited: Inherited | None = None,
) -> pl.DataFrame:
    articles = pl.DataFrame(
        {
            "article_id": [r.name for r in rows],
            "batch": [r.batch for r in rows],
            "label": [r.label for r in rows],
            "source": [r.source for r in rows],
        },
        schema={"article_id": pl.String, "batch": pl.String, "label": pl.Int8, "source": pl.String},
    )
    own_keys = {name: 1000 + number for number, name in enumerate(sorted({r.name for r in rows}))}
    links = Links(
        content_key=np.array([r.key or own_keys[r.name] for r in rows], dtype=np.uint64),
        text_key=np.array([r.text for r in rows], dtype=np.uint64),
        edges=np.array(edges, dtype=np.int64).reshape(-1, 2),
        shared_text=np.zeros(len(rows), dtype=bool),
    )
    return assign_clusters(articles, links, batches, CONFIG, inherited)


def names_on(split: str, count: int) -> list[str]:
    """Names of clusters that lie on this split, in alphabetical order."""
    names = pl.Series([f"{number:04d}" for number in range(200)])
    return names.filter(split_of(names, CONFIG) == split).to_list()[:count]


def test_components_are_named_after_their_smallest_article() -> None:
    result = cluster([Row("d"), Row("b"), Row("c"), Row("a"), Row("e")], [(1, 0), (2, 1)])
    assert result.schema == CLUSTER_SCHEMA
    assert result["article_id"].to_list() == ["d", "b", "c", "a", "e"]
    assert result["cluster_id"].to_list() == ["b", "b", "b", "a", "e"]
    assert result["excluded"].null_count() == 5


def test_equal_titles_and_equal_texts_join() -> None:
    result = cluster([Row("a", key=1), Row("b", key=1, text=7), Row("c", text=7), Row("d", text=8), Row("e")])
    assert result["cluster_id"].to_list() == ["a", "a", "a", "d", "e"]


def test_first_of_equal_articles_counts() -> None:
    result = cluster([Row("a"), Row("a"), Row("a", "b2"), Row("b", "b2")])
    assert result["excluded"].to_list() == [None, DUPLICATE, DUPLICATE, None]
    assert result["cluster_id"].to_list() == ["a", "a", "a", "b"]


def test_a_label_that_arrives_later_is_not_lost() -> None:
    result = cluster(
        [Row("a", label=None), Row("a", "b2", label=1), Row("a", "b3", label=1), Row("a", "b3", None)]
    )
    assert result["excluded"].to_list() == [None, None, DUPLICATE, DUPLICATE]
    assert result["cluster_id"].unique().to_list() == ["a"]


def test_contradicting_labels_within_a_batch_exclude_both() -> None:
    result = cluster(
        [Row("a", label=0, key=1), Row("b", label=1, key=1), Row("c", label=None, key=1), Row("d")]
    )
    assert result["excluded"].to_list() == [CONTRADICTION, CONTRADICTION, None, None]


def test_equal_articles_with_contradicting_labels() -> None:
    result = cluster([Row("a", label=0), Row("a", label=1), Row("a", label=0)])
    assert result["excluded"].to_list() == [CONTRADICTION] * 3


def test_the_first_batch_decides_the_label_of_a_title() -> None:
    result = cluster(
        [
            Row("a", "b1", None, key=1),
            Row("b", "b2", 0, key=1),
            Row("c", "b3", 1, key=1),
            Row("d", "b3", 0, key=1),
        ]
    )
    assert result["excluded"].to_list() == [None, None, CONTRADICTION, None]


def test_a_contested_title_stays_contested() -> None:
    result = cluster([Row("a", label=0, key=1), Row("b", label=1, key=1), Row("c", "b2", 1, key=1)])
    assert result["excluded"].to_list() == [CONTRADICTION] * 3


def test_similar_titles_may_have_different_labels() -> None:
    result = cluster([Row("a", label=0), Row("b", label=1)], [(1, 0)])
    assert result["excluded"].null_count() == 2
    sizes = cluster_sizes(result, pl.Series([0, 1]))
    assert (sizes.mixed_label_clusters, sizes.largest, sizes.clustered_rows) == (1, 2, 2)


def test_a_newcomer_joins_the_oldest_of_clusters_on_one_side() -> None:
    first, second = names_on("train", 2)
    result = cluster([Row(second), Row(first, "b2"), Row("x", "b3")], [(2, 0), (2, 1)])
    assert result["cluster_id"].to_list() == [second, first, second]
    assert result["excluded"].null_count() == 3


def test_a_bridge_between_sides_is_excluded_with_its_component() -> None:
    (train,), (test,) = names_on("train", 1), names_on("test", 1)
    rows = [Row(train), Row(test), Row("x", "b2"), Row("y", "b2"), Row("z", "b2")]
    result = cluster(rows, [(2, 0), (3, 1), (3, 2)])
    assert result["excluded"].to_list() == [None, None, BRIDGE, BRIDGE, None]
    assert result["cluster_id"].to_list() == [train, test, None, None, "z"]
    assert cluster_sizes(result, pl.Series([0] * 5)).excluded == {BRIDGE: 2}


def test_an_excluded_bridge_leads_nowhere_later() -> None:
    (train,), (test,) = names_on("train", 1), names_on("test", 1)
    rows = [Row(train), Row(test), Row("x", "b2"), Row("y", "b3"), Row("z", "b3")]
    result = cluster(rows, [(2, 0), (2, 1), (3, 2), (4, 2)])
    assert result["cluster_id"].to_list() == [train, test, None, "y", "z"]


def test_a_key_first_seen_on_a_bridge_still_joins_later_rows() -> None:
    """Both rows link to the excluded one only: without the key as a node they would be parted."""
    (train,), (test,) = names_on("train", 1), names_on("test", 1)
    rows = [Row(train), Row(test), Row("x", "b2", key=5), Row("y", "b3", key=5), Row("z", "b3", key=5)]
    result = cluster(rows, [(2, 0), (2, 1)])
    assert result["cluster_id"].to_list() == [train, test, None, "y", "y"]


def test_excluded_repeats_still_tie_what_is_similar_to_them() -> None:
    result = cluster([Row("a"), Row("a"), Row("b")], [(2, 1)])
    assert result["cluster_id"].to_list() == ["a", "a", "a"]


def test_heirs_of_an_erased_article_keep_the_name_of_its_cluster_and_so_its_side() -> None:
    train, test = names_on("train", 1)[0], names_on("test", 1)[0]
    # Once the cluster `train` linked b and c; what is left of it founds two, and d joins the first.
    rows = [Row("b"), Row("c"), Row("d", "b2"), Row(test, "b2")]
    heirs = Inherited(names={"b": train, "c": train})
    found = cluster(rows, [(0, 2)], inherited=heirs)
    assert found["cluster_id"].to_list() == [train, train, train, test]
    # An article that is near to both parts is near to one split, and bridges nothing.
    assert (
        cluster([Row("b"), Row("c"), Row("d", "b2")], [(0, 2), (1, 2)], inherited=heirs)[
            "excluded"
        ].null_count()
        == 3
    )


def test_empty_table() -> None:
    result = cluster([])
    assert result.schema == CLUSTER_SCHEMA
    assert len(result) == 0
    assert cluster_sizes(result, pl.Series([], dtype=pl.Int8)).largest == 0


@pytest.mark.parametrize(
    ("rows", "batches", "message"),
    [
        ([Row("a", "b2"), Row("b", "b1")], ["b1", "b2"], "not in order of arrival"),
        ([Row("a", "b9")], ["b1"], "without a place in batch_order: b9"),
        ([Row("a")], ["b1", "b1"], "twice"),
    ],
)
def test_batches_must_be_in_order(rows: list[Row], batches: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cluster(rows, batches=batches)


def test_links_of_other_rows_are_refused() -> None:
    links = Links(
        np.zeros(1, np.uint64), np.zeros(1, np.uint64), np.empty((0, 2), np.int64), np.zeros(1, bool)
    )
    articles = pl.DataFrame({"article_id": ["a", "b"], "batch": "b1", "label": [0, 1], "source": "wire"})
    with pytest.raises(ValueError, match="2 articles but links for 1"):
        assign_clusters(articles, links, ["b1"], CONFIG)


def test_a_cluster_lies_in_the_split_of_its_founders_publisher() -> None:
    """And near-duplicates that belong elsewhere are left out, whichever came first."""
    trained = names_on("train", 4)
    rows = [
        Row(trained[0], source=HELD_FOR_TEST),
        Row(trained[1], source=TRAINED_ON),
        Row(trained[2], "b2", source=TRAINED_ON),
        Row(trained[3], "b2", source=HELD_FOR_TEST),
    ]
    result = cluster(rows, [(2, 0), (3, 1)])
    assert result["split"].to_list() == ["test", "train", "test", "train"]
    assert result["unseen_publisher"].to_list() == [True, False, False, True]
    assert result["excluded"].to_list() == [None, None, HELD_OUT, HELD_OUT]


def test_a_component_bridges_the_split_of_a_held_out_publisher() -> None:
    """Both clusters have a hash of the same split, and only one lies there."""
    first, second, third = names_on("train", 3)
    rows = [Row(first, source=HELD_FOR_TEST), Row(second, source=TRAINED_ON), Row(third, "b2")]
    assert cluster(rows, [(2, 0), (2, 1)])["excluded"].to_list() == [None, None, BRIDGE]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Row], list[tuple[int, int]], list[str]]:
    """Rows of several batches and publishers with repeats, shared keys, all labels, and edges to earlier rows."""
    count = draw(st.integers(1, 30))
    batches = [f"b{number}" for number in range(6)]
    arrival = sorted(draw(st.lists(st.integers(0, 5), min_size=count, max_size=count)))
    rows = []
    for batch in arrival:
        name = draw(st.integers(0, 24))
        # The content key and the text key follow from the article, as in life.
        rows.append(
            Row(
                f"{name:04d}",
                batches[batch],
                draw(st.sampled_from([0, 0, 1, None])),
                1 + name // 2,
                name % 7,
                draw(st.sampled_from([None, TRAINED_ON, HELD_FOR_TEST, HELD_FOR_SELECTION])),
            )
        )
    pair = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda p: p[0] > p[1])
    edges = draw(st.lists(pair, max_size=20)) if count > 1 else []
    return rows, edges, batches


@settings(max_examples=50)
@given(histories(), st.integers(1, 5))
def test_later_batches_change_nothing(
    history: tuple[list[Row], list[tuple[int, int]], list[str]], kept: int
) -> None:
    rows, edges, batches = history
    start = sum(row.batch in batches[:kept] for row in rows)
    before = cluster(rows[:start], [edge for edge in edges if max(edge) < start], batches[:kept])
    after = cluster(rows, edges, batches)
    assert after.head(start).equals(before)


@pytest.mark.compute
@settings(max_examples=50)
@given(histories(), st.randoms(use_true_random=False))
def test_accepted_rows_keep_every_promise(
    history: tuple[list[Row], list[tuple[int, int]], list[str]], random: Random
) -> None:
    rows, edges, batches = history
    result = cluster(rows, edges, batches).with_columns(
        key=pl.Series([row.key for row in rows]),
        text=pl.Series([row.text for row in rows]),
        label=pl.Series([row.label for row in rows], dtype=pl.Int8),
        source=pl.Series([row.source for row in rows], dtype=pl.String),
    )
    accepted = result.filter(pl.col("excluded").is_null())
    assert accepted["cluster_id"].null_count() == 0
    for name, rest in (("key", accepted), ("text", accepted.filter(pl.col("text") > 0))):
        assert rest.group_by(name).agg(pl.col("split").n_unique())["split"].max() in (1, None)
    labelled = accepted.drop_nulls("label")
    assert labelled["article_id"].is_unique().all()
    assert labelled.group_by("key").agg(pl.col("label").n_unique())["label"].max() in (1, None)
    held_out = {HELD_FOR_TEST: "test", HELD_FOR_SELECTION: "selection"}
    for source, split, unseen in accepted.select("source", "split", "unseen_publisher").iter_rows():
        assert unseen == (source in held_out)
        assert split == held_out.get(source, split)
    for later, earlier in edges:
        if result["excluded"][later] is None and result["excluded"][earlier] is None:
            assert result["split"][later] == result["split"][earlier]

    # The order of rows within a batch does not matter.
    shuffled = sorted(range(len(rows)), key=lambda row: (rows[row].batch, random.random()))
    place = {row: number for number, row in enumerate(shuffled)}
    moved = cluster([rows[row] for row in shuffled], [(place[a], place[b]) for a, b in edges], batches)
    assert moved["cluster_id"].to_list() == result["cluster_id"].gather(shuffled).to_list()
