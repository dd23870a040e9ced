import tracemalloc
from pathlib import Path

import polars as pl

from fakenews_assets.common import progress
from fakenews_assets.data.schema import ARTICLE_SCHEMA, article_id
from fakenews_assets.models.classifier import Article
from fakenews_assets.models.predictions import BATCH_PREDICTION_SCHEMA
from fakenews_assets.registry.scorer import Scorer, Scores
from fakenews_assets.serving import batch
from fakenews_assets.serving.batch import score_table


def table(titles: list[str], labels: list[int | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "article_id": [article_id(title, "") for title in titles],
            "title": titles,
            "text": [""] * len(titles),
            "label": labels,
            "source": None,
            "group": None,
            "published_at": None,
            "batch": "one",
        },
        schema=ARTICLE_SCHEMA,
    )


def test_rows_keep_their_order_over_parts_and_pieces(scorer: Scorer, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(batch, "_ROWS_AT_ONCE", 7)
    titles = [f"the {word} number {row}" for row, word in enumerate(["hoax", "bank", "senate"] * 10)]
    frame = table(titles, [0, 1, None] * 10)
    parts = [tmp_path / "articles-0000.parquet", tmp_path / "articles-0001.parquet"]
    frame.head(17).write_parquet(parts[0])
    frame.tail(13).write_parquet(parts[1])
    output = tmp_path / "answers"
    output.mkdir()
    heard: list[progress.Progress] = []

    with progress.listening(heard.append), progress.step("scoring"):
        summary = score_table(lambda: scorer, parts, output)

    found = pl.read_parquet(output / "predictions-*.parquet")
    expected = scorer.score([Article(title) for title in titles]).predictions
    assert found.schema == BATCH_PREDICTION_SCHEMA
    assert found["article_id"].to_list() == frame["article_id"].to_list()
    assert found["predicted_label"].to_list() == expected.predicted_label.tolist()
    assert max(abs(found["probability"].to_numpy() - expected.probability)) < 1e-5
    assert found["true_label"].to_list() == frame["label"].to_list()
    assert set(found["model_id"]) == {scorer.model_id}
    assert [len(pl.read_parquet(file)) for file in sorted(output.iterdir())] == [7, 7, 3, 7, 6]
    assert (heard[-1].done, heard[-1].total) == (30, 30)
    assert (summary.rows, summary.labelled, summary.prepared_otherwise) == (30, 20, 0)
    assert summary.abstained == expected.abstained.sum()
    assert summary.right == sum(
        label == said for label, said in zip(frame["label"], expected.predicted_label.tolist(), strict=True)
    )


def test_articles_that_were_prepared_otherwise_are_counted(scorer: Scorer, tmp_path: Path):
    table(["Senate talks - CNN", "Senate talks"], [0, 0]).write_parquet(tmp_path / "articles-0000.parquet")
    output = tmp_path / "answers"
    output.mkdir()
    assert score_table(lambda: scorer, [tmp_path / "articles-0000.parquet"], output).prepared_otherwise == 1


def test_no_rows_are_an_empty_table(scorer: Scorer, tmp_path: Path):
    table([], []).write_parquet(tmp_path / "articles-0000.parquet")
    output = tmp_path / "answers"
    output.mkdir()
    assert score_table(lambda: scorer, [tmp_path / "articles-0000.parquet"], output).rows == 0
    assert pl.read_parquet(output / "predictions-0000.parquet").schema == BATCH_PREDICTION_SCHEMA


def test_memory_does_not_grow_with_the_rows(scorer: Scorer, tmp_path: Path, monkeypatch):
    """Peak of Python's own memory for ten times the rows; the model is left out, its batches are bounded."""
    empty = scorer.score([]).predictions
    article = scorer.score([Article("x")])

    def score(articles: list[Article]) -> Scores:
        repeated = type(empty)(*(getattr(article.predictions, name).repeat(len(articles)) for name in
                                 ("probability", "predicted_label", "abstained", "out_of_distribution")))  # fmt: skip
        return Scores(repeated, [article_id(one.title, one.text) for one in articles])

    monkeypatch.setattr(scorer, "score", score)

    def peak(rows: int) -> int:
        part = tmp_path / f"articles-{rows}.parquet"
        table([f"headline {row}" for row in range(rows)], [None] * rows).write_parquet(part)
        output = tmp_path / str(rows)
        output.mkdir()
        tracemalloc.start()
        score_table(lambda: scorer, [part], output)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak(5000)  # whatever is made once
    assert peak(50_000) < 1.5 * peak(5001)
