"""Ratings from the command line: stored, used, and used again when they change."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fakenews_assets.cli import app
from fakenews_resources.storage.store import Store


def fakenews(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments], env={"COLUMNS": "200"})


@pytest.mark.daemon
def test_ratings_label_a_batch_and_label_it_again_when_they_change(project: Path) -> None:
    news, ratings = project / "news.csv", project / "ratings.csv"
    news.write_text(
        "title,link\n" + "".join(f"Headline {n},https://site{n % 2}.example/{n}\n" for n in range(8))
    )
    ratings.write_text("domain,score\nsite0.example,0.2\nsite1.example,0.8\n")
    ingest = ("ingest", news, "--batch", "b1", "--label-by-rating")

    assert "There are no ratings yet" in fakenews(*ingest).stderr
    result = fakenews("rate", ratings)
    assert result.exit_code == 0, result.output
    assert "publishers from column `domain`, ratings from `score`" in result.output
    result = fakenews(*ingest)
    assert result.exit_code == 0, result.output
    assert "labelled by rating" in result.output
    assert labels(project) == {"site0.example": 1, "site1.example": 0}

    ratings.write_text("domain,score\nsite0.example,0.9\nsite1.example,0.1\n")
    result = fakenews("rate", ratings)
    assert result.exit_code == 0, result.output
    assert labels(project) == {"site0.example": 0, "site1.example": 1}


@pytest.mark.daemon
def test_a_batch_that_was_not_cleaned_with_its_new_labels_is_not_forgotten(project: Path) -> None:
    news, ratings = project / "news.csv", project / "ratings.csv"
    rows = [f"Headline {n} of the day,https://site{n % 2}.example/{n}\n" for n in range(400)]
    news.write_text("title,link\n" + "".join(rows))
    ratings.write_text("domain,score\nsite0.example,0.2\nsite1.example,0.8\n")
    fakenews("rate", ratings)
    fakenews("ingest", news, "--batch", "b1", "--label-by-rating")
    more = [row.replace("Headline", "Story") for row in rows]
    news.write_text("title,link\n" + "".join(more))
    assert fakenews("ingest", news, "--batch", "b2", "--label-by-rating").exit_code == 0
    ratings.write_text("domain,score\nsite0.example,0.1\nsite1.example,0.2\n")
    for _ in range(2):
        result = fakenews("rate", ratings)
        assert result.exit_code == 1
        assert "Batch b1 keeps its earlier labels" in result.stderr
        assert "label_balance" in result.stderr


@pytest.mark.usefixtures("project")
def test_a_batch_of_which_no_publisher_is_rated_is_told(project: Path) -> None:
    news, ratings = project / "news.csv", project / "ratings.csv"
    news.write_text(
        "title,link\n" + "".join(f"Headline {n},https://site{n % 2}.example/{n}\n" for n in range(8))
    )
    ratings.write_text("domain;score\nother.example;0,2\n")
    assert fakenews("rate", ratings).exit_code == 0
    result = fakenews("ingest", news, "--label-by-rating")
    assert result.exit_code == 0, result.output
    assert "No article was labelled by rating" in result.output
    assert "site0.example, site1.example." in result.output


def test_a_refused_table_names_the_options_of_the_command(project: Path) -> None:
    ratings = project / "ratings.csv"
    ratings.write_text("domain,score\na.example,87\nb.example,0.5\n")
    assert "--max-unusable-share" in fakenews("rate", ratings).stderr
    assert fakenews("rate", ratings, "--max-unusable-share", "0.5").exit_code == 0


def labels(project: Path) -> dict[str, int]:
    articles = Store(project / ".fakenews").current("clean_news/b1").scan("articles")
    return dict(articles.select("source", "label").unique().collect().iter_rows())


def test_thresholds_that_overlap_are_refused() -> None:
    result = fakenews("ingest", "news.csv", "--label-by-rating", "--fake-below", "0.9")
    assert result.exit_code == 2
    assert "must not be above --real-from" in result.output
