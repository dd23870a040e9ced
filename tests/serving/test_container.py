import shutil
from pathlib import Path

import pytest

from fakenews_assets.selection.bundle import BundleDamaged
from fakenews_assets.serving.bento import BentoFailed, build, requirements, run_bentoml, tree_digest
from fakenews_assets.serving.container import copied_by, export_context, faults
from fakenews_assets.serving.verification import compare
from fakenews_assets.training.classifier import Article

ARTICLES = [
    Article(f"the {word} number {row}", "a bank" * (row % 3))
    for row, word in enumerate(["hoax", "bank"] * 100)
]


@pytest.fixture(scope="session")
def bento(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(models, tmp_path_factory.mktemp("bento")).path


@pytest.fixture
def context(bento: Path, tmp_path: Path) -> Path:
    export_context(bento, tmp_path / "context")
    return tmp_path / "context"


def test_a_started_bento_says_what_the_model_says(bento: Path, tmp_path: Path):
    comparison = compare(bento, ARTICLES, tmp_path / "trial")
    assert comparison.articles == 200
    assert comparison.equal, comparison


def test_a_bento_that_says_something_else_is_noticed(bento: Path, tmp_path: Path):
    changed = tmp_path / "changed"
    shutil.copytree(bento, changed)
    code = changed / "src" / "bentos" / "fakenews" / "api.py"
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


def test_there_is_nothing_to_build_without_a_champion(tmp_path: Path):
    with pytest.raises(BentoFailed, match="no champion"):
        build(tmp_path / "models", tmp_path / "work")


def test_a_failing_command_says_why(tmp_path: Path):
    with pytest.raises(BentoFailed, match="bentoml export failed"):
        run_bentoml(["export", "nothing:here", str(tmp_path / "x.bento")], tmp_path / "home")


def test_requirements_are_pinned_and_only_what_serving_needs():
    for runtime in ("openvino", "onnx", "torch", "scikit-learn"):
        found = requirements(runtime)
        assert all(line.count("==") == 1 and "+" not in line for line in found)
        names = {line.split("==")[0] for line in found}
        assert {"bentoml", "fastapi", "polars"} <= names
        assert not names & {"dagster", "lightning", "evidently", "nncf", "pytest"}
    assert not any(line.startswith("torch==") for line in requirements("openvino"))


def test_the_context_is_complete(context: Path):
    assert faults(context) == []
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


def test_a_digest_is_of_names_and_contents(tmp_path: Path):
    def make(name: str, **files: str) -> str:
        for file, content in files.items():
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / file).write_text(content)
        return tree_digest(tmp_path / name)

    assert make("one", a="1", b="2") == make("two", b="2", a="1")
    assert (
        len({make("one"), make("three", a="2", b="1"), make("four", a="1", c="2"), make("five", a="1")}) == 4
    )
