import json
import shutil
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner, Result

from fakenews_assets.cli import app
from fakenews_assets.cli.governance.reproducing import require_candidates
from fakenews_assets.cli.running import load_graph
from fakenews_assets.data.receiving.raw_files import raw_files
from fakenews_assets.governance.reproduce.recipe import CannotReproduce, Step
from fakenews_assets.governance.reproduce.reproduction import compare
from fakenews_assets.registry.bundle import MANIFEST_FILE, open_bundle, write_bundle
from fakenews_resources.storage.hashing import hash_files
from fakenews_resources.storage.store import Store
from tests.support.watched import Watched


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["reproduce", *map(str, arguments)])


def boast(watched: Watched) -> str:
    """A bundle with the papers of the champion, but for a better ROC-AUC that nobody has measured."""
    models, draft = watched.store.bundles.root, watched.store.draft().path
    shutil.copytree(models / watched.champion, draft, dirs_exist_ok=True)
    manifest = open_bundle(models / watched.champion).manifest.model_copy(update={"files": {}})
    (draft / MANIFEST_FILE).unlink()
    evaluation = json.loads((draft / "evaluation.json").read_text())
    evaluation["metrics"]["roc_auc"] = 0.999
    evaluation["intervals"]["roc_auc"] = {**evaluation["intervals"]["roc_auc"], "low": 0.998, "high": 1.0}
    (draft / "evaluation.json").write_text(json.dumps(evaluation))
    return write_bundle(draft, models, manifest)


def test_a_bundle_is_made_again_and_held_against_its_papers(watched: Watched, tmp_path: Path):
    sha = boast(watched)
    before = hash_files(watched.root)

    result = run(sha[:8], "--keep", tmp_path / "kept", "--json", tmp_path / "told" / "found.json")

    assert result.exit_code == 1, result.output
    assert "Not reproduced: metric roc_auc outside (0.9980 to 1.0000: bootstrap interval)" in " ".join(
        result.output.split()
    )
    told = json.loads((tmp_path / "told" / "found.json").read_text())
    assert (told["bundle"], told["reproduced"]) == (sha, False)
    assert [line["name"] for line in told["lines"] if line["fails"]] == ["roc_auc"]
    assert {line["verdict"] for line in told["lines"] if line["what"] in ("data", "model")} == {"equal"}
    assert hash_files(watched.root) == before

    # The champion was made by the same recipe, and its papers are true.
    honest = open_bundle(watched.store.bundles.root / watched.champion)
    found = compare(watched.store, Store(tmp_path / "kept" / "store"), honest, None)
    assert {line.verdict for line in found if line.what != "environment"} == {"equal"}


@pytest.mark.usefixtures("watched")
def test_what_is_not_there_ends_with_status_1_and_says_what_to_do(tmp_path: Path):
    result = run("00000000")
    assert result.exit_code == 1
    assert "Give at least eight digits" in " ".join(result.output.split())
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "mine").write_text("x")
    result = run("champion", "--keep", tmp_path / "kept")
    assert result.exit_code == 1
    assert "is not empty" in " ".join(result.output.split())


def test_damaged_raw_bytes_are_not_made_anything_of(watched: Watched):
    raw = watched.store.current("raw_news/b1")
    raw_files(raw)[0].write_text("title\n")
    result = run()
    assert result.exit_code == 1
    assert "do not match version" in " ".join(result.output.split())


def test_a_bundle_of_other_candidates_says_what_to_set() -> None:
    steps = [
        Step("splits", {}),
        Step("clean_news/b1", {}),
        Step("evaluation/baseline", {}),
        Step("evaluation/albert", {}),
    ]
    assets = [one for one in load_graph().assets or () if isinstance(one, dg.AssetsDefinition)]
    require_candidates(assets, steps[:3])
    with pytest.raises(CannotReproduce, match=r'FAKENEWS_CANDIDATES="albert .*pruned.*"'):
        require_candidates(assets, steps)
