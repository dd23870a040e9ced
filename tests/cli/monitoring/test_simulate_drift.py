from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fakenews_assets.cli import app
from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from tests.support.champions import make_champion
from tests.support.servers import Server, serve

KEY = "a key of this test"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server with a tiny champion, which demands a key."""
    folder = tmp_path_factory.mktemp("service")
    models = folder / "models"
    models.mkdir()
    make_champion(models)
    with serve(folder, models, {"FAKENEWS_API_KEY": KEY}) as server:
        yield server


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["simulate-drift", *map(str, arguments)])


def test_it_sends_lands_and_says_what_it_did(
    service: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKENEWS_API_KEY", KEY)
    result = run("--url", service.url, "--rows", 120, "--land", tmp_path / "landing", "--land-rows", 50)
    assert result.exit_code == 0, result.output

    log = PredictionLog(service.log)
    (day,) = log.days()
    answered = log.read(day, "predictions").collect()
    told = log.read(day, "feedback").collect()
    shown = {
        cells[0]: cells[1]
        for line in result.stdout.splitlines()
        if len(cells := [cell.strip() for cell in line.strip("│").split("│")]) == 2
    }
    unsure = int(answered["abstained"].sum())
    assert shown["articles of era 3"] == str(answered.height)
    assert shown["answered unsure"] == f"{unsure} ({unsure / answered.height:.1%})"
    assert shown["labels sent as feedback"] == str(told.height)
    assert shown["answered by"] == answered["model_id"][0][:16]

    landed = tmp_path / "landing" / "era-3-seed-8.csv"
    assert f"Landed: {landed}, 50 rows" in result.stdout
    assert len(landed.read_text().splitlines()) >= 51
    assert "fakenews report" in result.stdout
    assert "make ui" in result.stdout


@pytest.mark.parametrize("key", [(), ("--api-key", "another key than that"), ("--api-key", "ключ")])
def test_another_key(service: Server, tmp_path: Path, key: tuple[str, ...]) -> None:
    result = run("--url", service.url, "--rows", 60, "--land", tmp_path / "landing", *key)
    assert result.exit_code == 1
    assert "requires an API key" in result.stderr
    assert "FAKENEWS_API_KEY" in result.stderr
    assert not (tmp_path / "landing").exists()


def test_no_service(tmp_path: Path) -> None:
    result = run("--url", "http://127.0.0.1:9", "--rows", 60, "--land", tmp_path / "landing")
    assert result.exit_code == 1
    assert "make serve" in result.stderr
    assert "Traceback" not in result.output
    assert not (tmp_path / "landing").exists()


def test_a_folder_that_cannot_be_made(service: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run("--url", service.url, "--api-key", KEY, "--rows", 1, "--land", tmp_path / "file" / "landing")
    assert result.exit_code == 1
    assert "Not a directory" in result.stderr
