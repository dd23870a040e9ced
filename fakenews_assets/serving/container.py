"""Exports and verifies the container context."""

import re
import shlex
import shutil
from pathlib import Path
from typing import Final

from fakenews_assets.registry.bundle import BundleError, open_bundle
from fakenews_assets.registry.champion import ChampionRegistry, RegistryError
from fakenews_assets.serving.bento import REQUIREMENTS_FILE

GENERATED: Final = Path("env/docker/Dockerfile")
"""BentoML's own, for `bentoml containerize`."""
CONTEXT_FOLDER: Final = "context"
"""In a version of `container_context`."""
PLAIN: Final = Path("Dockerfile")
"""Ours, for `docker build .` without a BentoML client."""

_PLAIN_SOURCE: Final = Path(__file__).with_name("Dockerfile")
"""A link to the file in `deploy/`, which a wheel holds as a file."""
_SECRET: Final = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|\"private_key\"\s*:|\bAKIA[0-9A-Z]{16}\b|\bghp_[A-Za-z0-9]{36}\b"
)
_TEXT: Final = {".py", ".toml", ".json", ".yaml", ".yml", ".txt", ".md", ".html", ".js", ".css", ".sh", ""}


def export_context(bento: Path, target: Path) -> None:
    """Copy a bento, and beside it the Dockerfile that builds it without BentoML's client."""
    shutil.copytree(bento, target)
    shutil.copy(_PLAIN_SOURCE, target / PLAIN)
    # BentoML makes its folder, and safetensors its files, for their user alone. The image's user is another one.
    for path in (target, *target.rglob("*")):
        path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))


def faults(context: Path) -> list[str]:
    """The faults of a context, in words; empty if there are none."""
    found = [
        f"{name} is missing"
        for name in (GENERATED, PLAIN, Path("bento.yaml"))
        if not (context / name).is_file()
    ]
    for dockerfile in (GENERATED, PLAIN):
        if (context / dockerfile).is_file():
            found += [
                f"{dockerfile} copies {source}, which is missing"
                for source in copied_by((context / dockerfile).read_text(encoding="utf-8"))
                if not (context / source).exists()
            ]
    found += _unpinned(context / REQUIREMENTS_FILE)
    found += _model_faults(context / "src" / "models")
    for path in sorted(path for path in context.rglob("*") if path.is_file()):
        name = path.relative_to(context).as_posix()
        if path.is_symlink():
            found.append(f"{name} is a link")
        elif path.suffix in _TEXT and _SECRET.search(path.read_bytes()):
            found.append(f"{name} seems to hold a secret")
        elif path.suffix == ".pyc":
            found.append(f"{name} is compiled code")
    return found


def copied_by(dockerfile: str) -> list[str]:
    """Sources of a Dockerfile's COPY lines that come from the context."""
    sources: list[str] = []
    for line in dockerfile.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["COPY"] and not any(word.startswith("--from=") for word in words):
            sources += [word for word in words[1:-1] if not word.startswith("--")]
    return sources


def _unpinned(requirements: Path) -> list[str]:
    if not requirements.is_file():
        return [f"{REQUIREMENTS_FILE} is missing"]
    found = []
    for line in requirements.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        if line and line[0] not in "#-":
            requirement, *hashes = line.split(" --hash=")
            if "==" not in requirement:
                found.append(f"{requirement.strip()} has no exact version")
            elif not hashes:
                found.append(f"{requirement.strip()} has no hash")
    return found


def _model_faults(models: Path) -> list[str]:
    try:
        pointer = ChampionRegistry(models).champion()
        if pointer is None:
            return ["src/models names no champion"]
        open_bundle(models / pointer.bundle)
    except (BundleError, RegistryError) as error:
        return [str(error)]
    return []
