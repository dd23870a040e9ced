import re
import shutil
import subprocess
import sys
import venv
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from fakenews_assets.compression.settings import FORMATS
from fakenews_assets.models.classifier import Article
from fakenews_assets.registry.bundle import BundleDamaged
from fakenews_assets.registry.champion import ChampionRegistry
from fakenews_assets.serving.bento import (
    LOCK,
    REQUIREMENTS_FILE,
    SERVICE,
    BentoFailed,
    build,
    requirements,
    run_bentoml,
)
from fakenews_assets.serving.container import GENERATED, PLAIN, copied_by, export_context, faults
from fakenews_assets.serving.verification import compare
from tests.deploy.environments import of_image

REPOSITORY = Path(__file__).parents[2]
MODULES = {
    "openvino": "openvino",
    "onnx": "onnx",
    "torch": "torch",
    "scikit-learn": "linear",
    "scipy": "static",
}
"""Of each runtime, what loads its models."""
RUNTIMES = (*MODULES, "openvino+scikit-learn")
ARTICLES = [
    Article(f"the {word} number {row}", "a bank" * (row % 3))
    for row, word in enumerate(["hoax", "bank"] * 100)
]


@pytest.fixture(scope="session")
def bento(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pointer = ChampionRegistry(models).champion()
    assert pointer is not None
    return build(models, pointer, tmp_path_factory.mktemp("bento")).path


@pytest.fixture
def context(bento: Path, tmp_path: Path) -> Path:
    export_context(bento, tmp_path / "context")
    return tmp_path / "context"


def test_a_started_bento_says_what_the_model_says(bento: Path, tmp_path: Path):
    comparison = compare(bento, ARTICLES, tmp_path / "trial")
    assert comparison.articles == 200
    assert comparison.equal, comparison
    assert list(bento.rglob("*.pyc")) == []


def test_a_bento_that_says_something_else_is_noticed(bento: Path, tmp_path: Path):
    changed = tmp_path / "changed"
    shutil.copytree(bento, changed)
    code = changed / "src" / "bentos" / "fakenews" / "schemas.py"
    said = "float(predictions.probability[row])"
    assert said in code.read_text()
    code.write_text(code.read_text().replace(said, f"0.5 * {said}"))
    comparison = compare(changed, ARTICLES[:20], tmp_path / "trial")
    assert not comparison.equal
    assert comparison.largest_difference > 0.01


def test_a_bento_with_a_damaged_model_is_not_even_started(bento: Path, tmp_path: Path):
    changed = tmp_path / "changed"
    shutil.copytree(bento, changed)
    (bundle,) = (path for path in (changed / "src" / "models").iterdir() if path.is_dir())
    (bundle / "prepare.json").write_text("{}")
    with pytest.raises(BundleDamaged, match=r"prepare\.json"):
        compare(changed, ARTICLES[:1], tmp_path / "trial")


def test_a_failing_command_says_why(tmp_path: Path):
    with pytest.raises(BentoFailed, match="bentoml export failed"):
        run_bentoml(["export", "nothing:here", str(tmp_path / "x.bento")], tmp_path / "home")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_requirements_are_of_the_lock_and_only_what_serving_needs(runtime: str):
    found = requirements(runtime)
    lines = (REPOSITORY / "requirements.lock").read_text().splitlines()
    tested = {(one.name, one.specifier) for one in map(Requirement, lines[1:])}
    assert {(one.requirement.name, one.requirement.specifier) for one in found} <= tested
    assert all(re.fullmatch("sha256:[0-9a-f]{64}", hash) for one in found for hash in one.hashes)
    assert all(one.hashes for one in found)
    names = {one.requirement.name for one in found}
    assert {"bentoml", "fastapi", "polars"} <= names
    assert not names & {"dagster", "lightning", "evidently", "nncf", "pytest"}
    assert ("torch" in names) == (runtime == "torch")
    assert ("scikit-learn" in names) == ("scikit-learn" in runtime)


def test_every_exported_format_can_be_served():
    assert {variant.partition("-")[0] for variant in FORMATS} <= set(RUNTIMES)


@pytest.mark.server
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_image_has_all_that_the_service_imports_and_nothing_is_left_for_an_index_to_choose(
    runtime: str, tmp_path: Path
):
    """An environment with these packages alone lacks none; what is in it is read by uv, which wrote the lock."""
    python = environment_of([one.requirement for one in requirements(runtime)], tmp_path)
    # A build of torch for GPUs names its libraries exactly; they stay out of the lock.
    assert [line for line in missing_in(python) if not re.search("`(cuda-|nvidia-|triton)", line)] == []
    service = [path.with_suffix("").relative_to(REPOSITORY) for path in REPOSITORY.glob("bentos/**/*.py")]
    assert Path(*SERVICE.partition(":")[0].split(".")) in service
    names = [".".join(path.parts) for path in service] + ["fakenews_resources.storage.bucket"]
    names += [f"fakenews_assets.models.runtimes.{MODULES[one]}" for one in runtime.split("+")]
    command = [python, "-c", "\n".join(f"import {name}" for name in names)]
    loaded = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert loaded.returncode == 0, loaded.stderr


def test_a_package_that_is_left_out_is_noticed(tmp_path: Path):
    every = [one.requirement for one in requirements("openvino")]
    python = environment_of([one for one in every if one.name != "pyasn1"], tmp_path)
    assert any("pyasn1" in line for line in missing_in(python))


def environment_of(packages: list[Requirement], folder: Path) -> Path:
    """The interpreter of an environment that has exactly these requirements, of those installed here."""
    venv.create(folder / "venv", symlinks=True)
    (home,) = (folder / "venv").glob("lib/python*/site-packages")
    for requirement in packages:
        if requirement.marker is None or requirement.marker.evaluate():
            found = distribution(requirement.name)
            assert found.version.split("+")[0] in requirement.specifier
            source = Path(str(found.locate_file("")))
            for file in found.files or ():
                # Packages share folders such as `google`, which are none themselves.
                within = (one for one in reversed(file.parents) if (source / one / "__init__.py").exists())
                entry = home / next((one for one in within if one.name), file)
                if ".." not in file.parts and not entry.exists():
                    entry.parent.mkdir(parents=True, exist_ok=True)
                    entry.symlink_to(source / entry.relative_to(home))
    return folder / "venv/bin/python"


def missing_in(python: Path) -> list[str]:
    """What the packages of an environment depend on, and it has not."""
    uv = Path(sys.executable).with_name("uv")
    command = [uv, "pip", "check", "--offline", "--python", python]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert "Checked" in said, said
    return [text for text in said.splitlines() if text.startswith("The package")]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("pyasn1==", "pyasn1==99."), r"pyasn1==99\.[\d.]+, but [\d.]+ is installed here"),
        (("pyasn1==", "unknown=="), "pyasn1 is not in service.lock"),
    ],
)
def test_what_is_tried_out_here_has_the_versions_of_the_image(
    change: tuple[str, str], said: str, tmp_path: Path
):
    changed = tmp_path / "service.lock"
    changed.write_text(re.sub(f"^{change[0]}", change[1], LOCK.read_text(), flags=re.MULTILINE))
    with pytest.raises(BentoFailed, match=said):
        requirements("openvino", changed)


def test_the_images_install_the_lock(context: Path):
    """Both Dockerfiles install this file and nothing else; uv and pip read it as they do in the image."""
    installed = context / REQUIREMENTS_FILE
    torch, *packages = installed.read_text().replace("\\\n", "").splitlines()
    assert torch == "--extra-index-url https://download.pytorch.org/whl/cpu"
    assert packages == [str(one).replace("\\\n", "") for one in requirements("torch")]
    for name in (GENERATED, PLAIN):
        text = (context / name).read_text()
        assert re.findall(r"pip install (?!uv$).*?([\w./-]+\.txt)$", text, re.MULTILINE)
        assert len(re.findall(r"pip install (?!uv$)", text, re.MULTILINE)) == 1
    assert "--require-hashes" in (context / PLAIN).read_text()
    for program in ([Path(sys.executable).with_name("uv"), "pip"], [sys.executable, "-m", "pip"]):
        command = [*program, "install", "--dry-run", "--no-index", "--require-hashes", "-r", installed]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stderr


def test_the_images_leave_it_to_the_deployment_where_the_log_goes(context: Path):
    assert not [name for name in of_image(context / GENERATED) if name.startswith("FAKENEWS_")]
    assert "FAKENEWS_LOG" not in of_image(context / PLAIN)


def test_the_context_is_complete(context: Path):
    assert faults(context) == []
    assert [path for path in (context, *context.rglob("*")) if not path.stat().st_mode & 0o004] == []
    assert (context / "Dockerfile").read_text().startswith("# The service from an exported build context")


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda context: (context / "Dockerfile").unlink(), "Dockerfile is missing"),
        (lambda context: shutil.rmtree(context / "env" / "docker"), "env/docker/Dockerfile is missing"),
        (
            lambda context: (context / "env/python/requirements.txt").unlink(),
            "Dockerfile copies env/python/requirements.txt, which is missing",
        ),
        (
            lambda context: (context / "env/python/requirements.txt").write_text("polars>=1\n"),
            "polars>=1 has no exact version",
        ),
        (
            lambda context: (context / "env/python/requirements.txt").write_text("polars==1\n"),
            "polars==1 has no hash",
        ),
        (lambda context: (context / "src/models/champion.json").unlink(), "src/models names no champion"),
        (
            lambda context: next((context / "src/models").glob("*/model/tokenizer.json")).unlink(),
            "model/tokenizer.json (missing)",
        ),
        (
            lambda context: (context / "src/key.json").write_text('{"private_key": "x"}'),
            "src/key.json seems to hold a secret",
        ),
        (lambda context: (context / "src/x.pyc").write_bytes(b""), "src/x.pyc is compiled code"),
        (lambda context: (context / "src/link").symlink_to("/etc/passwd"), "src/link is a link"),
    ],
)
def test_what_is_wrong_with_a_context_is_named(context: Path, spoil, fault: str):
    spoil(context)
    assert any(fault in found for found in faults(context)), faults(context)


def test_the_sources_of_copies():
    text = "COPY --chown=a:b x y \\\n  /target\n# COPY no no\nCOPY --from=base /a /b\nCOPY . .\nRUN echo COPY c d\n"
    assert copied_by(text) == ["x", "y", "."]
