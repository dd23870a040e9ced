"""The whole of a fine-tuning run, on a tiny encoder."""

import json
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

from fakenews_assets.models.classifier import Article
from fakenews_assets.models.encoders import weights_digest
from fakenews_assets.models.runtimes.loading import load_classifier
from fakenews_assets.models.settings import EncoderSpec
from fakenews_assets.training.finetuning.finetuning import TrainingFailed, finetune
from fakenews_assets.training.finetuning.history import Progress
from fakenews_assets.training.finetuning.result import FinetuneResult, read_result
from fakenews_assets.training.settings import FinetuneSettings
from fakenews_resources.processes import free_port
from tests.support.forked import start, wait
from tests.support.models import separable_articles

TRAIN, VAL = separable_articles(192, seed=1), separable_articles(64, seed=2)
PAIRS = separable_articles(192, seed=1, with_text=True)

MakeSettings = Callable[..., FinetuneSettings]


@pytest.fixture
def make_settings(tiny_bert: Path) -> MakeSettings:
    def make(**changes: object) -> FinetuneSettings:
        defaults = {
            "encoder": EncoderSpec(name=str(tiny_bert), max_tokens=64),
            "max_tokens": 32,
            "batch_size": 16,
            "learning_rate": 5e-3,
            "epochs": 2,
            "precision": "fp32",
            "accelerator": "cpu",
        }
        return FinetuneSettings.model_validate(defaults | changes)

    return make


class Killed(Exception):
    """Stands for a kill inside one process."""


def killed_at(step: int) -> Callable[[Progress], None]:
    def listener(progress: Progress) -> None:
        if progress.step >= step:
            raise Killed

    return listener


def weights(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "model.safetensors")


def test_learns_what_can_be_learnt_and_saves_a_classifier(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    result = finetune(TRAIN, VAL, make_settings(epochs=4), tmp_path / "model", tmp_path / "work")

    assert result.best.macro_f1 > 0.95
    assert result.steps == result.total_steps == 4 * 12
    assert result.history.training[0].loss > 2 * result.history.training[-1].loss
    assert {path.name for path in (tmp_path / "model").iterdir()} >= {
        "config.json",
        "encoding.json",
        "model.safetensors",
        "tokenizer.json",
        "training.json",
    }
    assert json.loads((tmp_path / "model" / "config.json").read_text())["id2label"] == {
        "0": "real",
        "1": "fake",
    }
    assert FinetuneResult.model_validate_json((tmp_path / "model" / "training.json").read_text()) == result
    assert not (tmp_path / "work" / "checkpoints").exists()

    predictions = load_classifier(tmp_path / "model").predict([Article(title) for title in VAL["title"]])
    assert (predictions.predicted_label == VAL["label"].to_numpy()).mean() == pytest.approx(
        result.best.accuracy
    )


def test_validates_evenly_and_reports_what_it_did(make_settings: MakeSettings, tmp_path: Path) -> None:
    reports: list[Progress] = []

    result = finetune(
        TRAIN,
        VAL,
        make_settings(evaluations_per_epoch=3),
        tmp_path / "model",
        tmp_path / "work",
        reports.append,
    )

    assert [point.step for point in result.history.validation] == [4, 8, 12, 16, 20, 24]
    validations = [report for report in reports if report.validation]
    assert [report.validation for report in validations] == result.history.validation
    assert {(report.epochs, report.total_steps) for report in reports} == {(2, 24)}
    assert [report.epoch for report in validations] == [1, 1, 1, 2, 2, 2]
    best = [report.validation for report in validations if report.is_best][-1]
    assert best == result.best
    assert result.best.macro_f1 == max(point.macro_f1 for point in result.history.validation)


def test_same_seed_same_weights_other_seed_other_weights(make_settings: MakeSettings, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        finetune(TRAIN, VAL, make_settings(epochs=1, seed=seed), tmp_path / name, tmp_path / f"work-{name}")

    a, b, c = (weights(tmp_path / name)["classifier.weight"] for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_stops_early_and_keeps_the_best_weights(make_settings: MakeSettings, tmp_path: Path) -> None:
    # Labels without a pattern: the validation loss can only get worse once the training rows are learnt by heart.
    noise = TRAIN.with_columns(
        label=pl.Series(np.random.default_rng(0).integers(0, 2, len(TRAIN)), dtype=pl.Int8)
    )
    settings = make_settings(epochs=30, patience=2, learning_rate=1e-2, keep="loss")

    result = finetune(noise, VAL, settings, tmp_path / "model", tmp_path / "work")

    assert result.stopped_early
    losses = [point.loss for point in result.history.validation]
    assert losses.index(min(losses)) == len(losses) - 3
    assert result.best.loss == min(losses)
    probability = load_classifier(tmp_path / "model").predict([Article(t) for t in VAL["title"]]).probability
    of_truth = np.where(VAL["label"].to_numpy() == 1, probability, 1 - probability)
    assert -np.log(of_truth).mean() == pytest.approx(result.best.loss, rel=1e-4)


@pytest.fixture(scope="module")
def never_interrupted(
    tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[FinetuneSettings, Path]:
    folder = tmp_path_factory.mktemp("whole")
    settings = FinetuneSettings(
        encoder=EncoderSpec(name=str(tiny_bert), max_tokens=64),
        inputs="title_and_text",
        max_tokens=32,
        batch_size=16,
        epochs=2,
        pruning=0.3,
        precision="fp32",
        accelerator="cpu",
        checkpoint_every=1,
    )
    finetune(PAIRS, VAL, settings, folder / "model", folder / "work")
    return settings, folder / "model"


# Six steps to a validation, twelve to an epoch: a checkpoint before, after, and at neither of these.
@pytest.mark.parametrize(("step", "resumed_from"), [(1, 0), (6, 5), (7, 5), (8, 7), (13, 11), (24, 23)])
def test_resumed_run_equals_the_run_never_interrupted(
    never_interrupted: tuple[FinetuneSettings, Path],
    tmp_path: Path,
    step: int,
    resumed_from: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fakenews_assets.training.finetuning.callbacks.REPORT_EVERY_SECONDS", 0.0)
    settings, whole_folder = never_interrupted
    whole = FinetuneResult.model_validate_json((whole_folder / "training.json").read_text())

    # The listener is called before the checkpoint of its step is written.
    with pytest.raises(Killed):
        finetune(PAIRS, VAL, settings, tmp_path / "model", tmp_path / "work", killed_at(step))
    assert not (tmp_path / "model").exists()
    resumed = finetune(PAIRS, VAL, settings, tmp_path / "model", tmp_path / "work")

    assert resumed.resumed_from_step == resumed_from
    assert resumed.steps == whole.steps == 24
    assert resumed.history == whole.history
    assert resumed.best == whole.best
    for name, values in weights(whole_folder).items():
        np.testing.assert_array_equal(weights(tmp_path / "model")[name], values, err_msg=name)


def test_other_settings_start_over(make_settings: MakeSettings, tmp_path: Path) -> None:
    settings = make_settings(checkpoint_every=2)
    with pytest.raises(Killed):
        finetune(TRAIN, VAL, settings, tmp_path / "model", tmp_path / "work", killed_at(12))

    result = finetune(TRAIN, VAL, make_settings(seed=7), tmp_path / "model", tmp_path / "work")

    assert result.resumed_from_step == 0


def test_resume_can_be_refused(make_settings: MakeSettings, tmp_path: Path) -> None:
    settings = make_settings(checkpoint_every=2)
    with pytest.raises(Killed):
        finetune(TRAIN, VAL, settings, tmp_path / "model", tmp_path / "work", killed_at(12))

    settings = settings.model_copy(update={"resume": False})
    result = finetune(TRAIN, VAL, settings, tmp_path / "model", tmp_path / "work")

    assert result.resumed_from_step == 0
    assert result.steps == 24


def train(folder: Path, work: Path, wait_at: int) -> None:
    """What a child process does: a training that stops and waits at a step (0: at none)."""

    def listen(progress: Progress) -> None:
        if wait_at and progress.step >= wait_at:
            (folder / "reached").touch()
            time.sleep(600)

    settings = FinetuneSettings.model_validate_json((folder / "settings.json").read_text())
    finetune(TRAIN, VAL, settings, folder / "model", work, listen)


def start_child(
    folder: Path,
    settings: FinetuneSettings,
    wait_at: int = 0,
    variables: Mapping[str, str] | None = None,
    work: Path | None = None,
) -> ForkServerProcess:
    (folder / "settings.json").write_text(settings.model_dump_json())
    return start(
        train, folder, work or folder / "work", wait_at, environment=variables, output=folder / "output"
    )


def test_resumes_after_kill_9(make_settings: MakeSettings, tmp_path: Path) -> None:
    settings = make_settings(checkpoint_every=5)
    finetune(TRAIN, VAL, settings, tmp_path / "whole", tmp_path / "work-whole")
    finetune(TRAIN, VAL, settings, tmp_path / "model", tmp_path / "earlier")
    before = weights(tmp_path / "model")

    process = start_child(tmp_path, settings, wait_at=18)
    try:
        while not (tmp_path / "reached").exists():
            assert process.is_alive(), "the run ended before it could be killed"
            time.sleep(0.1)
    finally:
        process.kill()
    assert wait(process) == -signal.SIGKILL
    for name, values in before.items():  # the earlier model is still whole
        np.testing.assert_array_equal(weights(tmp_path / "model")[name], values)

    result = finetune(TRAIN, VAL, settings, tmp_path / "model", tmp_path / "work")

    assert result.resumed_from_step == 15
    assert result.steps == 24
    for name, values in weights(tmp_path / "whole").items():
        np.testing.assert_array_equal(weights(tmp_path / "model")[name], values, err_msg=name)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def start_nodes(
    folder: Path, settings: FinetuneSettings, works: Sequence[Path], wait_at: int = 0
) -> list[ForkServerProcess]:
    """One for each folder of work, told of each other as the documentation says: by three variables."""
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    return [
        start_child(folder, settings, wait_at, meeting | {"NODE_RANK": str(rank)}, work)
        for rank, work in enumerate(works)
    ]


@pytest.mark.parametrize(
    ("devices", "num_nodes", "strategy", "shared"),
    [(2, 1, "ddp_fork", True), (1, 2, "ddp", True), (1, 2, "ddp", False)],
    ids=["devices", "nodes", "nodes-apart"],
)
def test_two_processes_train_as_one_does(
    make_settings: MakeSettings, tmp_path: Path, devices: int, num_nodes: int, strategy: str, shared: bool
) -> None:
    settings = make_settings(
        batch_size=8,
        devices=devices,
        num_nodes=num_nodes,
        strategy=strategy,
        epochs=6,
        dropout=0.0,
        patience=99,
    )
    nodes = start_nodes(
        tmp_path,
        settings,
        [tmp_path / "work" if shared else tmp_path / f"work-{rank}" for rank in range(num_nodes)],
    )
    assert [wait(node) for node in nodes] == [0] * num_nodes

    result = FinetuneResult.model_validate_json((tmp_path / "model" / "training.json").read_text())
    assert result.steps == result.total_steps == 6 * len(TRAIN) / (2 * 8)
    alone = finetune(
        TRAIN,
        VAL,
        settings.model_copy(update={"batch_size": 16, "devices": 1, "num_nodes": 1, "strategy": "auto"}),
        tmp_path / "alone",
        tmp_path / "work-alone",
    )
    # The same sums in another order: 3e-7 apart when this was written. Other batches would be percents apart.
    for curve in ("training", "validation"):
        found, expected = (
            [(point.step, point.loss) for point in getattr(one.history, curve)] for one in (result, alone)
        )
        np.testing.assert_allclose(found, expected, rtol=1e-4, err_msg=curve)
    assert result.best.macro_f1 > 0.95
    predictions = load_classifier(tmp_path / "model").predict([Article(title) for title in VAL["title"]])
    assert (predictions.predicted_label == VAL["label"].to_numpy()).mean() == pytest.approx(
        result.best.accuracy
    )


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "apart"])
def test_nodes_resume_together_or_not_at_all(
    make_settings: MakeSettings, tmp_path: Path, shared: bool
) -> None:
    settings = make_settings(batch_size=8, num_nodes=2, strategy="ddp", checkpoint_every=5)
    works = [tmp_path / "work", tmp_path / ("work" if shared else "other")]
    killed = start_nodes(tmp_path, settings, works, wait_at=12)
    try:
        while not (tmp_path / "reached").exists():
            assert all(node.is_alive() for node in killed)
            time.sleep(0.1)
    finally:
        for node in killed:
            node.kill()
            node.join()
    (tmp_path / "output").unlink()

    ended = [wait(node) for node in start_nodes(tmp_path, settings, works)]

    if shared:
        assert ended == [0, 0]
        assert read_result(tmp_path / "model").resumed_from_step == 10
    else:
        assert ended == [1, 1]
        assert (tmp_path / "output").read_text().count("different steps, the first one from step 10") == 2
        afresh = settings.model_copy(update={"resume": False})
        assert [wait(node) for node in start_nodes(tmp_path, afresh, works)] == [0, 0]
        assert read_result(tmp_path / "model").resumed_from_step == 0


def test_nodes_that_were_told_different_things_say_so(make_settings: MakeSettings, tmp_path: Path) -> None:
    settings = make_settings(batch_size=8, num_nodes=2, strategy="ddp")
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    nodes: list[ForkServerProcess] = []
    for rank in range(2):
        folder = tmp_path / str(rank)
        folder.mkdir()
        told = settings.model_copy(update={"seed": rank})
        nodes.append(start_child(folder, told, variables=meeting | {"NODE_RANK": str(rank)}))

    assert [wait(node) for node in nodes] == [1, 1]
    said = [(tmp_path / str(rank) / "output").read_text() for rank in range(2)]
    assert ["TrainingFailed: The nodes have different settings" in one for one in said] == [True] * 2


def test_pruned_weights_stay_zero_and_do_not_compound(make_settings: MakeSettings, tmp_path: Path) -> None:
    finetune(TRAIN, VAL, make_settings(pruning=0.4), tmp_path / "model", tmp_path / "work")

    saved = weights(tmp_path / "model")
    linear = [
        values
        for name, values in saved.items()
        if name.endswith(".weight") and values.ndim == 2 and "embeddings" not in name
    ]
    zeros = sum(int((values == 0).sum()) for values in linear)
    assert zeros / sum(values.size for values in linear) == pytest.approx(0.4, abs=0.001)


def test_rejects_unusable_labels(make_settings: MakeSettings, tmp_path: Path) -> None:
    one_sided = TRAIN.with_columns(label=pl.lit(1, dtype=pl.Int8))
    with pytest.raises(TrainingFailed, match="validation rows must hold both labels"):
        finetune(TRAIN, one_sided, make_settings(), tmp_path / "model", tmp_path / "work")
    unlabelled = TRAIN.with_columns(label=pl.lit(None, dtype=pl.Int8))
    with pytest.raises(TrainingFailed, match="None"):
        finetune(unlabelled, VAL, make_settings(), tmp_path / "model", tmp_path / "work")


def test_divergence_is_an_error(make_settings: MakeSettings, tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="learning_rate"):
        finetune(TRAIN, VAL, make_settings(learning_rate=1e36), tmp_path / "model", tmp_path / "work")
    assert not (tmp_path / "model").exists()


def test_goes_on_from_given_weights(
    make_settings: MakeSettings, tiny_bert: Path, tiny_classifier: Path, tmp_path: Path
) -> None:
    still = make_settings(learning_rate=1e-12, batch_size=len(TRAIN), epochs=1)

    result = finetune(TRAIN, VAL, still, tmp_path / "model", tmp_path / "work", start_from=tiny_classifier)

    assert result.steps == 1
    given, saved = weights(tiny_classifier), weights(tmp_path / "model")
    assert {"classifier.weight", "classifier.bias"} <= saved.keys() == given.keys()
    for name, values in given.items():
        np.testing.assert_allclose(saved[name], values, atol=1e-6, err_msg=name)
    assert result.start_sha256 == weights_digest(tiny_classifier) != weights_digest(tiny_bert)


def test_given_weights_stay_where_the_training_makes_them_worse(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    finetune(TRAIN, VAL, make_settings(epochs=4), tmp_path / "first", tmp_path / "work")
    wrong = TRAIN.with_columns(label=1 - pl.col("label"))

    result = finetune(
        wrong, VAL, make_settings(), tmp_path / "second", tmp_path / "work", start_from=tmp_path / "first"
    )

    assert result.best.step == 0
    assert result.best.macro_f1 > 0.95 > max(point.macro_f1 for point in result.history.validation)
    for name, values in weights(tmp_path / "first").items():
        np.testing.assert_array_equal(weights(tmp_path / "second")[name], values, err_msg=name)
