"""The service says why it does not answer."""

import csv
import io
from collections.abc import Iterator

import httpx
import polars as pl
import pytest

from bentos.fakenews.schemas import MAX_TITLE
from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_resources.request_ids import time_of
from tests.support.champions import make_champion
from tests.support.out_of_distribution import foreign_titles, keyboard_mash
from tests.support.servers import Server, serve
from tests.support.watched import sample_articles

STRANGE = [*foreign_titles()[:20], *keyboard_mash(20)]


@pytest.fixture(scope="module")
def familiar() -> pl.DataFrame:
    return sample_articles(1500).drop_nulls("label").with_columns(text=pl.lit(""))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, familiar: pl.DataFrame) -> Iterator[Server]:
    """A server whose champion knows what is familiar."""
    folder = tmp_path_factory.mktemp("out_of_distribution")
    models = folder / "models"
    models.mkdir()
    make_champion(models, familiar=[familiar[:700], familiar[700:1000]])
    with serve(folder, models, {"FAKENEWS_LOG_CONTENT": "text", "FAKENEWS_MAX_WAIT_MS": "60000"}) as server:
        yield server


def test_every_kind_of_answer_carries_the_reason(service: Server, familiar: pl.DataFrame):
    known = [title for title in familiar["title"].to_list()[1000:1060] if len(title) <= MAX_TITLE]

    def judged() -> float:
        return service.metric("fakenews_batch_rows_sum")

    with httpx.Client(base_url=service.url, timeout=60) as client:
        asked = {"articles": [{"title": title} for title in [*STRANGE, *known]]}
        batch = client.post("/predict_batch", json=asked).raise_for_status().json()
        single = client.post("/predict", json={"title": STRANGE[0]}).json()
        before = judged()
        explained = client.post("/explain", json={"title": STRANGE[0]}).json()
        assert judged() == before + 1  # nobody sees what its words weigh
        table = io.StringIO()
        csv.writer(table).writerows([["title"], *([title] for title in [*STRANGE, *known])])
        rows = client.post("/predict_csv", files={"file": table.getvalue().encode()})
        counted = client.get("/metrics").text

    reasons = [one["abstain_reason"] for one in batch["predictions"]]
    assert set(reasons[: len(STRANGE)]) == {"out_of_distribution"}
    assert reasons[len(STRANGE) :].count("out_of_distribution") <= 2
    assert {None, "uncertain"} <= set(reasons)  # the band is at work too
    for one in batch["predictions"]:
        assert one["abstained"] == (one["verdict"] == "unsure") == (one["abstain_reason"] is not None)
    for answer in (single, explained):
        assert (answer["abstain_reason"], answer["verdict"]) == ("out_of_distribution", "unsure")
        assert (answer["label"], answer["probability"]) == (None, None)
    assert explained["words"] == []
    lines = list(csv.DictReader(io.StringIO(rows.text)))
    assert [line["abstain_reason"] or None for line in lines] == reasons
    for answer, line in zip(batch["predictions"], lines, strict=True):
        assert (line["label"] != "") == (answer["label"] is not None) == (not answer["abstained"])
        assert (line["probability"] != "") == (answer["probability"] is not None)
        assert (answer["probability"] is None) == (answer["abstain_reason"] == "out_of_distribution")

    out_of_distribution, uncertain = (
        2 * reasons.count(reason) for reason in ("out_of_distribution", "uncertain")
    )
    assert (
        f'fakenews_abstentions_total{{reason="out_of_distribution"}} {out_of_distribution + 2}.0' in counted
    )
    assert f'fakenews_abstentions_total{{reason="uncertain"}} {uncertain}.0' in counted
    log = PredictionLog(service.log).read(time_of(batch["request_id"]).date(), "predictions")
    logged = log.filter(pl.col("request_id") == batch["request_id"]).sort("row").collect()
    assert logged["out_of_distribution"].to_list() == [reason == "out_of_distribution" for reason in reasons]
