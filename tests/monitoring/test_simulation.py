import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import polars as pl
import pytest

from fakenews_assets.common import progress
from fakenews_assets.data.fields.columns import read_raw
from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_assets.monitoring.log.records import Kind
from fakenews_assets.monitoring.simulation import ServiceError, articles_of, land, send_traffic
from fakenews_resources.news.sample import SampleSpec, generate
from tests.support.answering import answering
from tests.support.champions import make_champion
from tests.support.servers import Server, serve

SPEC = SampleSpec(rows=220, seed=3, era=3)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("service")
    models = folder / "models"
    models.mkdir()
    make_champion(models)
    with serve(folder, models, {"FAKENEWS_LOG_CONTENT": "text"}) as server:
        yield server


def logged(service: Server, kind: Kind) -> pl.DataFrame:
    log = PredictionLog(service.log)
    return pl.concat([log.read(day, kind) for day in log.days()]).collect()


def test_articles_are_those_that_a_service_takes() -> None:
    spec = SampleSpec(rows=3000, seed=1, era=3)
    raw, articles = pl.concat(generate(spec)), articles_of(spec)
    assert raw["title"].null_count() > 0
    assert (raw["title"].str.len_chars() > 1000).any()
    assert 0.98 * raw.height < articles.height < raw.height
    assert articles["title"].str.contains(r"\S").all()
    assert (articles["title"].str.len_chars() <= 1000).all()
    assert set(articles["label"]) == {0, 1, None}


def test_another_era_has_other_titles() -> None:
    eras = [set(articles_of(SampleSpec(rows=500, era=era))["title"]) for era in (0, 3)]
    assert eras[0].isdisjoint(eras[1])


def test_what_is_counted_is_what_the_service_logged(service: Server) -> None:
    articles = articles_of(SPEC)
    reports: list[progress.Progress] = []
    with progress.listening(reports.append), progress.step("traffic"):
        traffic = send_traffic(service.url, articles, feedback_share=0.3, seed=1)

    answered = logged(service, "predictions")
    asked = articles.select("title", pl.col("text").fill_null(""))
    assert sorted(answered.select("title", "text").rows()) == sorted(asked.rows())
    assert traffic.sent == answered.height == articles.height
    assert traffic.unsure == answered["abstained"].sum()
    sure = answered.filter(~pl.col("abstained"))["predicted_label"]
    assert (traffic.fake, traffic.real) == ((sure == 1).sum(), (sure == 0).sum())
    assert min(traffic.fake, traffic.real, traffic.unsure) > 0  # else any counts would do
    assert traffic.models == tuple(answered["model_id"].unique())

    told = logged(service, "feedback")
    assert traffic.feedback == told.height
    assert 0.2 < traffic.feedback / traffic.sent < 0.4
    assert set(told["source"]) == {"simulation"}
    truth = told.join(answered, on=["request_id", "row"], how="left", validate="1:1").join(
        articles.unique("title", keep="none"), on="title"
    )
    assert truth.height > 0.8 * told.height  # copies aside, whose labels a title does not tell
    assert truth["true_label"].to_list() == truth["label"].to_list()

    assert (reports[-1].done, reports[-1].total) == (traffic.sent + traffic.feedback,) * 2


@pytest.mark.parametrize("share", [0, 1])
def test_no_label_or_every_label_there_is(service: Server, share: int) -> None:
    articles = articles_of(SampleSpec(rows=60)).with_columns(
        pl.when(pl.int_range(pl.len()) >= 5).then("label").alias("label")
    )
    traffic = send_traffic(service.url, articles, feedback_share=share)
    assert traffic.feedback == share * articles["label"].count()
    assert articles["label"].count() < articles.height


def test_no_service(service: Server) -> None:
    with pytest.raises(ServiceError, match=r"answers at http://127\.0\.0\.1:9\. Start it with `make serve`"):
        send_traffic("http://127.0.0.1:9/", articles_of(SPEC), feedback_share=0)
    for address in ("127.0.0.1:3001", "http://x:y"):
        with pytest.raises(ServiceError, match="is not an address"):
            send_traffic(address, articles_of(SPEC), feedback_share=0)
    with pytest.raises(ServiceError, match="answered 404: Nothing is here"):
        send_traffic(f"{service.url}/elsewhere", articles_of(SPEC), feedback_share=0)


class Busy(BaseHTTPRequestHandler):
    """Refuses as often as its server says, then answers."""

    refusals: int
    retry_after: str | None = "7"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if type(self).refusals:
            type(self).refusals -= 1
            self.send_response(503)
            if self.retry_after:
                self.send_header("Retry-After", self.retry_after)
            body = {"error": {"code": "busy", "message": "The service is busy."}}
        else:
            self.send_response(200)
            verdicts = [{"verdict": "real"} for _ in asked["articles"]]
            body = {"predictions": verdicts, "model_id": "m", "request_id": "r"}
        content = json.dumps(body).encode()
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test output quiet."""


@pytest.mark.parametrize(
    ("refusals", "retry_after", "pauses"),
    [(2, "7", [7, 7]), (1, "3600", [60]), (1, None, [2]), (99, "1", [1] * 9)],
)
def test_a_busy_service_is_waited_for_as_it_asks(
    refusals: int, retry_after: str | None, pauses: list[float]
) -> None:
    waited: list[float] = []
    with answering(type("OwnBusy", (Busy,), {"refusals": refusals, "retry_after": retry_after})) as url:
        if refusals > 10:
            with pytest.raises(ServiceError, match="stays busy: The service is busy"):
                send_traffic(url, articles_of(SPEC).head(1), feedback_share=0, sleep=waited.append)
        else:
            traffic = send_traffic(url, articles_of(SPEC).head(70), feedback_share=0, sleep=waited.append)
            assert (traffic.sent, traffic.real) == (70, 70)
    assert waited == pauses


class Other(Busy):
    """A program that says yes to everything."""

    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>")


def test_another_program_on_that_port() -> None:
    with answering(Other) as url, pytest.raises(ServiceError, match="Another program answers"):
        send_traffic(url, articles_of(SPEC), feedback_share=0)


def test_a_landed_file_is_whole_and_labelled(tmp_path: Path) -> None:
    spec = SampleSpec(rows=300, seed=8, era=3)
    path = land(spec, tmp_path / "landing")
    assert [entry.name for entry in path.parent.iterdir()] == ["era-3-seed-8.csv"]
    rows = pl.concat([chunk.rows for chunk in read_raw(path)])
    assert rows["title"].to_list() == pl.concat(generate(spec))["title"].to_list()
    assert rows["label"].is_in(["0", "1"]).sum() > 290
    assert land(spec, path.parent) == path
