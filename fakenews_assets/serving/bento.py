"""Builds a bento of the champion: the service's code, the bundle and the locked packages.

A bento is a folder: `bento.yaml`, `src/` with what is needed to serve, `env/` with the Dockerfile and the
requirements. The champion lies in `src/models`, as in the registry, so the service finds it as everywhere else.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import ClassVar, Final

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pydantic import Field

from fakenews_assets.common.records import StoredRecord
from fakenews_assets.registry.bundle import open_bundle
from fakenews_assets.registry.bundles import read_record
from fakenews_assets.registry.champion import POINTER_FILE, Pointer
from fakenews_resources.storage.backend import Backend, as_backend
from fakenews_resources.storage.hashing import hash_files, version_of

SERVICE: Final = "bentos.fakenews.service:FakeNews"
ARCHIVE_FILE: Final = "fakenews.bento"
PACKAGES: Final = ("bentos", "fakenews_assets", "fakenews_resources")
"""Folders of code that go in."""

_ROOT: Final = Path(__file__).parents[2]
LOCK: Final = Path(__file__).with_name("service.lock")
"""The service's part of requirements.lock, with the hashes of the files. Written by `make lock`."""
REQUIREMENTS_FILE: Final = Path("env/python/requirements.txt")
"""What the images install, within a bento."""
_TORCH_INDEX: Final = "https://download.pytorch.org/whl/cpu"
"""Has the build of torch for CPUs, the one that is locked."""
_OF_TORCH: Final = re.compile(r"cuda-|nvidia-|triton")
"""Libraries that a build of torch for GPUs names exactly; `make lock` leaves them out."""

_REQUIRED: Final = (
    "bentoml", "fastapi", "starlette", "uvicorn", "httptools", "uvloop", "python-multipart", "pydantic",
    "pydantic-settings", "prometheus-client", "filelock", "tenacity", "google-cloud-storage", "polars", "numpy", "scipy", "safetensors",
    "charset-normalizer", "ftfy", "python-calamine",
)  # fmt: skip
_RUNTIMES: Final = {
    "openvino": ("openvino", "tokenizers"),
    "onnx": ("onnxruntime", "tokenizers"),
    "torch": ("torch", "transformers", "tokenizers", "huggingface-hub"),
    "scikit-learn": ("scikit-learn",),
    "scipy": (),
}
SERVED: Final = tuple(sorted({*_REQUIRED, *(name for names in _RUNTIMES.values() for name in names)}))
"""What the service imports with any of the runtimes."""


class BentoFailed(RuntimeError):
    """The bento could not be built or gives wrong answers; the message says why."""


@dataclass(frozen=True)
class LockedPackage:
    """A package at one version, and the files that may be installed for it."""

    requirement: Requirement
    hashes: tuple[str, ...]
    """Such as `sha256:...`."""

    def __str__(self) -> str:
        """As pip and uv read it."""
        return " \\\n".join([str(self.requirement), *(f"    --hash={one}" for one in self.hashes)])


@dataclass(frozen=True)
class BuiltBento:
    """A bento as a folder."""

    tag: str
    model_id: str
    home: Path
    """BentoML's own store of bentos."""

    @property
    def path(self) -> Path:
        """The folder."""
        return self.home / "bentos" / self.tag.replace(":", "/")


class BentoRecord(StoredRecord):
    """What a bento is, stored beside its archive."""

    file: ClassVar[str] = "bento.json"

    tag: str = Field(description="Name and version under which BentoML knows it.")
    model_id: str = Field(description="Sha of the bundle that it carries.")
    content: str = Field(description="Hash of its code and model, as the store hashes a version.")
    bytes: int = Field(description="Size of the archive.")


def requirements(runtime: str, lock: Path = LOCK) -> list[LockedPackage]:
    """What a runtime needs to serve, and everything that these packages depend on, as the lock has it.

    Args:
        runtime: of the bundle's manifest; two runtimes are joined by a plus.
        lock: written by `make lock`.

    Raises:
        BentoFailed: a package is not in the lock, or another version of it is installed here. The bento is tried out
            with what is installed here, and the image has to run the same.
    """
    locked = _read_lock(lock)
    own = (package for one in runtime.split("+") for package in _RUNTIMES[one])
    ahead = {(name, "") for name in (*_REQUIRED, *own)}
    seen: set[tuple[str, str]] = set()
    while ahead:
        seen |= ahead
        ahead = {package for one in ahead for package in _dependencies(*one)} - seen
    found: list[LockedPackage] = []
    for name in sorted({name for name, _ in seen}):
        if name in locked:
            found += locked[name]
        elif not _OF_TORCH.match(name):
            raise BentoFailed(f"{name} is not in {lock.name}: run `make lock`.")
    for package in found:
        _require_installed(package.requirement, lock)
    return found


def _read_lock(lock: Path) -> dict[str, list[LockedPackage]]:
    """The lock by package. A package stands there several times if its version depends on the interpreter's."""
    if not lock.is_file():
        raise BentoFailed(f"{lock} is missing: install fakenews again, from its wheel or a checkout.")
    locked: dict[str, list[LockedPackage]] = {}
    for line in lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        if line and line[0] != "#":
            text, *hashes = line.split(" --hash=")
            package = LockedPackage(Requirement(text), tuple(one.strip() for one in hashes))
            locked.setdefault(canonicalize_name(package.requirement.name), []).append(package)
    return locked


def _dependencies(name: str, extra: str) -> set[tuple[str, str]]:
    """Names and extras that an installed package depends on, with one of its extras; "" stands for none."""
    try:
        every = [Requirement(line) for line in distribution(name).requires or []]
    except PackageNotFoundError:
        return set()  # reported once the walk is over
    wanted = [one for one in every if one.marker is None or one.marker.evaluate({"extra": extra})]
    return {(canonicalize_name(one.name), further) for one in wanted for further in ("", *one.extras)}


def _require_installed(locked: Requirement, lock: Path) -> None:
    if locked.marker is not None and not locked.marker.evaluate():
        return
    try:
        # A build of torch for CPUs names itself so, which the index does not know.
        here = version(locked.name).split("+")[0]
    except PackageNotFoundError:
        here = "no version"
    if str(locked.specifier) != f"=={here}":
        raise BentoFailed(
            f"{lock.name} names {locked.name}{locked.specifier}, but {here} is installed here: run `make install`."
        )


def stage(models: Backend, pointer: Pointer, context: Path) -> list[LockedPackage]:
    """Lay out what BentoML is to build from.

    Args:
        models: holds the bundles.
        pointer: the champion.
        context: made; receives code, bundle and bentofile.yaml.

    Returns:
        The packages that it needs.

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
    packages = requirements(bundle.manifest.runtime)
    bentofile = {
        "service": SERVICE,
        "description": f"fakenews, model {bundle.sha} ({bundle.manifest.candidate})",
        "labels": {"model_id": bundle.sha[:63], "candidate": bundle.manifest.candidate},
        "include": [*(f"{package}/" for package in PACKAGES), "models/"],
        "python": {"packages": [str(one.requirement) for one in packages], "lock_packages": False},
        "docker": {
            "python_version": f"{sys.version_info.major}.{sys.version_info.minor}",
            # uv takes every package from the first index that has one of its name, which is torch's for some. The
            # hashes say which files are meant.
            "env": {"UV_INDEX_STRATEGY": "unsafe-best-match"},
        },
    }
    (context / "bentofile.yaml").write_text(yaml.safe_dump(bentofile, sort_keys=False), encoding="utf-8")
    return packages


def build(models: Backend | Path, pointer: Pointer, work: Path) -> BuiltBento:
    """Build a bento of the champion.

    Args:
        models: holds the bundles.
        pointer: the champion.
        work: an empty folder for the build and for the bento.

    Raises:
        BentoFailed: BentoML refused.
        BundleError: the bundle is missing or damaged.
    """
    models = as_backend(models)
    context = work / "context"
    packages = stage(models, pointer, context)
    home = work / "home"
    printed = run_bentoml(["build", "--output", "tag", "--version", pointer.bundle[:16]], home, context)
    tag = printed.strip().splitlines()[-1].removeprefix("__tag__:")
    bento = BuiltBento(tag, pointer.bundle, home)
    if not (bento.path / "bento.yaml").is_file():
        raise BentoFailed(f"BentoML reported {tag}, but left no bento in {bento.path.parent}.")
    # BentoML leaves the hashes out.
    text = "".join(f"{one}\n" for one in packages)
    if any(one.requirement.name == "torch" for one in packages):
        text = f"--extra-index-url {_TORCH_INDEX}\n{text}"
    (bento.path / REQUIREMENTS_FILE).write_text(text, encoding="utf-8")
    return bento


def export_bento(bento: BuiltBento, folder: Path) -> BentoRecord:
    """Write a bento as one archive, with a record of it.

    Raises:
        BentoFailed: BentoML refused.
    """
    archive = folder / ARCHIVE_FILE
    run_bentoml(["export", bento.tag, str(archive)], bento.home)
    record = BentoRecord(
        tag=bento.tag,
        model_id=bento.model_id,
        content=version_of(hash_files(bento.path / "src")),
        bytes=archive.stat().st_size,
    )
    record.write(folder)
    return record


def import_bento(folder: Path, home: Path) -> BuiltBento:
    """Unpack what `export_bento` wrote into an empty home of BentoML.

    Raises:
        BentoFailed: BentoML refused.
    """
    record = BentoRecord.read(folder)
    run_bentoml(["import", str(folder / ARCHIVE_FILE)], home)
    return BuiltBento(record.tag, record.model_id, home)


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
