"""The whole of a hyperparameter search: real trainings of a tiny encoder, and scripted ones where time matters."""

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from filelock import FileLock

from fakenews_assets.models.settings import EncoderSpec
from fakenews_assets.training.finetuning.finetuning import TrainingFailed
from fakenews_assets.training.finetuning.history import Progress, TrainingHistory, ValidationPoint
from fakenews_assets.training.search import search as search_module
from fakenews_assets.training.search.result import SearchResult, TrialRecord
from fakenews_assets.training.search.search import search
from fakenews_assets.training.search.settings import SearchSettings
from fakenews_assets.training.search.study import SearchFailed, open_study
from fakenews_assets.training.settings import FinetuneSettings
from tests.support.models import separable_articles

TRAIN, VAL = separable_articles(128, seed=1), separable_articles(48, seed=2)
ALL_BOUNDS = ("learning_rate", "batch_size", "warmup", "dropout")


@pytest.fixture
def base(tiny_bert: Path) -> FinetuneSettings:
    return FinetuneSettings(
        encoder=EncoderSpec(name=str(tiny_bert), max_tokens=64),
        max_tokens=32,
        batch_size=16,
        learning_rate=5e-3,
        precision="fp32",
        accelerator="cpu",
    )


def make_settings(**changes: object) -> SearchSettings:
    defaults = {"minutes": None, "trials": 3, "evaluations_per_epoch": 2, "rows": 96, "val_rows": 32}
    return SearchSettings.model_validate(defaults | changes)


def only(name: str, bounds: list[float], **changes: object) -> SearchSettings:
    """Settings that search a single one."""
    return make_settings(**dict.fromkeys(ALL_BOUNDS) | {name: bounds} | changes)


class Script:
    """Stands for `finetune`: the n-th call reports the n-th list of macro-F1 values, or raises what lies there."""

    def __init__(self, *trials: "list[float] | Exception") -> None:
        self.trials = list(trials)
        self.seen: list[FinetuneSettings] = []

    def __call__(
        self,
        _train: pl.DataFrame,
        _val: pl.DataFrame,
        settings: FinetuneSettings,
        output: Path,
        work: Path,
        on_progress: Callable[[Progress], None],
    ) -> SimpleNamespace:
        self.seen.append(settings)
        for folder in (work / "tokens", work / "checkpoints", output):
            folder.mkdir(parents=True, exist_ok=True)
        curve = self.trials[len(self.seen) - 1]
        if isinstance(curve, Exception):
            raise curve
        for index, value in enumerate(curve):
            point = ValidationPoint(
                step=5 * (index + 1),
                loss=value if math.isnan(value) else 1 - value,
                accuracy=value,
                macro_f1=value,
            )
            history = TrainingHistory(steps_per_epoch=5, training=[], validation=[])
            on_progress(Progress(1, 1, point.step, 0, 5 * len(curve), history, 1.0, point, False))
        return SimpleNamespace(best=SimpleNamespace(macro_f1=max(curve)))


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Script]:
    def start(*trials: "list[float] | Exception") -> Script:
        script = Script(*trials)
        monkeypatch.setattr(search_module, "finetune", script)
        return script

    return start


def test_tries_the_base_first_then_others_and_says_which_was_best(
    base: FinetuneSettings, tmp_path: Path
) -> None:
    heard: list[TrialRecord] = []

    result = search(TRAIN, VAL, make_settings(base=base), tmp_path, heard.append)

    assert [trial.number for trial in result.trials] == [0, 1, 2]
    assert tuple(heard) == result.trials
    assert (result.train_rows, result.val_rows, result.finished) == (96, 32, 3)
    first, second, _ = (trial.params for trial in result.trials)
    assert first.keys() == {"learning_rate", "batch_size", "warmup", "dropout"}
    # 5e-3 lies outside the bounds, and the base leaves the dropout to the encoder: those two are drawn.
    assert (first["batch_size"], first["warmup"]) == (16, 0.06)
    assert 2e-5 <= first["learning_rate"] <= 3e-4
    assert second["warmup"] != first["warmup"]
    best = max(result.trials, key=lambda trial: trial.value or 0)
    assert (result.best_trial, result.best_value, result.best_changes) == (
        best.number,
        best.value,
        best.params,
    )
    assert result.tuned == FinetuneSettings.model_validate(base.model_dump() | best.params)
    assert SearchResult.model_validate_json(result.model_dump_json()) == result
    # One tokenised table of training rows and one of validation rows serve all trials; nothing else is left.
    assert [path.name for path in (tmp_path / "trial").iterdir()] == ["tokens"]
    assert len(list((tmp_path / "trial" / "tokens").iterdir())) == 2


def test_a_killed_search_goes_on_as_if_nothing_had_happened(base: FinetuneSettings, tmp_path: Path) -> None:
    settings = only("learning_rate", [1e-3, 1e-2], base=base, trials=3)
    whole = search(TRAIN, VAL, settings, tmp_path / "whole")
    work = tmp_path / "killed"
    search(TRAIN, VAL, settings.model_copy(update={"trials": 1}), work)
    # What a kill leaves behind: a trial that nobody finishes, and its files.
    (file,) = work.glob("*.journal")
    with open_study(file, settings) as study:
        study.ask()
    with file.open("a") as journal:
        journal.write('{"op_code": 4, "wor')
    (work / "trial" / "checkpoints").mkdir()
    (work / "trial" / "checkpoints" / "best-step=3.ckpt").touch()

    resumed = search(TRAIN, VAL, settings, work)

    assert [trial.state for trial in resumed.trials] == ["complete", "failed", "complete", "complete"]
    assert resumed.trials[1].seconds is None
    finished = [trial for trial in resumed.trials if trial.state != "failed"]
    assert [trial.params for trial in finished] == [trial.params for trial in whole.trials]
    assert [trial.value for trial in finished] == [trial.value for trial in whole.trials]
    assert resumed.best_changes == whole.best_changes
    assert [path.name for path in (work / "trial").iterdir()] == ["tokens"]


def test_a_hopeless_trial_is_pruned_in_mid_training(base: FinetuneSettings, tmp_path: Path) -> None:
    # The first trial learns; those below it, at learning rates that change nothing, are cut short.
    settings = only(
        "learning_rate",
        [1e-8, 5e-3],
        base=base,
        pruner_trials=1,
        pruner_validations=1,
        epochs=4,
        trials=2,
        seed=3,
    )

    result = search(TRAIN, VAL, settings, tmp_path)

    learnt, pruned = result.trials
    assert (learnt.state, learnt.pruned_at_step) == ("complete", None)
    assert pruned.params["learning_rate"] < 1e-3
    assert pruned.state == "pruned"
    # Six steps to an epoch, three to a validation: never at the first.
    assert pruned.pruned_at_step in range(6, 24, 3)
    assert pruned.value is not None
    assert learnt.value is not None
    assert pruned.value < learnt.value
    assert (result.best_trial, result.finished) == (0, 2)
    assert [path.name for path in (tmp_path / "trial").iterdir()] == ["tokens"]


def test_pruning_waits_for_enough_trials_and_validations(
    base: FinetuneSettings, tmp_path: Path, play: Callable[..., Script]
) -> None:
    play([0.8, 0.9, 0.9], [0.1, 0.1, 0.2], [0.1, 0.1, 0.9], [0.7, 0.8, 0.9])

    result = search(TRAIN, VAL, make_settings(base=base, trials=4, pruner_trials=2), tmp_path)

    # The median after two validations is 0.5: the third falls short of it, the fourth does not.
    assert [trial.state for trial in result.trials] == ["complete", "complete", "pruned", "complete"]
    assert [trial.pruned_at_step for trial in result.trials] == [None, None, 10, None]
    assert result.trials[2].value == 0.1


def test_trials_are_short_trainings_of_their_own(
    base: FinetuneSettings, tmp_path: Path, play: Callable[..., Script]
) -> None:
    script = play([0.5], [0.6])

    search(TRAIN, VAL, make_settings(base=base, trials=2, epochs=2, evaluations_per_epoch=3), tmp_path)

    assert {(one.epochs, one.evaluations_per_epoch, one.resume) for one in script.seen} == {(2, 3, False)}
    assert {one.weight_decay for one in script.seen} == {base.weight_decay}


def test_later_calls_add_to_earlier_ones(
    base: FinetuneSettings, tmp_path: Path, play: Callable[..., Script]
) -> None:
    script = play([0.5], [0.7], [0.6])
    search(TRAIN, VAL, make_settings(base=base, trials=2), tmp_path)

    more = search(TRAIN, VAL, make_settings(base=base, trials=3), tmp_path)
    again = search(TRAIN, VAL, make_settings(base=base, trials=3), tmp_path)

    assert len(script.seen) == 3
    assert [trial.value for trial in more.trials] == [0.5, 0.7, 0.6]
    assert (again.trials, again.best_value) == (more.trials, 0.7)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The search's clock, in seconds, to be set by hand."""
    clock = SimpleNamespace(perf_counter=lambda: 0.0)
    monkeypatch.setattr(search_module, "time", clock)
    return clock


def test_no_trial_starts_after_the_time(
    base: FinetuneSettings, tmp_path: Path, play: Callable[..., Script], clock: SimpleNamespace
) -> None:
    script = play([0.5], [0.6], [0.7])
    clock.perf_counter = lambda: 40.0 * len(script.seen)
    result = search(TRAIN, VAL, make_settings(base=base, minutes=1), tmp_path)

    assert len(script.seen) == len(result.trials) == 2
    assert result.seconds == 80


def test_the_trial_that_runs_out_of_time_is_given_up_and_repeated(
    base: FinetuneSettings, tmp_path: Path, play: Callable[..., Script], clock: SimpleNamespace
) -> None:
    script = play([0.5], [0.6, 0.6], [0.6, 0.6])

    clock.perf_counter = lambda: 61.0 if len(script.seen) == 2 else 0.0
    first = search(TRAIN, VAL, make_settings(base=base, trials=2, minutes=1), tmp_path)
    clock.perf_counter = lambda: 0.0
    second = search(TRAIN, VAL, make_settings(base=base, trials=2, minutes=1), tmp_path)

    assert [trial.state for trial in first.trials] == ["complete", "failed"]
    assert [trial.state for trial in second.trials] == ["complete", "failed", "complete"]
    assert script.seen[1] == script.seen[2] != script.seen[0]


def test_without_a_result_the_time_is_exceeded(
    base: FinetuneSettings, tmp_path: Path, play: Callable[..., Script], clock: SimpleNamespace
) -> None:
    script = play([0.5])
    clock.perf_counter = lambda: 61.0 * len(script.seen)

    result = search(TRAIN, VAL, make_settings(base=base, minutes=1), tmp_path)

    assert [trial.state for trial in result.trials] == ["complete"]


def test_a_diverged_trial_is_pruned_and_never_the_best(
    base: FinetuneSettings, tmp_path: Path, play: Callable[..., Script]
) -> None:
    play([0.9, math.nan, 0.99], [0.5])

    result = search(TRAIN, VAL, make_settings(base=base, trials=2), tmp_path)

    diverged, good = result.trials
    assert (diverged.state, diverged.value, diverged.pruned_at_step) == ("pruned", 0.9, 10)
    assert (result.best_trial, result.best_value) == (good.number, 0.5)


def test_nothing_but_diverged_trials_is_an_error(
    base: FinetuneSettings, tmp_path: Path, play: Callable[..., Script]
) -> None:
    play([math.nan], [math.nan])

    with pytest.raises(SearchFailed, match="lower the bounds of learning_rate"):
        search(TRAIN, VAL, make_settings(base=base, trials=2), tmp_path)


@pytest.mark.parametrize("before", [[], [[0.5]]])
def test_an_error_ends_the_search_and_the_next_call_tries_again(
    base: FinetuneSettings, tmp_path: Path, play: Callable[..., Script], before: list[list[float]]
) -> None:
    heard: list[TrialRecord] = []
    script = play(*before, RuntimeError("out of memory"), [0.6])
    settings = make_settings(base=base, trials=len(before) + 1)
    with pytest.raises(RuntimeError, match="out of memory"):
        search(TRAIN, VAL, settings, tmp_path, heard.append)
    assert heard[-1].state == "failed"

    result = search(TRAIN, VAL, settings, tmp_path)

    assert [trial.state for trial in result.trials] == ["complete"] * len(before) + ["failed", "complete"]
    assert script.seen[-1] == script.seen[-2]


def test_tables_that_cannot_be_trained_on(base: FinetuneSettings, tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="both labels"):
        search(TRAIN.filter(pl.col("label") == 1), VAL, make_settings(base=base), tmp_path)


def test_one_search_at_a_time_in_a_folder(base: FinetuneSettings, tmp_path: Path) -> None:
    with FileLock(tmp_path / "search.lock"), pytest.raises(SearchFailed, match="Another process"):
        search(TRAIN, VAL, make_settings(base=base), tmp_path)


def test_a_base_for_several_processes_is_refused(base: FinetuneSettings, tmp_path: Path) -> None:
    with pytest.raises(SearchFailed, match="set devices"):
        search(TRAIN, VAL, make_settings(base=base.model_copy(update={"devices": 2})), tmp_path)
