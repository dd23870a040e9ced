"""The Open Inference Protocol (KServe v2)."""

import json
from typing import Any

import httpx
import pytest

from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_assets.monitoring.windows import JUDGED_ENDPOINTS, KSERVE_PATH
from tests.support.servers import Server

TITLES = ["Senate passes budget", "SHOCKING hoax exposed!!", "Talks in the city"]
TEXTS = ["the bank", "", "news of today"]


def tensor(name: str, data: list[Any], **changes: Any) -> dict[str, Any]:
    return {"name": name, "datatype": "BYTES", "shape": [len(data)], "data": data, **changes}


def columns(answer: httpx.Response) -> dict[str, list[Any]]:
    return {one["name"]: one["data"] for one in answer.json()["outputs"]}


def test_it_describes_itself(client: httpx.Client) -> None:
    assert client.get("/v2").json()["name"] == "fakenews"
    assert client.get("/v2/health/live").json() == {"live": True}
    for path in ("/v2/health/ready", "/v2/models/fakenews/ready"):
        assert client.get(path).json() == {"name": "fakenews", "ready": True}
    described = client.get("/v2/models/fakenews").json()
    assert described["versions"] == [client.get("/model").json()["model_id"]]
    assert [one["name"] for one in described["inputs"]] == ["title", "text"]


def test_it_answers_like_the_api(client: httpx.Client, service: Server) -> None:
    asked = {"id": "mine", "inputs": [tensor("title", TITLES), tensor("text", TEXTS)]}
    answer = client.post(KSERVE_PATH, json=asked)
    assert answer.status_code == 200
    body, found = answer.json(), columns(answer)
    articles = [{"title": title, "text": text} for title, text in zip(TITLES, TEXTS, strict=True)]
    expected = client.post("/predict_batch", json={"articles": articles}).json()
    assert (body["id"], body["model_name"], body["model_version"]) == (
        "mine",
        "fakenews",
        expected["model_id"],
    )
    assert found["probability"] == pytest.approx([one["probability"] for one in expected["predictions"]])
    assert found["verdict"] == [one["verdict"] for one in expected["predictions"]]
    assert found["label"] == [-1 if one["label"] is None else one["label"] for one in expected["predictions"]]
    assert found["truncated"] == [False] * 3
    assert found["abstained"] == [one["abstained"] for one in expected["predictions"]]
    declared = {one["name"]: one["datatype"] for one in client.get("/v2/models/fakenews").json()["outputs"]}
    assert declared == {one["name"]: one["datatype"] for one in body["outputs"]}
    assert all(one["shape"] == [3] for one in body["outputs"])

    (row,) = PredictionLog(service.log).find(body["parameters"]["request_id"], 2).iter_rows(named=True)
    assert (row["title"], row["endpoint"]) == (TITLES[1], KSERVE_PATH)
    assert row["endpoint"] in JUDGED_ENDPOINTS
    label = {"request_id": row["request_id"], "row": 2, "label": 1}
    assert client.post("/feedback", json=label).status_code == 200


def test_tensors_may_be_nested_and_outputs_chosen(client: httpx.Client) -> None:
    nested = tensor("title", [[title] for title in TITLES], shape=[3, 1])
    answer = client.post(KSERVE_PATH, json={"inputs": [nested], "outputs": [{"name": "verdict"}]})
    assert answer.status_code == 200
    assert list(columns(answer)) == ["verdict"]
    assert "id" not in answer.json()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([tensor("text", TEXTS)], "the input title is missing"),
        ([tensor("title", TITLES, shape=[2])], "the shape is not that of the data"),
        ([tensor("title", TITLES), tensor("text", TEXTS[:1])], "title and text have different lengths"),
        ([tensor("title", TITLES), tensor("title", TITLES)], "there twice"),
        ([tensor("title", [])], "send 1 to 1,000 articles"),
        ([tensor("title", ["x"] * 1001)], "send 1 to 1,000 articles"),
        ([tensor("title", ["fine", " "])], "articles.1.title: must not be empty"),
        ([tensor("title", [1])], "articles.0.title"),
        ([tensor("title", TITLES, datatype="FP32")], "inputs.0.datatype"),
    ],
)
def test_a_refusal_has_the_shape_of_the_protocol(
    client: httpx.Client, inputs: list[dict[str, Any]], message: str
) -> None:
    answer = client.post(KSERVE_PATH, json={"inputs": inputs})
    assert answer.status_code == 422
    assert message in answer.json()["error"]


def test_a_request_of_tritons_client_is_answered(client: httpx.Client) -> None:
    """tritonclient.http 2.73 with `binary_data=False`: it names no type, and asks for more than is offered."""
    outputs = [{"name": "label", "parameters": {"binary_data": False}}]
    asked = {"id": "1", "inputs": [tensor("title", TITLES)], "outputs": outputs}
    request = client.build_request("POST", KSERVE_PATH, content=json.dumps(asked).encode())
    assert "Content-Type" not in request.headers
    answer = client.send(request)
    assert (answer.status_code, list(columns(answer))) == (200, ["label"])


@pytest.mark.parametrize(
    "headers", [{"Inference-Header-Content-Length": "90"}, {"Content-Type": "application/octet-stream"}]
)
def test_the_binary_extension_is_refused_in_words(client: httpx.Client, headers: dict[str, str]) -> None:
    answer = client.post(KSERVE_PATH, content=b"x", headers=headers)
    assert answer.status_code == 415
    assert "application/json" in answer.json()["error"]
