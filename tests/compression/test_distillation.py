"""Students learn from the teacher, not from the labels alone; pruned models recover."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from transformers.modeling_outputs import SequenceClassifierOutput

from fakenews_assets.compression import settings
from fakenews_assets.compression.distillation import Distillation, distill
from fakenews_assets.compression.settings import (
    PRUNED,
    DistillationSettings,
    PruningSettings,
    RecoverySettings,
)
from fakenews_assets.compression.teacher import TeacherScores, score_rows
from fakenews_assets.models.encoders import EncoderUnavailable
from fakenews_assets.models.predictions import articles_of
from fakenews_assets.models.runtimes.loading import load_classifier
from fakenews_assets.models.runtimes.torch import TorchClassifier
from fakenews_assets.models.structure import CannotCut
from tests.support.models import build_tiny_bert

QUICK = {"learning_rate": 3e-3, "epochs": 3}


def scores(rows: int, layers: int = 1, width: int = 4) -> TeacherScores:
    generator = torch.Generator().manual_seed(0)
    return TeacherScores(
        logits=torch.randn(2, rows, 2, generator=generator),
        states=torch.randn(2, rows, layers, width, generator=generator).half(),
        digest="",
    )


def losses(
    teacher: TeacherScores, logits: torch.Tensor, states: torch.Tensor, **changes: float
) -> torch.Tensor:
    objective = Distillation(teacher, [0], RecoverySettings.model_validate(changes), width=states.shape[-1])
    rows = len(logits)
    output = SequenceClassifierOutput(
        logits=logits,  # pyright: ignore[reportArgumentType]
        hidden_states=(states[:, None], states[:, None]),  # pyright: ignore[reportArgumentType]
    )
    batch = {"rows": torch.arange(rows), "shown": torch.zeros(rows, dtype=torch.bool)}
    return objective(torch.full((rows,), 7.0), output, batch)


def test_a_perfect_copy_pays_for_the_labels_only() -> None:
    teacher = scores(5)
    found = losses(teacher, teacher.logits[0], teacher.states[0, :, 0].float(), label_weight=0.25)
    torch.testing.assert_close(found, torch.full((5,), 0.25 * 7.0), atol=1e-3, rtol=0)


def test_each_term_of_the_loss() -> None:
    teacher = scores(5)
    logits, states = torch.zeros(5, 2), -teacher.states[0, :, 0].float()
    found = losses(teacher, logits, states, label_weight=0, hidden_weight=0.5, temperature=2)
    soft = (teacher.logits[0] / 2).softmax(-1)
    divergence = (soft * (soft / 0.5).log()).sum(-1)
    torch.testing.assert_close(found, 4 * divergence + 0.5 * 2, atol=1e-3, rtol=0)  # cosine -1


def test_texts_shown_and_hidden_have_outputs_of_their_own() -> None:
    teacher = scores(5)
    objective = Distillation(teacher, [0], RecoverySettings(), width=4)
    output = SequenceClassifierOutput(
        logits=torch.zeros(1, 2),  # pyright: ignore[reportArgumentType]
        hidden_states=(torch.ones(1, 1, 4),) * 2,  # pyright: ignore[reportArgumentType]
    )
    hidden, shown = (
        objective(torch.zeros(1), output, {"rows": torch.tensor([3]), "shown": torch.tensor([seen])})
        for seen in (False, True)
    )
    assert not torch.allclose(hidden, shown)


def test_another_width_gets_a_projection() -> None:
    objective = Distillation(scores(2, width=4), [0], RecoverySettings(), width=6)
    assert [tuple(weight.shape) for weight in objective.parameters()] == [(4, 6)]


def test_the_teacher_is_asked_once(
    teacher: Path, train: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = score_rows(teacher, train, [0, 1], tmp_path, with_texts=True)
    monkeypatch.setattr("fakenews_assets.compression.teacher._score", None)
    again = score_rows(teacher, train, [0, 1], tmp_path, with_texts=True)

    torch.testing.assert_close(first.logits, again.logits)
    assert first.logits.shape == (2, len(train), 2)
    assert first.states.shape == (2, len(train), 2, 32)
    expected = TorchClassifier.load(teacher).predict(articles_of(train)).probability
    np.testing.assert_allclose(first.logits[1].softmax(-1)[:, 1].numpy(), expected, atol=0.05)
    assert not torch.equal(first.states[0], first.states[1])
    with pytest.raises(TypeError):  # other layers: not stored, so the removed function is called
        score_rows(teacher, train, [0], tmp_path, with_texts=True)


@pytest.mark.parametrize(
    ("student", "recipe", "layers", "heads"),
    [
        ("distilled-1l", DistillationSettings.model_validate(QUICK), 1, None),
        ("distilled-2l", DistillationSettings.model_validate({**QUICK, "keep_ffn": 0.5}), 2, None),
        (PRUNED, PruningSettings.model_validate(QUICK), 2, 1),
    ],
)
def test_smaller_models_learn_what_the_teacher_knows(
    teacher: Path,
    train: pl.DataFrame,
    val: pl.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    student: str,
    recipe: PruningSettings,
    layers: int,
    heads: int | None,
) -> None:
    monkeypatch.setitem(settings.LAYERS_OF_STUDENT, "distilled-1l", 1)

    result = distill(student, teacher, train, val, recipe, tmp_path / "student", tmp_path / "work")

    small, large = TorchClassifier.load(tmp_path / "student"), TorchClassifier.load(teacher)
    assert small.model.config.num_hidden_layers == layers
    assert getattr(small.model.config, "kept_heads", None) == heads
    assert small.model.num_parameters() < large.model.num_parameters()
    answers = [classifier.predict(articles_of(val)).predicted_label for classifier in (small, large)]
    assert (answers[0] == answers[1]).mean() > 0.95
    assert result.best.accuracy > 0.95
    assert result.settings.inputs == "title_and_text"


def test_a_student_with_its_own_weights(
    teacher: Path, train: pl.DataFrame, val: pl.DataFrame, tmp_path: Path
) -> None:
    own = build_tiny_bert(tmp_path / "own", seed=5)
    recipe = DistillationSettings(epochs=1)
    distill(str(own), teacher, train, val, recipe, tmp_path / "student", tmp_path / "work")
    assert len(load_classifier(tmp_path / "student").predict(articles_of(val))) == len(val)


def test_what_cannot_be_had_or_cut_says_so(
    teacher: Path, train: pl.DataFrame, val: pl.DataFrame, tmp_path: Path
) -> None:
    for student, error in (("distilbert", EncoderUnavailable), ("distilled-3l", CannotCut)):
        with pytest.raises(error):
            distill(
                student, teacher, train, val, DistillationSettings(), tmp_path / "student", tmp_path / "work"
            )
    assert not (tmp_path / "student").exists()
