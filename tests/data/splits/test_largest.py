"""The largest cluster names what made it."""

import polars as pl
import pytest

from fakenews_assets.data.splits.largest import largest_cluster


@pytest.mark.parametrize(
    ("texts", "made_by"),
    [
        (["A cookie notice"] * 11 + ["else"], "A cookie notice"),
        ([""] * 12, "a title"),
        ([str(n) for n in range(12)], "a title"),
    ],
)
def test_a_giant(texts: list[str], made_by: str) -> None:
    clusters = pl.DataFrame({"cluster_id": ["c"] * 12 + [str(n) for n in range(88)], "excluded": None})
    articles = pl.LazyFrame({"title": ["a title"] * 100, "text": [*texts, *["x"] * 88]})
    largest = largest_cluster(clusters, articles)
    assert (largest.rows, largest.share, largest.made_by, largest.is_giant) == (12, 0.12, made_by, True)
    few = largest_cluster(
        clusters.with_columns(excluded=pl.when(pl.int_range(pl.len()) < 3).then(pl.lit("x"))), articles
    )
    assert (few.rows, few.is_giant) == (9, False)


def test_no_article_is_accepted() -> None:
    nothing = pl.DataFrame(
        {"cluster_id": [None], "excluded": ["x"]}, schema={"cluster_id": pl.String, "excluded": pl.String}
    )
    assert not largest_cluster(nothing, pl.LazyFrame({"title": ["a"], "text": ["b"]})).is_giant
