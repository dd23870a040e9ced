"""Bundles: immutable, content-addressed folders with a model and everything to serve and audit it.

    <models>/<sha>/manifest.json        what it is; the sha is that of this file, which lists all others
    <models>/<sha>/model/...            the model in its runtime's format, and its tokenizer
    <models>/<sha>/model_card.md, model_card.html, sbom.cdx.json, evaluation.json, corpus.json,
                                        prepare.json, calibration.json
    <models>/<sha>/ood.safetensors            unless the model was judged without
    <models>/<sha>.json                 when it was made, and by which run: not part of the content

`write_bundle` makes one, and `open_bundle` verifies it.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fakenews_assets.models.calibration import (
    CALIBRATION_FILE,
    CalibratedClassifier,
    Calibration,
    read_calibration,
)
from fakenews_assets.models.runtimes.loading import reads_text
from fakenews_resources.storage.backend import Backend, as_backend
from fakenews_resources.storage.durable import rename_folder
from fakenews_resources.storage.hashing import FileEntry, compare_files, hash_file, hash_files

MANIFEST_FILE: Final = "manifest.json"
MODEL_CARD_FILE: Final = "model_card.md"
MODEL_CARD_PAGE: Final = "model_card.html"
CARD_BUNDLE: Final = "the name of the folder that holds this card"
CARD_URL: Final = "http://127.0.0.1:3001"
"""What a card says instead of its bundle's sha, which it is part of, and of the service's address; the service puts in
its own."""
SBOM_FILE: Final = "sbom.cdx.json"
CORPUS_FILE: Final = "corpus.json"
"""Counts of the articles behind the model, by batch, split and source; none of the articles."""
PREPARE_FILE: Final = "prepare.json"
MODEL_FOLDER: Final = "model"

REQUIRED_FILES: Final = (
    MANIFEST_FILE,
    MODEL_CARD_FILE,
    MODEL_CARD_PAGE,
    SBOM_FILE,
    "evaluation.json",
    CORPUS_FILE,
    PREPARE_FILE,
    CALIBRATION_FILE,
)
"""What a bundle holds beside the folder `model`."""

_PAPERS: Final = (MODEL_CARD_FILE, MODEL_CARD_PAGE, SBOM_FILE, "evaluation.json", CORPUS_FILE)
_TRAINING_RECORD: Final = f"{MODEL_FOLDER}/training.json"
"""Holds durations: two trainings to the same weights differ in it."""


class BundleError(RuntimeError):
    """A bundle cannot be used; the message says what to do next."""


class BundleMissing(BundleError):
    """There is no bundle of this name."""


class BundleOutdated(BundleError):
    """Another version of this program made the bundle, without what this one needs, or with other texts."""


class BundleDamaged(BundleError):
    """A bundle's files are not those that it was made of."""


class Manifest(BaseModel):
    """The manifest of a bundle. Equal manifests are the same bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = Field(default=1, description="Version of this layout.")
    candidate: str = Field(description="Name under which the model was evaluated.")
    encoder: str | None = Field(
        description="Pretrained encoder whose weights it started from; None: from none. A student may have another one than"
        " its teacher."
    )
    runtime: str = Field(
        description="Runtime that the model's format is for, such as torch or openvino; of an ensemble both, joined by a"
        " plus."
    )
    calibration: Calibration = Field(description="The same as in calibration.json.")
    data_versions: dict[str, str] = Field(description="Version of every upstream value, by its key.")
    config: dict[str, Any] = Field(
        default_factory=dict, description="Settings of the assets that made the model, by key."
    )
    git_commit: str | None = Field(description="Commit of the code; None outside a repository.")
    package_versions: dict[str, str] = Field(description="Versions of what trained and converted the model.")
    files: dict[str, FileEntry] = Field(
        default_factory=dict, description="Every other file of the bundle; filled in by `write_bundle`."
    )

    @property
    def finetuned_from(self) -> str | None:
        """Pretrained encoder of the `finetuned_bert` behind it, of a student its teacher's; None: none is behind it."""
        return self.config.get("finetuned_bert", {}).get("encoder", {}).get("name")


class BundleRecord(BaseModel):
    """Provenance of a bundle. Stored beside it and not part of its sha."""

    model_config = ConfigDict(frozen=True)

    sha: str
    created_at: datetime
    run_id: str | None


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose content was verified when it was opened."""

    path: Path
    sha: str
    manifest: Manifest

    @property
    def model(self) -> Path:
        """The folder that `load_classifier` takes."""
        return self.path / MODEL_FOLDER

    @property
    def card(self) -> str:
        """The model card, as Markdown."""
        return (self.path / MODEL_CARD_FILE).read_text(encoding="utf-8")

    @property
    def model_files(self) -> dict[str, str]:
        """Sha256 of the files that decide the probabilities, by name: model and text preparation."""
        return {
            name: entry.sha256
            for name, entry in self.manifest.files.items()
            if name == PREPARE_FILE or (name.startswith(f"{MODEL_FOLDER}/") and name != _TRAINING_RECORD)
        }

    @property
    def answer_files(self) -> dict[str, str]:
        """Sha256 of the files that decide the answers, by name: also calibration and out-of-distribution limits."""
        return {
            name: entry.sha256
            for name, entry in self.manifest.files.items()
            if name not in (*_PAPERS, _TRAINING_RECORD)
        }

    @property
    def reads_text(self) -> bool:
        """Whether the model reads the text beside the title."""
        return reads_text(self.model)


def write_bundle(
    draft: Path, models: Backend | Path, manifest: Manifest, *, run_id: str | None = None
) -> str:
    """Turn a draft folder into a bundle. The draft is consumed; equal content gives the existing bundle.

    Args:
        draft: every required file but the manifest, and the folder `model`; on the file system of `models`.
        models: holds the bundles; made if missing.
        manifest: what the bundle is, without `files`.
        run_id: for the record beside the bundle.

    Returns:
        The sha that names the bundle, 64 hex digits.

    Raises:
        ValueError: something is missing, is a link, or contradicts the manifest; or the draft lies elsewhere.
        BundleDamaged: the bundle is there already and is damaged.
    """
    missing = [name for name in missing_parts(draft) if name != MANIFEST_FILE]
    if missing:
        raise ValueError(f"{draft} is no complete bundle: {', '.join(missing)} missing. Write them first.")
    links = [path.relative_to(draft).as_posix() for path in draft.rglob("*") if path.is_symlink()]
    if links:
        raise ValueError(f"{', '.join(links)}: a bundle cannot hold links. Copy the files they point to.")
    if read_calibration(draft) != manifest.calibration:
        raise ValueError(f"{CALIBRATION_FILE} and the manifest differ; write the manifest's calibration.")
    models = as_backend(models)
    models.root.mkdir(parents=True, exist_ok=True)
    if draft.stat().st_dev != models.root.stat().st_dev:
        raise ValueError(
            f"{draft} and {models.root} lie on different file systems; make the draft in the latter."
        )

    files = files_of(draft)
    text = _to_json(manifest.model_copy(update={"files": files}))
    sha = hashlib.sha256(text.encode()).hexdigest()
    target = models.root / sha
    is_whole = (target / MANIFEST_FILE).is_file() and files_of(target) == files
    if models.is_bucket and target.exists() and not is_whole:
        shutil.rmtree(target)  # a copy of what a killed process had sent so far
    if not target.exists():
        (draft / MANIFEST_FILE).write_text(text, encoding="utf-8")
        # The record comes first: a bundle under its final name then always has one.
        if not models.exists(f"{sha}.json"):
            record = BundleRecord(sha=sha, created_at=datetime.now(UTC), run_id=run_id)
            models.write(f"{sha}.json", record.model_dump_json(indent=2).encode())
        try:
            rename_folder(draft, target)
        except OSError:
            if not target.exists():  # else another process stored the same content a moment ago
                raise
    models.send(sha, last=MANIFEST_FILE)
    open_bundle(target)
    shutil.rmtree(draft, ignore_errors=True)
    return sha


def open_bundle(folder: Path) -> Bundle:
    """Verify every file of a bundle.

    Raises:
        BundleMissing: there is no such folder.
        BundleDamaged: its manifest is not the one that gave it its name, or files are missing, changed or
            extra; the message names them.
    """
    if not folder.is_dir():
        raise BundleMissing(f"There is no bundle {folder.name} in {folder.parent}. Select a model again.")
    sha, file = folder.name, folder / MANIFEST_FILE
    if not file.is_file() or hash_file(file).sha256 != sha:
        raise _damaged(folder, {MANIFEST_FILE: "changed" if file.is_file() else "missing"})
    try:
        manifest = Manifest.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise BundleError(
            f"{file} was written by another version of fakenews: {error}. Open it with that version, or select again."
        ) from error
    faults = compare_files(manifest.files, files_of(folder))
    if faults:
        raise _damaged(folder, faults)
    return Bundle(folder, sha, manifest)


def load_bundled(bundle: Bundle) -> CalibratedClassifier:
    """The classifier of a bundle, calibrated as it was evaluated."""
    return CalibratedClassifier.load(bundle.model, bundle.path, bundle.manifest.candidate)


def missing_parts(folder: Path) -> tuple[str, ...]:
    """Names of required files that are not there, and `model/` if that folder holds no file."""
    missing = [name for name in REQUIRED_FILES if not (folder / name).is_file()]
    if not any(path.is_file() for path in (folder / MODEL_FOLDER).rglob("*")):
        missing.append(f"{MODEL_FOLDER}/")
    return tuple(missing)


def files_of(folder: Path) -> dict[str, FileEntry]:
    """SHA-256 and size of every file of a bundle but its manifest, by its path within, in order of path."""
    files = hash_files(folder)
    files.pop(MANIFEST_FILE, None)
    return files


def _to_json(manifest: Manifest) -> str:
    # Sorted, so that the order in which a caller filled a dictionary does not change the sha.
    return json.dumps(manifest.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _damaged(folder: Path, faults: Mapping[str, str]) -> BundleDamaged:
    named = ", ".join(f"{name} ({fault})" for name, fault in faults.items())
    return BundleDamaged(
        f"Bundle {folder.name} is damaged: {named}. Restore it from a backup. Or remove {folder}, and {folder.name}"
        " in the bucket if there is one, and select again."
    )
