"""API keys with names, their rotation and limits, and what the logs say of who asked."""

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import polars as pl
import pytest
from pydantic import SecretStr, ValidationError

from bentos.fakenews.http.identity import traceparent
from bentos.fakenews.http.keys import BadKeys, Keys, RateLimit
from bentos.fakenews.settings import ServiceSettings
from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from tests.support.champions import make_champion
from tests.support.servers import Server, serve

DESK, ARCHIVE, OLD = "desk-key-0123456789", "archive-key-0123456789", "old-desk-key-0123456789"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secret") / "keys"


@pytest.fixture(scope="module")
def guarded(keys_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "models").mkdir()
    make_champion(folder / "models")
    keys_file.write_text(f"# the desk\ndesk: {DESK}\n\narchive: {ARCHIVE}\n")
    environment = {
        "FAKENEWS_API_KEYS_FILE": str(keys_file),
        "FAKENEWS_REQUESTS_PER_MINUTE": "100",
        "FAKENEWS_ACCESS_LOG": "true",
        "FORWARDED_ALLOW_IPS": "192.0.2.1",
    }
    with serve(folder, folder / "models", environment) as server:
        yield server


def ask(server: Server, **headers: str) -> httpx.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.post(f"{server.url}/predict", json={"title": "a headline"}, headers=sent)


def logged(server: Server, request_id: str) -> dict[str, object]:
    log = PredictionLog(server.log)
    (row,) = log.find(request_id, 1).iter_rows(named=True)
    return row


def test_an_answer_is_read_and_labelled_with_the_key_that_it_was_given_to(guarded: Server) -> None:
    given = ask(guarded, X_API_Key=DESK).json()["request_id"]
    for key, status in ((DESK, 200), (ARCHIVE, 404), ("none", 401)):
        with httpx.Client(base_url=guarded.url, headers={"X-API-Key": key}) as client:
            read = client.get(f"/answers/{given}")
            labelled = client.post("/feedback", json={"request_id": given, "label": 1})
            unknown = client.get("/answers/0192f0c1-7c2a-7d3e-9b1f-5a4c3d2e1f00")
        assert (read.status_code, labelled.status_code) == (status, status)
        if status == 404:  # it does not even tell that there is one
            unknown_id, message = "0192f0c1-7c2a-7d3e-9b1f-5a4c3d2e1f00", unknown.json()["error"]["message"]
            assert read.json()["error"]["message"] == message.replace(unknown_id, given)
    log = PredictionLog(guarded.log)
    labels = pl.concat([log.read(day, "feedback") for day in log.days()]).collect()
    assert labels.filter(pl.col("request_id") == given).height == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("POST", "/predict/more", 404),
        ("GET", "/static_content/nothing", 404),
        ("GET", "/v2/models/nothing", 404),
        ("POST", "/livez", 405),
        ("DELETE", "/static_content/swagger-ui.css", 405),
        ("PUT", "/page/app.js", 405),
        ("GET", "/predict", 401),
    ],
)
def test_every_refusal_has_one_shape(guarded: Server, method: str, path: str, status: int) -> None:
    answer = httpx.request(method, guarded.url + path)
    assert answer.status_code == status
    body = answer.json()
    assert body["request_id"] == answer.headers["X-Request-ID"]
    error = body if path.startswith("/v2/") else body["error"]
    assert error["code"] == {401: "no_key", 404: "not_found", 405: "wrong_method"}[status]
    if status == 405:
        assert "GET" in answer.headers["Allow"]
    assert httpx.head(guarded.url + "/nothing").status_code == 404


def test_keys_have_names_and_go_in_either_header(guarded: Server) -> None:
    for headers, name in (
        ({"X_API_Key": DESK}, "desk"),
        ({"Authorization": f"Bearer {ARCHIVE}"}, "archive"),
        ({"Authorization": f"bearer  {ARCHIVE}"}, "archive"),
    ):
        answer = ask(guarded, **headers)
        assert answer.status_code == 200
        assert logged(guarded, answer.json()["request_id"])["client"] == name
    for wrong in ({}, {"X_API_Key": DESK + "x"}, {"Authorization": DESK}, {"Authorization": f"Basic {DESK}"}):
        answer = ask(guarded, **wrong)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert "Authorization: Bearer" in answer.json()["error"]["message"]
    metrics = httpx.get(f"{guarded.url}/metrics").text
    assert 'fakenews_client_requests_total{client="desk",status="200"}' in metrics
    for secret in (DESK, ARCHIVE):
        assert secret not in metrics + guarded.printed()


def test_the_ids_of_a_caller_are_answered_and_logged(guarded: Server) -> None:
    answer = ask(guarded, X_API_Key=DESK, X_Request_ID="order/17.b", traceparent=TRACEPARENT)
    assert answer.headers["X-Request-ID"] == "order/17.b"
    assert answer.headers["traceparent"] == TRACEPARENT
    own = answer.json()["request_id"]
    row = logged(guarded, own)
    assert (row["client"], row["client_request_id"], row["trace_id"]) == ("desk", "order/17.b", TRACE)
    # Ours stays the key: a client may use its own several times.
    label = {"request_id": own, "label": 1}
    assert httpx.post(f"{guarded.url}/feedback", json=label, headers={"X-API-Key": DESK}).status_code == 200


@pytest.mark.parametrize("sent", ["x" * 129, "two words", 'quoted"', "", "{}"])
def test_an_unfit_id_is_replaced(guarded: Server, sent: str) -> None:
    answer = ask(guarded, X_API_Key=DESK, X_Request_ID=sent, traceparent=f"00-{'0' * 32}-00f067aa0ba902b7-01")
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"]
    assert "traceparent" not in answer.headers
    row = logged(guarded, answer.json()["request_id"])
    assert (row["client_request_id"], row["trace_id"]) == (None, None)


def test_only_later_versions_of_a_trace_go_on() -> None:
    later = TRACEPARENT.replace("00-", "01-", 1) + "-more"
    assert traceparent({b"traceparent": later.encode()}) == (later.encode(), TRACE)
    assert traceparent({b"traceparent": f"{TRACEPARENT}-more".encode()}) is None


def test_the_access_log_has_a_line_for_every_request_and_no_texts(guarded: Server) -> None:
    secret = {"title": "an embargoed headline"}
    found = httpx.post(
        f"{guarded.url}/predict?q=embargoed",
        json=secret,
        headers={
            "X-API-Key": DESK,
            "X-Request-ID": "mine",
            "X-Forwarded-For": "203.0.113.9",
        },
    )
    assert httpx.head(f"{guarded.url}/model").status_code == 401
    (line,) = guarded.access_lines(request_id=found.json()["request_id"])
    assert line["client"] == "desk"
    assert line["client_request_id"] == "mine"
    assert (line["method"], line["path"], line["status"]) == ("POST", "/predict", 200)
    assert line["bytes"] == len(found.content)
    assert line["milliseconds"] > 0
    assert line["address"] == "127.0.0.1"  # the sender is none of the proxies whose word counts
    assert guarded.access_lines(method="HEAD", path="/model", status=401)
    assert "embargoed" not in guarded.printed()


def test_a_key_may_send_so_many_requests_a_minute(guarded: Server) -> None:
    with httpx.Client(base_url=guarded.url, headers={"Authorization": f"Bearer {ARCHIVE}"}) as client:
        answers = [client.get("/model") for _ in range(150)]
        assert answers[0].status_code == 200
        refused = next(one for one in answers if one.status_code == 429)
        assert refused.json()["error"]["code"] == "rate_limited"
        assert int(refused.headers["Retry-After"]) >= 1
        assert client.get("/").status_code == 200  # needs no key
    assert ask(guarded, X_API_Key=DESK).status_code == 200


def test_changed_keys_are_taken_over(guarded: Server, keys_file: Path) -> None:
    # Both keys of a name are in force while its holder changes over.
    keys_file.with_suffix(".new").write_text(f"desk: {DESK}\ndesk: {OLD}\n")
    keys_file.with_suffix(".new").replace(keys_file)
    deadline = time.monotonic() + 30
    while ask(guarded, X_API_Key=OLD).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert ask(guarded, X_API_Key=DESK).status_code == 200
    assert ask(guarded, X_API_Key=ARCHIVE).status_code == 401


def settings_of(file: Path) -> ServiceSettings:
    return ServiceSettings(api_keys_file=file)


def test_a_damaged_file_leaves_the_keys_before_in_force(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, clock = tmp_path / "keys", iter(range(100))
    file.write_text(f"desk: {DESK}\n")
    keys = Keys(settings_of(file), now=lambda: float(next(clock)))
    file.write_text("desk\n")
    os.utime(file, (1, 1))
    with caplog.at_level(logging.INFO):
        assert [keys.name_of({b"x-api-key": DESK.encode()}) for _ in range(3)] == ["desk"] * 3
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "line 1" in caplog.text
    file.unlink()
    os.mkfifo(file)  # which nobody writes: reading it would last for ever
    assert keys.name_of({b"x-api-key": DESK.encode()}) == "desk"
    file.unlink()
    assert keys.name_of({b"x-api-key": DESK.encode()}) == "desk"


def test_a_secret_that_kubernetes_changes_is_read_again_and_the_one_key_is_replaced_by_it(
    tmp_path: Path,
) -> None:
    """Kubernetes shows a secret through two links, of which it replaces the first one."""
    shown = tmp_path / "keys"
    shown.symlink_to("..data/keys")

    def change(number: int, content: str) -> None:
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}" / "keys").write_text(content)
        os.utime(tmp_path / f"..{number}" / "keys", (1, 1))
        (tmp_path / "..next").symlink_to(f"..{number}")
        (tmp_path / "..next").replace(tmp_path / "..data")

    def names(*sent: str) -> list[str | None]:
        return [keys.name_of({b"x-api-key": one.encode()}) for one in sent]

    change(1, f"archive: {ARCHIVE}\n")
    clock = iter(range(100))
    settings = ServiceSettings(api_keys_file=shown, api_key=SecretStr(OLD))
    keys = Keys(settings, now=lambda: float(next(clock)))
    assert names(OLD, ARCHIVE, DESK) == ["default", "archive", None]
    change(2, f"archive: {ARCHIVE}\ndefault: {DESK}\n")
    assert names(OLD, ARCHIVE, DESK) == ["default", "archive", "default"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no key"),
        ("desk", "line 1: expected"),
        ("desk: short", "at least 16"),
        (f": {DESK}", "line 1: expected"),
        (f"desk: {DESK} x", "line 1: expected"),
        (f"desk: {DESK}\nother: {DESK}", "line 2: the key has another name"),
    ],
)
def test_a_file_without_usable_keys_is_refused_in_words(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "keys"
    file.write_text(content)
    with pytest.raises(BadKeys, match=message) as refused:
        Keys(settings_of(file))
    assert DESK not in str(refused.value)
    with pytest.raises(BadKeys, match="cannot be read"):
        Keys(settings_of(tmp_path / "none"))


def test_the_line_end_of_a_secret_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKENEWS_API_KEY", f"{DESK}\n")
    assert Keys(ServiceSettings()).name_of({b"x-api-key": DESK.encode()}) == "default"


def test_a_limit_without_keys_is_refused() -> None:
    with pytest.raises(ValidationError, match="FAKENEWS_API_KEYS_FILE"):
        ServiceSettings(requests_per_minute=10)
    ServiceSettings(requests_per_minute=10, api_key=SecretStr(DESK))


def test_a_bucket_fills_at_an_even_pace() -> None:
    clock = 0.0
    limit = RateLimit(6, now=lambda: clock)
    assert [limit.seconds_to_wait("desk") for _ in range(7)] == [0] * 6 + [10]
    clock = 9.0
    assert limit.seconds_to_wait("desk") == 1
    clock = 10.0
    assert [limit.seconds_to_wait("desk") for _ in range(2)] == [0, 10]
    clock = 1000.0
    assert [limit.seconds_to_wait("desk") for _ in range(7)] == [0] * 6 + [10]
