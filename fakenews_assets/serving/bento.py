"""From the champion to a bento: the service's code, the bundle and the pinned packages, built by BentoML.

A bento is a folder: `bento.yaml`, `src/` with what is needed to serve, `env/` with the Dockerfile and the
requirements. The champion lies in `src/models`, as in the registry, so the service finds it as everywhere else.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import yaml

from fakenews_assets.selection.bundle import open_bundle, read_record
from fakenews_assets.selection.registry import POINTER_FILE, ChampionRegistry, Pointer
from fakenews_resources.hashing import digest
from fakenews_resources.place import Place, as_place

SERVICE: Final = "bentos.fakenews.service:FakeNews"
ARCHIVE_FILE: Final = "fakenews.bento"
RECORD_FILE: Final = "bento.json"
PACKAGES: Final = ("bentos", "fakenews_assets", "fakenews_resources")
"""Folders of code that go in."""

_ROOT: Final = Path(__file__).parents[2]

_REQUIRED: Final = (
    "bentoml", "fastapi", "starlette", "python-multipart", "pydantic", "pydantic-settings", "prometheus-client",
    "filelock", "tenacity", "google-cloud-storage", "polars", "numpy", "scipy", "safetensors",
)  # fmt: skip
_ENCODER: Final = ("transformers", "tokenizers", "huggingface-hub")
_RUNTIMES: Final = {
    "openvino": ("openvino", *_ENCODER),
    "onnx": ("onnxruntime", *_ENCODER),
    "torch": ("torch", *_ENCODER),
    "scikit-learn": ("scikit-learn",),
}


class BentoFailed(RuntimeError):
    """The bento could not be built, or does not do what it should; the message says why."""


@dataclass(frozen=True)
class BuiltBento:
    """A bento as a folder."""

    tag: str
    model_id: str
    path: Path


def requirements(runtime: str) -> list[str]:
    """What a runtime needs to serve, pinned to the versions that run here.

    Args:
        runtime: of the bundle's manifest.
    """
    # A build of torch for CPUs names itself so, which the index does not know.
    return [f"{name}=={version(name).split('+')[0]}" for name in (*_REQUIRED, *_RUNTIMES[runtime])]


def stage(models: Place, pointer: Pointer, context: Path) -> None:
    """Lay out what BentoML is to build from.

    Args:
        models: holds the bundles.
        pointer: the champion.
        context: made; receives code, bundle and bentofile.yaml.

    Raises:
        BundleError: the bundle is missing or damaged.
    """
    bundle = open_bundle(models.fetch(pointer.bundle))
    record = read_record(models, bundle.sha)
    for package in PACKAGES:
        shutil.copytree(
            _ROOT / package, context / package, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
        )
    packed = context / "models"
    shutil.copytree(bundle.path, packed / bundle.sha)
    (packed / f"{bundle.sha}.json").write_text(record.model_dump_json(indent=2), encoding="utf-8")
    (packed / POINTER_FILE).write_text(pointer.model_dump_json(indent=2) + "\n", encoding="utf-8")
    bentofile = {
        "service": SERVICE,
        "description": f"fakenews, model {bundle.sha} ({bundle.manifest.candidate})",
        "labels": {"model_id": bundle.sha[:63], "candidate": bundle.manifest.candidate},
        "include": [*(f"{package}/" for package in PACKAGES), "models/"],
        "python": {"packages": requirements(bundle.manifest.runtime), "lock_packages": False},
        "docker": {"python_version": f"{sys.version_info.major}.{sys.version_info.minor}"},
    }
    (context / "bentofile.yaml").write_text(yaml.safe_dump(bentofile, sort_keys=False), encoding="utf-8")


def build(models: Place | Path, work: Path) -> BuiltBento:
    """Build a bento of the champion.

    Args:
        models: holds the bundles.
        work: an empty folder for the build and for the bento.

    Raises:
        BentoFailed: there is no champion, or BentoML refused.
    """
    models = as_place(models)
    pointer = ChampionRegistry(models).champion()
    if pointer is None:
        raise BentoFailed("There is no champion to build from; materialize selected_model first.")
    context = work / "context"
    stage(models, pointer, context)
    home = work / "home"
    printed = run_bentoml(["build", "--output", "tag", "--version", pointer.bundle[:16]], home, context)
    tag = printed.strip().splitlines()[-1].removeprefix("__tag__:")
    path = home / "bentos" / tag.replace(":", "/")
    if not (path / "bento.yaml").is_file():
        raise BentoFailed(f"BentoML reported {tag}, but left no bento in {path.parent}.")
    return BuiltBento(tag, pointer.bundle, path)


def run_bentoml(arguments: Sequence[str], home: Path, folder: Path | None = None) -> str:
    """Run a command of BentoML with a model store of its own, and return what it printed.

    Raises:
        BentoFailed: it failed; the message ends with its last lines.
    """
    home.mkdir(parents=True, exist_ok=True)
    answer = subprocess.run(
        [sys.executable, "-m", "bentoml", *arguments],
        cwd=folder,
        env=os.environ | {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"},
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise BentoFailed(f"bentoml {arguments[0]} failed: {(answer.stderr or answer.stdout)[-2000:]}")
    return answer.stdout


def tree_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of all files of a folder."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        total.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        total.update(bytes.fromhex(digest(path)))
    return total.hexdigest()
