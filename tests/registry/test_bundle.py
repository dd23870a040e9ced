import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fakenews_assets.models.calibration import Calibration
from fakenews_assets.models.runtimes.linear import fit_baseline
from fakenews_assets.models.settings import BaselineSettings, Inputs
from fakenews_assets.registry.bundle import (
    REQUIRED_FILES,
    Bundle,
    BundleDamaged,
    BundleError,
    BundleMissing,
    Manifest,
    missing_parts,
    open_bundle,
    write_bundle,
)
from fakenews_assets.registry.bundles import bundles_in, find_bundle, read_record
from fakenews_assets.registry.champion import ChampionRegistry
from fakenews_resources.storage.address import backend_of
from fakenews_resources.storage.backend import StoreError, as_backend
from fakenews_resources.storage.hashing import hash_file
from tests.support.buckets import OUTAGE, Gate, objects
from tests.support.buckets import gate as gate
from tests.support.models import build_tiny_classifier, separable_articles


def test_a_bundle_is_named_by_its_manifest_and_opens(make_draft: Callable, models: Path, manifest: Manifest):
    draft = make_draft()
    sha = write_bundle(draft, models, manifest, run_id="run")

    bundle = open_bundle(models / sha)
    assert bundle.sha == sha == hash_file(bundle.path / "manifest.json").sha256
    assert set(bundle.manifest.files) == {
        "model_card.md",
        "model_card.html",
        "sbom.cdx.json",
        "evaluation.json",
        "corpus.json",
        "prepare.json",
        "calibration.json",
        "model/weights.bin",
        "model/tokenizer/vocabulary.txt",
    }
    assert bundle.manifest.files["model/weights.bin"].bytes == len("weights")
    assert bundle.manifest.model_copy(update={"files": {}}) == manifest
    assert (bundle.model / "weights.bin").read_text() == "weights"
    assert missing_parts(bundle.path) == ()
    record = read_record(models, sha)
    assert (record.sha, record.run_id) == (sha, "run")
    assert not draft.exists()


def test_the_same_content_is_stored_once(make_draft: Callable, models: Path, manifest: Manifest):
    sha = write_bundle(make_draft(), models, manifest, run_id="first")
    before = {path: path.stat().st_mtime_ns for path in models.rglob("*")}
    reordered = manifest.model_copy(
        update={"data_versions": dict(reversed(list(manifest.data_versions.items())))}
    )
    draft = make_draft()

    assert write_bundle(draft, models, reordered, run_id="second") == sha
    assert {path: path.stat().st_mtime_ns for path in models.rglob("*")} == before
    assert read_record(models, sha).run_id == "first"
    assert not draft.exists()


def test_other_weights_or_another_origin_are_another_bundle(
    make_draft: Callable, models: Path, manifest: Manifest
):
    shas = {
        write_bundle(make_draft(), models, manifest),
        write_bundle(make_draft("other"), models, manifest),
        write_bundle(make_draft(), models, manifest.model_copy(update={"git_commit": "beef"})),
    }
    assert len(shas) == 3
    assert {open_bundle(models / sha).sha for sha in shas} == shas


def test_one_flipped_byte_is_refused_by_name(make_bundle: Callable, models: Path):
    sha = make_bundle("weights")
    file = models / sha / "model" / "weights.bin"
    content = bytearray(file.read_bytes())
    content[3] ^= 1
    file.write_bytes(content)

    with pytest.raises(BundleDamaged, match=r"damaged: model/weights\.bin \(changed\)\."):
        open_bundle(models / sha)
    with pytest.raises(BundleDamaged, match=r"weights\.bin"):
        ChampionRegistry(models).promote(sha, expected=None, reason="", run_id=None, promoted_by="test")
    with pytest.raises(BundleDamaged, match=r"weights\.bin"):  # nor does storing it again hide that
        make_bundle("weights")


def test_missing_and_extra_files_are_refused_by_name(make_bundle: Callable, models: Path):
    folder = models / make_bundle("weights")
    (folder / "prepare.json").unlink()
    (folder / "model" / "notes.txt").write_text("x")

    with pytest.raises(BundleDamaged, match=r"model/notes\.txt \(extra\), prepare\.json \(missing\)"):
        open_bundle(folder)


def test_a_changed_manifest_or_another_name_is_refused(make_bundle: Callable, models: Path):
    folder = models / make_bundle("weights")
    renamed = folder.rename(models / ("0" * 64))
    with pytest.raises(BundleDamaged, match=r"manifest\.json \(changed\)"):
        open_bundle(renamed)
    (renamed / "manifest.json").unlink()
    with pytest.raises(BundleDamaged, match=r"manifest\.json \(missing\)"):
        open_bundle(renamed)
    with pytest.raises(BundleMissing, match="no bundle nothing"):
        open_bundle(models / "nothing")


def test_a_manifest_of_another_version_says_so(make_bundle: Callable, models: Path):
    folder = models / make_bundle("weights")
    file = folder / "manifest.json"
    file.write_text(file.read_text().replace('"format": 1', '"format": 2'))

    with pytest.raises(BundleError, match="another version of fakenews"):
        open_bundle(folder.rename(models / hash_file(file).sha256))


@pytest.mark.parametrize("name", REQUIRED_FILES[1:])
def test_an_incomplete_draft_gets_no_name(make_draft: Callable, models: Path, manifest: Manifest, name: str):
    draft = make_draft()
    assert missing_parts(draft) == ("manifest.json",)
    (draft / name).unlink()

    assert missing_parts(draft) == ("manifest.json", name)
    with pytest.raises(ValueError, match=f"no complete bundle: {name} missing"):
        write_bundle(draft, models, manifest)
    assert list(models.iterdir()) == []


def test_a_bundle_is_found_by_the_beginning_of_its_sha(make_bundle: Callable, models: Path):
    backend, shas = as_backend(models), [make_bundle("weights"), make_bundle("others")]
    assert bundles_in(backend) == sorted(shas)
    assert find_bundle(backend, shas[0]) == find_bundle(backend, shas[0][:8]) == shas[0]
    for beginning in (shas[0][:7], "0" * 9, "champion"):
        with pytest.raises(
            BundleMissing, match=f"No bundles in .* begin with {beginning}. Give at least eight"
        ):
            find_bundle(backend, beginning)
    shutil.copytree(models / shas[0], models / (shas[0][:-1] + "0123456789abcdef"[int(shas[0][-1], 16) - 1]))
    with pytest.raises(BundleMissing, match="2 bundles in"):
        find_bundle(backend, shas[0][:8])


def test_a_draft_must_hold_a_model_of_its_own(make_draft: Callable, models: Path, manifest: Manifest):
    draft = make_draft()
    shutil.rmtree(draft / "model")
    (draft / "model" / "empty").mkdir(parents=True)
    with pytest.raises(ValueError, match="model/ missing"):
        write_bundle(draft, models, manifest)
    (draft / "model" / "weights.bin").symlink_to(draft / "prepare.json")
    with pytest.raises(ValueError, match=r"model/weights\.bin: a bundle cannot hold links"):
        write_bundle(draft, models, manifest)


def test_a_draft_that_contradicts_the_manifest_is_refused(
    make_draft: Callable, models: Path, manifest: Manifest
):
    other = manifest.model_copy(update={"calibration": Calibration.identity()})
    with pytest.raises(ValueError, match=r"calibration\.json and the manifest differ"):
        write_bundle(make_draft(), models, other)


@pytest.mark.parametrize(("inputs", "reads_text"), [("title", False), ("title_and_text", True)])
def test_a_bundle_knows_whether_its_model_reads_the_text(
    tmp_path: Path, manifest: Manifest, inputs: Inputs, reads_text: bool
):
    for name in ("encoder", "baseline"):
        model = tmp_path / name / "model"
        if name == "encoder":
            build_tiny_classifier(model, inputs=inputs)
        else:
            fit_baseline(separable_articles(20), BaselineSettings(inputs=inputs)).save(model)
        assert Bundle(tmp_path / name, "f00", manifest).reads_text is reads_text


WRITER = """
import os, shutil, signal, sys
from pathlib import Path
from fakenews_assets.registry import bundle
from fakenews_assets.registry.bundle import Manifest, open_bundle, write_bundle
from fakenews_resources.storage.backend import FolderBackend

template, models, moment = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
manifest = open_bundle(template).manifest.model_copy(update={"files": {}})

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if moment == "write":
    FolderBackend.write = die
elif moment != "any":
    setattr(bundle, moment, die)
print("ready", flush=True)
for number in range(1_000_000):
    draft = models.parent / f"draft-{moment}-{number}"
    shutil.copytree(template, draft)
    (draft / "model" / "weights.bin").write_text(str(number) * 300_000)
    write_bundle(draft, models, manifest)
    print(number, flush=True)
"""


@pytest.mark.parametrize("moment", ["write", "rename_folder", "any"])
def test_kill_9_leaves_no_half_bundle_and_the_champion(make_bundle: Callable, models: Path, moment: str):
    champion = make_bundle("champion")
    registry = ChampionRegistry(models)
    pointer = registry.promote(champion, expected=None, reason="", run_id=None, promoted_by="test")

    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(models / champion), str(models), moment], stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"ready\n"
    if moment == "any":
        writer.stdout.readline()  # the second bundle is under way
        time.sleep(0.007)
        writer.kill()
    assert writer.wait(timeout=20) == -9

    folders = [path for path in models.iterdir() if path.is_dir()]
    assert len(folders) >= 2 if moment == "any" else folders == [models / champion]
    for folder in folders:
        assert open_bundle(folder).sha == folder.name
    assert registry.champion() == pointer


def test_a_draft_that_a_kill_left_behind_can_be_finished(
    make_draft: Callable, models: Path, manifest: Manifest
):
    interrupted = make_draft()
    (interrupted / "manifest.json").write_text("{}")

    assert write_bundle(interrupted, models, manifest) == write_bundle(make_draft(), models, manifest)


def test_one_that_was_sent_in_part_is_completed_elsewhere(
    gate: Gate, make_draft: Callable, manifest: Manifest, tmp_path: Path
):
    models = backend_of("gs://news/models")
    gate.strike(r"POST /upload\S* \S*manifest\.json$", *OUTAGE)
    with pytest.raises(StoreError):
        write_bundle(make_draft(), models, manifest)
    gate.strike_no_more()
    assert not any(name.endswith("manifest.json") for name in objects(gate))

    other = models.afresh(tmp_path / "elsewhere")
    (sha,) = (name for name in other.children() if len(name) == 64)
    other.fetch(sha)
    assert write_bundle(make_draft(), other, manifest) == sha
    assert open_bundle(models.fetch(sha)).sha == sha
