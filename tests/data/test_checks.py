"""The checks that Dagster makes of a split: held to the settings it was made with, not to the defaults."""

from pathlib import Path

import polars as pl
import pytest
from dagster import AssetCheckSeverity

from fakenews_assets.data.checks import CORPUS_CHECKS, SPLIT_CHECKS, corpus_checks, split_checks
from fakenews_assets.data.profile.profile import profile_corpus
from fakenews_assets.data.schema import ARTICLE_SCHEMA
from fakenews_assets.data.splits.splitting import CLUSTERING_FILE, ClusteringSettings, SplitSettings
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.store import Store

ROWS = 8000


def corpus(sources: list[str | None]) -> pl.DataFrame:
    """A real and a fake article from each source."""
    names = [f"{label} {number}" for number in range(len(sources)) for label in (0, 1)]
    return pl.DataFrame(
        {
            "article_id": names,
            "title": names,
            "text": "",
            "label": [0, 1] * len(sources),
            "source": [source for source in sources for _ in range(2)],
            "group": None,
            "published_at": None,
            "batch": "b1",
        },
        schema=ARTICLE_SCHEMA,
    )


@pytest.mark.parametrize(
    ("sources", "passed", "says"),
    [
        (["a", "b", None], (True, True), "The publisher of 33.3% of the articles is unknown."),
        (["a", "a", "b"], (False, True), "66.7% of the real articles are from a; 66.7% of the fake articles"),
        (["a", None, None], (True, False), "Scores on unseen publishers cannot be measured"),
    ],
)
def test_a_corpus_of_one_publisher_or_of_unknown_ones_is_warned_of(
    sources: list[str | None], passed: tuple[bool, bool], says: str
) -> None:
    results = corpus_checks(profile_corpus(corpus(sources)))
    assert [one.check_name for one in results] == list(CORPUS_CHECKS)
    assert tuple(one.passed for one in results) == passed
    assert {one.severity for one in results} == {AssetCheckSeverity.WARN}
    assert any(says in (one.description or "") for one in results)


def make_splits(store: Store, shares: dict[str, float], **clustering: int) -> Artifact:
    """A committed split of distinct articles in exactly these shares, and a two-word title on two splits."""
    draft = store.draft()
    begin = 0
    for split, share in shares.items():
        names = [str(number) for number in range(begin, begin + int(ROWS * share))]
        begin += len(names)
        titles = [f"a title of {name}" for name in names]
        if split != "val":
            titles[0] = "Morning briefing"
        texts = [f"What happened to {name}." for name in names]
        pl.DataFrame(
            {
                "article_id": names,
                "cluster_id": names,
                "title": titles,
                "text": texts,
                "source": "wire",
                "unseen_publisher": False,
                "shared_text": False,
            }
        ).write_parquet(draft.path / f"{split}.parquet")
    config = ClusteringSettings(splits=SplitSettings(**shares), **clustering)  # pyright: ignore[reportArgumentType]
    (draft.path / CLUSTERING_FILE).write_text(config.model_dump_json())
    return store.commit("splits", draft)


def verdicts(splits: Artifact, accepted: Artifact | None = None) -> dict[str | None, bool]:
    return {result.check_name: result.passed for result in split_checks(splits, accepted)}


@pytest.mark.parametrize("train", [0.7, 0.5])
def test_shares_are_held_to_those_asked_for(tmp_path: Path, train: float) -> None:
    rest = round((1 - train) / 3, 3)
    shares = {"train": train, "val": rest, "selection": rest, "test": round(1 - train - 2 * rest, 3)}
    splits = make_splits(Store(tmp_path), shares)
    assert verdicts(splits) == dict.fromkeys(SPLIT_CHECKS, True)


def test_titles_count_as_equal_by_the_settings_in_force(tmp_path: Path) -> None:
    shares = {"train": 0.7, "val": 0.1, "selection": 0.1, "test": 0.1}
    strict = make_splits(Store(tmp_path), shares, min_title_words=2)
    assert not verdicts(strict)["no_content_crosses"]


def test_other_shares_move_articles_and_the_check_says_so(tmp_path: Path) -> None:
    store = Store(tmp_path)
    accepted = make_splits(store, {"train": 0.7, "val": 0.1, "selection": 0.1, "test": 0.1})
    splits = make_splits(store, {"train": 0.6, "val": 0.2, "selection": 0.1, "test": 0.1})
    assert not verdicts(splits, accepted)["every_article_keeps_its_split"]
