import csv
import gzip
import io
import json
import random
import re
from base64 import b64encode
from hashlib import sha256

import bentoml
import httpx
import polars as pl
import pytest
from pydantic import SecretStr

from bentos.fakenews.api import create_app
from bentos.fakenews.http.middleware import BYTES_PER_SECOND
from bentos.fakenews.schemas import MAX_ROWS, MAX_TEXT, MAX_TITLE
from bentos.fakenews.settings import ServiceSettings
from fakenews_assets.models.classifier import Article
from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_assets.monitoring.log.records import labels_in_force
from fakenews_assets.registry.champion import ChampionRegistry
from fakenews_assets.registry.scorer import Scorer
from fakenews_resources.request_ids import time_of
from tests.support.servers import Server

TITLES = ["Senate passes budget", "SHOCKING hoax exposed!!", "Talks in the city", "a bank says the report"]


@pytest.fixture(scope="module")
def scorer(service: Server) -> Scorer:
    """What the service should say, computed beside it."""
    pointer = ChampionRegistry(service.models).champion()
    assert pointer is not None
    return Scorer.open(service.models / pointer.bundle)


def log_of(service: Server, request_id: str) -> pl.DataFrame:
    log = PredictionLog(service.log)
    table = log.read(time_of(request_id).date(), "predictions")
    return table.filter(pl.col("request_id") == request_id).sort("row").collect()


def test_one_article(client: httpx.Client, service: Server, scorer: Scorer):
    answer = client.post("/predict", json={"title": TITLES[0], "text": "the bank"})
    body = answer.json()

    expected = scorer.score([Article(TITLES[0], "the bank")])
    assert answer.status_code == 200
    assert answer.headers["x-request-id"] == body["request_id"]
    assert body["model_id"] == scorer.model_id
    assert body["probability"] == pytest.approx(expected.predictions.probability[0], abs=1e-6)
    label = int(expected.predictions.predicted_label[0])
    assert body["abstained"] == expected.predictions.abstained[0]
    assert body["label"] == (None if body["abstained"] else label)
    assert body["verdict"] == ("unsure" if body["abstained"] else ("real", "fake")[label])

    (row,) = log_of(service, body["request_id"]).iter_rows(named=True)
    assert row["article_id"] == expected.article_ids[0]
    assert (row["title"], row["text"], row["row"]) == (TITLES[0], "the bank", 1)
    assert (row["probability"], row["predicted_label"]) == (body["probability"], label)
    assert (row["abstained"], row["model_id"]) == (body["abstained"], body["model_id"])
    assert row["endpoint"] == "/predict"
    assert 0 < row["latency_ms"] < 60_000


def test_an_answer_says_whether_the_article_was_cut(client: httpx.Client):
    # The model reads 64 tokens, three of which are special with a text and two without.
    fits = {"title": "the bank", "text": "news " * 59}
    cut = {"title": "the bank", "text": "news " * 60}
    long_title = {"title": "the " * 63}
    articles = [fits, cut, {"title": "the " * 62}, long_title]
    expected = [False, True, False, True]
    body = client.post("/predict_batch", json={"articles": articles}).json()
    assert [one["truncated"] for one in body["predictions"]] == expected
    assert [client.post("/predict", json=one).json()["truncated"] for one in articles] == expected
    file = "title,text\n" + "".join(f"{one['title']},{one.get('text', '')}\n" for one in articles)
    answered = csv.DictReader(io.StringIO(client.post("/predict_csv", files={"file": file}).text))
    assert [row["truncated"] for row in answered] == ["0", "1", "0", "1"]


def test_a_batch_is_answered_in_order(client: httpx.Client, service: Server, scorer: Scorer):
    titles = [f"{random.Random(row).choice(TITLES)} {'news ' * (row % 40)}{row}" for row in range(300)]
    body = client.post("/predict_batch", json={"articles": [{"title": title} for title in titles]}).json()

    expected = scorer.score([Article(title) for title in titles]).predictions
    assert [one["probability"] for one in body["predictions"]] == pytest.approx(
        expected.probability.tolist(), abs=1e-5
    )
    assert len(set(expected.probability.tolist())) > 100  # else any order would do
    assert log_of(service, body["request_id"]).sort("row")["title"].to_list() == titles


def test_a_large_csv_is_answered_row_by_row(client: httpx.Client, service: Server, scorer: Scorer):
    rng = random.Random(0)
    titles = [
        " ".join(
            rng.choices(["senate", "hoax", "bank", "shocking", "the", "a", "news"], k=rng.randint(1, 30))
        )
        + f" {row}"
        for row in range(10_000)
    ]
    sheet = io.StringIO()
    csv.writer(sheet).writerows(
        [("", "title", "text", "label"), *((row, t, "", 1) for row, t in enumerate(titles))]
    )

    answer = client.post("/predict_csv", files={"file": ("news.csv", sheet.getvalue())})
    rows = list(csv.DictReader(io.StringIO(answer.text)))

    assert answer.status_code == 200
    assert answer.headers["x-rows"] == "10000"
    assert answer.headers["x-read-as"] == "CSV in UTF-8, delimited by `,`"
    assert [row["title"] for row in rows] == titles
    assert [int(row["row"]) for row in rows] == list(range(1, 10_001))
    # Each answer belongs to its own title: the same title asked about alone gets the same one.
    expected = scorer.score([Article(title) for title in titles]).predictions
    assert [float(row["probability"]) for row in rows] == pytest.approx(
        expected.probability.tolist(), abs=1e-4
    )
    assert len({row["probability"] for row in rows}) > 1000
    assert {row["model_id"] for row in rows} == {scorer.model_id}
    written = log_of(service, rows[0]["request_id"])
    assert written["title"].to_list() == titles
    assert written["probability"].to_list() == pytest.approx(expected.probability.tolist(), abs=1e-4)


def test_rows_that_cannot_be_judged_keep_their_place(client: httpx.Client):
    sheet = f'title,text\nfine,\n,body\n"=HYPERLINK(""x"")",\n{"x" * (MAX_TITLE + 1)},\nloose,comma,here\n\nlast,\n'
    answer = client.post("/predict_csv", files={"file": ("../../etc/passwd", sheet)})
    rows = list(csv.DictReader(io.StringIO(answer.text)))

    assert [bool(row["probability"]) for row in rows] == [True, False, True, False, False, True]
    assert rows[1]["error"] == "no title"
    assert rows[3]["error"] == "title longer than 1,000 characters"
    assert (
        rows[4]["error"]
        == "line 6: more columns than the header names: a delimiter in a field without quotes?"
    )
    assert rows[2]["title"] == '\'=HYPERLINK("x")'
    assert [row["title"] for row in rows][0::5] == ["fine", "last"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"heading\nx\n", "found: 'heading'. Rename the headline column to `title`."),
        (b"", "The file is empty"),
        (b"title\n", "a header and no rows"),
        (b"PAR1\x00", "The file is Parquet, which is not read here"),
        (b"PK\x03\x04\x00\x99\xf0", "The ZIP archive is cut or damaged"),
    ],
)
def test_what_is_no_table_is_refused(client: httpx.Client, content: bytes, message: str):
    answer = client.post("/predict_csv", files={"file": ("news.csv", content)})
    assert answer.status_code == 422
    assert message in answer.json()["error"]["message"]


def test_explaining_leaves_out_each_word(client: httpx.Client, service: Server, scorer: Scorer):
    title, text = "Shocking  hoax 🙂 exposed", "the senate says"
    body = client.post("/explain", json={"title": title, "text": text}).json()

    assert [(one["field"], one["word"]) for one in body["words"]] == [
        *(("title", word) for word in title.split()),
        *(("text", word) for word in text.split()),
    ]
    for one in body["words"]:
        assert {"title": title, "text": text}[one["field"]][one["start"] : one["end"]] == one["word"]
    hoax = body["words"][1]
    whole, without = scorer.score(
        [Article(title, text), Article("Shocking   🙂 exposed", text)]
    ).predictions.probability
    assert hoax["weight"] == pytest.approx(whole - without, abs=1e-5)
    assert not body["words_truncated"]
    many = client.post("/explain", json={"title": "word " * 150}).json()
    assert (len(many["words"]), many["words_truncated"]) == (64, False)  # it reads no more than 64 tokens
    # Only the article itself was asked about.
    assert log_of(service, body["request_id"])["title"].to_list() == [title]


def test_feedback_needs_an_answer_to_belong_to(client: httpx.Client, service: Server):
    answered = client.post("/predict", json={"title": TITLES[0]}).json()["request_id"]
    assert client.post("/feedback", json={"request_id": answered, "label": 1, "source": "desk"}).json() == {
        "request_id": answered,
        "row": 1,
    }
    assert client.post("/feedback", json={"request_id": answered, "label": 1, "row": 2}).status_code == 404
    unknown = "0192f0c1-7c2a-7d3e-9b1f-5a4c3d2e1f00"
    assert client.post("/feedback", json={"request_id": unknown, "label": 1}).status_code == 404
    not_ours = "0192f0c1-7c2a-4d3e-9b1f-5a4c3d2e1f00"
    assert client.post("/feedback", json={"request_id": not_ours, "label": 1}).status_code == 404

    log = PredictionLog(service.log)
    stored = pl.concat([log.read(day, "feedback") for day in log.days()]).collect()
    (row,) = stored.filter(pl.col("request_id") == answered).iter_rows(named=True)
    assert (row["true_label"], row["row"], row["source"]) == (1, 1, "desk")


def test_a_label_is_taken_back(client: httpx.Client, service: Server):
    answered = client.post("/predict", json={"title": TITLES[0]}).json()["request_id"]
    for label in (1, None):
        assert client.post("/feedback", json={"request_id": answered, "label": label}).status_code == 200
    for label in ({}, {"label": True}, {"label": 1.5}, {"label": "1"}, {"label": 2}):
        assert client.post("/feedback", json={"request_id": answered, **label}).status_code == 422
    log = PredictionLog(service.log)
    stored = pl.concat([log.read(day, "feedback") for day in log.days()])
    assert labels_in_force(stored).filter(pl.col("request_id") == answered).collect().is_empty()


def test_large_answers_are_compressed_and_files_still_come_in_pieces(client: httpx.Client):
    many = {"articles": [{"title": title} for title in TITLES * 100]}
    sizes = {}
    for accepted in ("gzip", "identity"):
        with client.stream(
            "POST", "/predict_batch", json=many, headers={"Accept-Encoding": accepted}
        ) as answer:
            sizes[accepted] = sum(map(len, answer.iter_raw()))
            assert answer.headers.get("Content-Encoding", "identity") == accepted
            assert answer.headers["Vary"] == "Accept-Encoding"
    assert sizes["gzip"] < sizes["identity"] / 3
    small = client.post("/predict", json={"title": TITLES[0]})
    assert "Content-Encoding" not in small.headers

    file = {"file": "title\n" + "".join(f"headline number {row}\n" for row in range(5_000))}
    with client.stream("POST", "/predict_csv", files=file) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        pieces = [text.count("\n") for text in answer.iter_text()]
    assert sum(pieces) == 5_001
    assert sum(count > 0 for count in pieces) > 20  # each piece can be read once it is there


def test_the_model_says_what_it_is(client: httpx.Client, scorer: Scorer):
    body = client.get("/model").json()
    assert body["model_id"] == scorer.model_id
    assert body["candidate"] == "tiny-0"
    assert body["abstain_between"] == [0.45, 0.55]
    assert body["trained_on"] == {
        "real": 40, "fake": 30, "first": "2024-01-02", "last": "2025-03-04",
        "batches": [{"name": "spring", "origin": "news.csv", "articles": 96}],
        "sources": ["herald.example", "hoax.example"], "sources_known": 7,
    }  # fmt: skip
    assert body["log_content"] == "text"
    assert body["evaluation"] == {"rows": 100, "accuracy": 0.5, "macro_f1": 0.5, "threshold": 0.5}
    assert body["reliability"] == {
        "real": {"promised": 0.98, "unseen": 0.75}, "fake": {"promised": 0.98, "unseen": None}, "confidence": 0.95,
        "unseen_publishers": 1,
    }  # fmt: skip
    assert body["note"].startswith("An untrained model")
    assert body["model_card"].startswith("# Model card")


def test_the_card_is_a_page_that_loads_nothing(client: httpx.Client):
    answer = client.get("/model/card")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h1>Model card: tiny</h1>" in answer.text
    assert "&lt;b&gt;tiny&lt;/b&gt;" in answer.text
    assert f"<strong>Id:</strong> {client.get('/model').json()['model_id']}" in answer.text
    assert f"curl {str(client.base_url).rstrip('/')}/predict" in answer.text

    (policy,) = answer.headers.get_list("content-security-policy")
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert answer.headers["x-content-type-options"] == "nosniff"
    (common,) = client.get("/").headers.get_list("content-security-policy")
    assert common.startswith("default-src 'self'")


def test_metrics_count_what_was_answered(client: httpx.Client):
    def value(name: str) -> float:
        lines = client.get("/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    names = ('fakenews_requests_total{endpoint="/predict",status="200"}', "fakenews_verdicts_total{",
             "fakenews_probability_count", "fakenews_batch_rows_sum")  # fmt: skip
    before = [value(name) for name in names]
    for title in TITLES:
        client.post("/predict", json={"title": title})
    assert [value(name) - was for name, was in zip(names, before, strict=True)] == [len(TITLES)] * 4
    client.get("/invented/path")
    assert "invented" not in client.get("/metrics").text


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"title": ""}, 422, "title: must not be empty"),
        ({"title": " \n"}, 422, "title: must not be empty"),
        ({"text": "x"}, 422, "title: Field required"),
        ({"title": "x" * (MAX_TITLE + 1)}, 422, "at most 1000 characters"),
        ({"title": "x", "text": "x" * (MAX_TEXT + 1)}, 422, "at most 200000 characters"),
        ({"title": ["x"]}, 422, "title: Input should be a valid string"),
        ({"title": "x", "label": 1}, 422, "label: Extra inputs are not permitted"),
        ([], 422, "body"),
    ],
)
def test_what_is_no_article_is_refused(client: httpx.Client, body: object, status: int, message: str):
    answer = client.post("/predict", json=body)
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_limits_on_rows_and_bytes(client: httpx.Client):
    one = {"title": "x"}
    assert client.post("/predict_batch", json={"articles": [one] * MAX_ROWS}).status_code == 200
    answer = client.post("/predict_batch", json={"articles": [one] * (MAX_ROWS + 1)})
    assert answer.status_code == 422
    assert "at most 1000 items" in answer.json()["error"]["message"]
    assert client.post("/predict_batch", json={"articles": []}).status_code == 422

    huge = json.dumps({"articles": [{"title": "x", "text": "x" * (9 * 2**20)}]}).encode()
    kind = {"Content-Type": "application/json"}
    answer = client.post("/predict_batch", content=huge, headers=kind)
    assert answer.status_code == 413
    assert "larger than 8 MiB" in answer.json()["error"]["message"]
    # The same without a length in the header.
    pieces = (huge[at : at + 2**16] for at in range(0, len(huge), 2**16))
    answer = client.post("/predict_batch", content=pieces, headers=kind)
    assert answer.status_code == 413


def test_the_api_describes_itself(client: httpx.Client):
    document = client.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/predict", "/predict_batch", "/predict_csv", "/explain", "/feedback", "/answers/{request_id}", "/examples",
        "/similar", "/model", "/model/card",
    }  # fmt: skip
    assert document["components"]["schemas"]["ArticleIn"]["examples"][0]["title"]
    assert "static_content/swagger-ui-bundle.js" in client.get("/docs").text
    assert client.get("/static_content/swagger-ui-bundle.js").status_code == 200


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_a_body_says_its_type(client: httpx.Client, kind: str | None):
    request = client.build_request("POST", "/predict", content=b'{"title": "x"}')
    if kind:
        request.headers["Content-Type"] = kind
    answer = client.send(request)
    assert answer.status_code == 415
    assert answer.json()["error"]["code"] == "wrong_type"
    assert "application/json" in answer.json()["error"]["message"]


def test_a_compressed_body_is_told_to_come_as_it_is(client: httpx.Client):
    body = gzip.compress(b'{"title": "x"}')
    kind = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = client.post("/predict", content=body, headers=kind)
    assert (answer.status_code, answer.headers["Accept-Encoding"]) == (415, "identity")
    assert "Content-Encoding" in answer.json()["error"]["message"]
    plain = {"Content-Type": "application/json", "Content-Encoding": "identity"}
    assert client.post("/predict", content=b'{"title": "x"}', headers=plain).status_code == 200


def test_a_wrong_method_is_told_the_right_one(client: httpx.Client):
    answer = client.get("/predict")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert answer.json()["error"]["code"] == "wrong_method"


def test_bentomls_own_description_is_not_there(client: httpx.Client):
    # It is made anew for everybody who asks, which takes as long as a dozen predictions.
    answer = client.get("/docs.json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert answer.headers["x-request-id"] == answer.json()["request_id"]


def test_a_websocket_is_refused_like_an_unknown_address(client: httpx.Client):
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    answer = client.get("/predict", headers={**upgrade, "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert answer.headers["x-request-id"] == answer.json()["request_id"]


@pytest.mark.parametrize("path", ["/", "/docs", "/model", "/model/card", "/metrics", "/openapi.json"])
def test_head_is_get_without_a_body(client: httpx.Client, path: str):
    answer = client.head(path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Type"] == client.get(path).headers["Content-Type"]


@pytest.mark.parametrize("key", [None, "0123456789abcdef"])
def test_the_description_names_the_key_where_one_is_required(key: str | None):
    description = create_app(ServiceSettings(api_key=SecretStr(key) if key else None)).openapi()
    schemes = description["components"].get("securitySchemes", {})
    required = [
        operation.get("security") for path in description["paths"].values() for operation in path.values()
    ]
    if key:
        assert schemes == {
            "APIKeyHeader": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "HTTPBearer": {"type": "http", "scheme": "bearer"},
        }
        assert required == [[{"APIKeyHeader": []}, {"HTTPBearer": []}]] * len(required)  # either of them
    else:
        assert not schemes
        assert set(required) == {None}
    upload = description["components"]["schemas"]["Body_predict_csv"]["properties"]["file"]
    assert upload["format"] == "binary"


def test_an_upload_has_its_place_for_minutes_however_slowly_it_comes():
    limits = ServiceSettings()
    assert limits.body_seconds + limits.max_csv_bytes / BYTES_PER_SECOND < 20 * 60


def test_bentomls_own_client_asks(service: Server, scorer: Scorer):
    with bentoml.SyncHTTPClient(service.url) as client:
        one = client.call("predict", title=TITLES[1])
        many = client.call("predict_batch", articles=[{"title": title} for title in TITLES])
        assert {word["word"] for word in client.call("explain", title=TITLES[1])["words"]} == set(
            TITLES[1].split()
        )
    expected = scorer.score([Article(title) for title in TITLES]).predictions.probability
    assert one["probability"] == pytest.approx(expected[1], abs=1e-5)
    assert [answer["probability"] for answer in many["predictions"]] == pytest.approx(
        expected.tolist(), abs=1e-5
    )
