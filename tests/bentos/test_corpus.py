"""Articles of the corpus are shown where the operator allows it, and no longer once they are erased."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from fastapi.testclient import TestClient

from bentos.fakenews.api import create_app
from bentos.fakenews.corpus import split_files
from bentos.fakenews.settings import ServiceSettings
from fakenews_assets.data.schema import article_id
from fakenews_assets.governance.erasure.erasure import erase
from fakenews_resources.storage.store import Store
from tests.support.buckets import Gate
from tests.support.buckets import gate as gate
from tests.support.champions import make_champion

ALIENS = "Aliens voted in the capital"
TRAIN = {
    "Senate votes on the budget of the capital": 0,
    "Senators voted for a budget": 0,
    ALIENS: 1,
    "Nothing like it": 1,
}
NOON = datetime(2025, 3, 4, 12, tzinfo=UTC)


def articles(labels: dict[str, int]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "article_id": [article_id(title, "words") for title in labels],
            "title": list(labels),
            "text": "words",
            "label": list(labels.values()),
            "source": ["herald.example", *[None] * (len(labels) - 1)],
            "published_at": [NOON, *[None] * (len(labels) - 1)],
            "batch": "spring",
        },
        schema_overrides={"label": pl.Int8, "published_at": pl.Datetime("us", "UTC")},
    )


def fill(store: Store) -> str:
    """Store splits. Returns their version."""
    draft = store.draft()
    test = {f"Test article {number}": number % 2 for number in range(30)}
    for split in ("train", "val", "selection", "test"):
        articles(test if split == "test" else TRAIN).write_parquet(draft.path / f"{split}.parquet")
    return store.commit("splits", draft, run_id="run", code_version="1", upstream={}).version


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(tmp_path_factory.mktemp("store"))
    store.bundles.root.mkdir(exist_ok=True)
    make_champion(store.bundles.root, behind={"splits": fill(store)})
    return store


@pytest.fixture(scope="module")
def client(store: Store) -> Iterator[TestClient]:
    settings = ServiceSettings(storage=str(store.root), log=store.root / "service_log", show_corpus=True)
    with TestClient(create_app(settings)) as client:
        yield client


def similar(client: TestClient, title: str) -> list[dict[str, Any]]:
    return client.post("/similar", json={"title": title}).json()["articles"]


def test_similar_headlines_are_found_by_their_words(client: TestClient):
    first, second, third = similar(client, "The Senate of the capital voted: a BUDGET!")
    assert first == {
        "title": "Senate votes on the budget of the capital",
        "label": 0,
        "source": "herald.example",
        "published": "2025-03-04",
        "batch": "spring",
        "shared": ["Senate", "votes", "budget", "capital"],
    }
    assert {second["title"], third["title"]} == {"Senators voted for a budget", ALIENS}
    assert {one["source"] for one in (second, third)} == {None}
    assert similar(client, "A capital") != []
    # One common word says nothing, and signs are no part of the question to the index.
    assert similar(client, "Aliens have landed somewhere else") == []
    assert similar(client, '"AND" ) OR title:* a b') == []


def test_examples_are_test_articles_with_the_models_answer(client: TestClient):
    model = client.get("/model").json()
    answer = client.get("/examples").json()
    assert answer["model_id"] == model["model_id"]
    assert model["shows_corpus"]
    assert 0 < len(answer["examples"]) <= 6
    for example in answer["examples"]:
        assert example["title"].startswith("Test article ")
        asked = client.post("/predict", json={"title": example["title"], "text": example["text"]}).json()
        assert example["verdict"]["verdict"] == asked["verdict"]
        assert example["verdict"]["probability"] == pytest.approx(asked["probability"], abs=1e-5)


@pytest.mark.parametrize("show_corpus", [True, False])
def test_a_service_without_the_corpus_says_so(tmp_path: Path, models: Path, *, show_corpus: bool):
    settings = ServiceSettings(
        storage=str(tmp_path / "empty"), models=models, log=tmp_path / "log", show_corpus=show_corpus
    )
    with TestClient(create_app(settings)) as client:
        answers = [client.get("/examples"), client.post("/similar", json={"title": "One budget"})]
        assert client.get("/model").json()["shows_corpus"] == show_corpus
    assert [answer.status_code for answer in answers] == [404, 404]
    reason = "not at hand" if show_corpus else "FAKENEWS_SHOW_CORPUS"
    assert all(reason in answer.json()["error"]["message"] for answer in answers)


def titles(client: TestClient) -> tuple[list[str], list[str]]:
    """Of the examples, and of the neighbours of a headline about aliens."""
    examples = client.get("/examples").json()["examples"]
    return [one["title"] for one in examples], [one["title"] for one in similar(client, ALIENS)]


def erase_titles(store: Store, log: Path, *erased: str) -> None:
    for title in erased:
        erase(store, log, article_id(title, "words"), by="a person", reason="a request")


def test_an_erasure_reaches_a_running_service(client: TestClient, store: Store):
    examples, neighbours = titles(client)
    assert neighbours[0] == ALIENS
    erase_titles(store, store.root / "service_log", examples[0], ALIENS)
    left, others = titles(client)
    assert examples[0] not in left
    assert ALIENS not in others
    assert others


def test_an_erasure_in_a_bucket_reaches_a_running_service_within_a_minute(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    del gate
    clock = [1000.0]
    monkeypatch.setattr(split_files, "monotonic", lambda: clock[0])
    store = Store("gs://news/store")
    make_champion(tmp_path, behind={"splits": fill(store)})
    settings = ServiceSettings(storage=store.address, models=tmp_path, log=tmp_path / "log", show_corpus=True)
    with TestClient(create_app(settings)) as client:
        examples, neighbours = titles(client)
        assert neighbours[0] == ALIENS
        # By another machine, which has a copy of its own.
        erase_titles(store.afresh(tmp_path / "elsewhere"), tmp_path / "log", examples[0], ALIENS)
        clock[0] += 60
        left, others = titles(client)
    assert examples[0] not in left
    assert ALIENS not in others
    assert others
