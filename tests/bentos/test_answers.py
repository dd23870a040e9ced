"""Answers are read again by request id, and their rows are numbered alike everywhere."""

import csv
import io
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient

from bentos.fakenews.api import create_app
from bentos.fakenews.settings import ServiceSettings
from fakenews_assets.models.classifier import Article, Predictions
from fakenews_assets.models.predictions import prediction_records
from fakenews_assets.monitoring.log.records import log_line
from fakenews_resources.request_ids import new_request_id, time_of

VERDICT = (
    "label",
    "verdict",
    "probability",
    "abstained",
    "abstain_reason",
    "truncated",
    "request_id",
    "model_id",
)


@pytest.mark.parametrize("text", ["the bank", "the bank " * 60], ids=["whole", "cut"])
def test_an_answer_is_read_again(client: httpx.Client, text: str):
    given = client.post("/predict", json={"title": "Senate hides the budget", "text": text}).json()
    assert given["truncated"] == (len(text) > 100)
    again = client.get(f"/answers/{given['request_id']}").json()
    assert {name: again[name] for name in VERDICT} == given
    assert (again["title"], again["text"], again["row"]) == ("Senate hides the budget", text, 1)
    assert again["time"].endswith("Z")


@pytest.mark.parametrize(
    ("request_id", "row"),
    [
        ("0192f0c1-7c2a-7d3e-9b1f-5a4c3d2e1f00", 1),
        ("0192f0c1-7c2a-4d3e-9b1f-5a4c3d2e1f00", 1),
        ("nobody", 1),
        (None, 2),
    ],
)
def test_an_unknown_answer_is_not_found(client: httpx.Client, request_id: str | None, row: int):
    known = client.post("/predict", json={"title": "One"}).json()["request_id"]
    answer = client.get(f"/answers/{request_id or known}", params={"row": row})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_rows_of_a_batch_and_a_file_are_numbered_from_one(client: httpx.Client):
    titles = ["First", "", "Third"]
    batch = client.post("/predict_batch", json={"articles": [{"title": title} for title in "ab"]}).json()
    assert [one["row"] for one in batch["predictions"]] == [1, 2]
    sheet = io.StringIO()
    csv.writer(sheet).writerows([["title", "text"], *([title, "body"] for title in titles)])
    file = client.post("/predict_csv", files={"file": ("x.csv", sheet.getvalue())})
    for line in csv.DictReader(io.StringIO(file.text)):
        row = {"request_id": line["request_id"], "row": int(line["row"])}
        logged = client.get(f"/answers/{row['request_id']}", params={"row": row["row"]})
        labelled = client.post("/feedback", json={**row, "label": 1})
        if line["error"]:
            assert (logged.status_code, labelled.status_code) == (404, 404)
        else:
            assert (logged.json()["title"], labelled.json()) == (titles[row["row"] - 1], row)


def test_an_explanation_is_labelled_like_an_answer(client: httpx.Client):
    explained = client.post("/explain", json={"title": "One two"}).json()["request_id"]
    assert client.post("/feedback", json={"request_id": explained, "label": 0}).status_code == 200
    assert client.get(f"/answers/{explained}").json()["title"] == "One two"


def test_a_label_is_an_integer_as_json_schema_says(client: httpx.Client):
    given = client.post("/predict", json={"title": "One two"}).json()["request_id"]
    asked = [(label, client.post("/feedback", json={"request_id": given, "label": label}).status_code)
             for label in (1.0, 0.5, 2.0, True, "1")]  # fmt: skip
    assert asked == [(1.0, 200), (0.5, 422), (2.0, 422), (True, 422), ("1", 422)]


def test_a_log_without_texts_gives_the_verdict_alone(tmp_path: Path, models: Path):
    """Also out of distribution, where the log keeps a number that nobody is shown."""
    predictions = Predictions(
        probability=np.array([0.9], dtype=np.float32),
        predicted_label=np.array([1], dtype=np.int8),
        abstained=np.array([True]),
        out_of_distribution=np.array([True]),
    )
    request_id = new_request_id()
    (record,) = prediction_records(["a" * 32], predictions)
    line = log_line(
        Article("Secret", "words"), record, time=time_of(request_id), request_id=request_id, row=1,
        endpoint="/predict", model_id="b" * 64, latency_ms=1, with_text=False,
    )  # fmt: skip
    app = create_app(ServiceSettings(models=models, log=tmp_path / "log"))
    with TestClient(app) as client:
        app.state.runtime.log.append("predictions", [line])
        answer = client.get(f"/answers/{request_id}").json()
    assert (answer["title"], answer["text"], answer["probability"], answer["label"]) == (None,) * 4
    assert (answer["verdict"], answer["abstain_reason"]) == ("unsure", "out_of_distribution")
