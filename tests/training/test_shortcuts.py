"""Balanced drawing, group DRO and hidden names."""

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor
from transformers.modeling_outputs import SequenceClassifierOutput

from fakenews_assets.models.classifier import Article
from fakenews_assets.models.settings import EncoderSpec, EncodingSettings
from fakenews_assets.models.tokenization import ArticleEncoder
from fakenews_assets.models.tokenizer_files import load_tokenizer
from fakenews_assets.models.torch import TorchClassifier
from fakenews_assets.training.batches import TrainingBatches, TrainingRows
from fakenews_assets.training.finetuning import finetune
from fakenews_assets.training.settings import FinetuneSettings, Sources
from fakenews_assets.training.shortcuts import GroupDro, balanced_rows, source_groups, tells_sources_apart
from tests.support.models import separable_articles

NO_OUTPUT = SequenceClassifierOutput()


def test_groups_are_pairs_of_source_and_label() -> None:
    train = pl.DataFrame({"source": ["a", "a", "b", None, "b", None], "label": [0, 1, 0, 1, 0, 1]})
    groups = source_groups(train)
    assert len(set(groups.tolist())) == 4
    assert groups[2] == groups[4]
    assert groups[3] == groups[5]
    assert sorted(set(groups.tolist())) == [0, 1, 2, 3]


def test_without_sources_the_labels_are_the_groups() -> None:
    assert source_groups(pl.DataFrame({"label": [1, 0, 1]})).tolist() == [1, 0, 1]


def test_balancing_needs_two_sources() -> None:
    assert tells_sources_apart(pl.DataFrame({"source": ["a", None], "label": [0, 1]}))
    assert not tells_sources_apart(pl.DataFrame({"source": ["a", "a"], "label": [0, 1]}))
    assert not tells_sources_apart(pl.DataFrame({"source": [None, None], "label": [0, 1]}))
    assert not tells_sources_apart(pl.DataFrame({"label": [0, 1]}))


def test_every_group_is_drawn_equally_often_and_its_rows_too() -> None:
    groups = np.repeat([0, 1, 2], [96, 17, 7])
    drawn = balanced_rows(groups, np.random.default_rng(0))
    assert len(drawn) == len(groups)
    assert Counter(groups[drawn].tolist()) == {0: 40, 1: 40, 2: 40}
    times = np.bincount(drawn, minlength=len(groups))
    for group in range(3):
        of_group = times[groups == group]
        assert of_group.max() - of_group.min() <= 1
    assert set(drawn) != set(balanced_rows(groups, np.random.default_rng(1)))


def test_a_tiny_group_is_not_learnt_by_heart() -> None:
    groups = np.repeat([0, 1, 2, 3], [2, 600, 300, 100])
    drawn = balanced_rows(groups, np.random.default_rng(0))
    assert Counter(groups[drawn].tolist()) == {0: 20, 1: 328, 2: 327, 3: 327}
    assert np.bincount(drawn)[:2].tolist() == [10, 10]


def losses_of(objective: GroupDro, losses: Tensor, rows: list[int]) -> Tensor:
    return objective(losses, NO_OUTPUT, {"rows": torch.tensor(rows)})


def test_group_dro_starts_at_the_mean_over_groups_and_moves_to_the_worst() -> None:
    objective = GroupDro(np.array([0, 0, 0, 1]))
    losses = torch.tensor([1.0, 1.0, 1.0, 3.0], requires_grad=True)
    first = losses_of(objective, losses, [0, 1, 2, 3])
    # Two groups with equal weights: (1 + 3) / 2 times four rows.
    assert first.sum().item() == pytest.approx(4 * 2, rel=0.02)
    last = first
    for _ in range(200):
        last = losses_of(objective, losses, [0, 1, 2, 3])
    assert last.sum().item() == pytest.approx(4 * 3, rel=0.05)
    last.sum().backward()
    assert losses.grad is not None
    assert losses.grad[3] > 10 * losses.grad[0]
    assert objective.get_buffer("weights").sum().item() == pytest.approx(1)


def test_group_dro_follows_the_algorithm_of_its_source_by_hand() -> None:
    objective = GroupDro(np.array([0, 1]))
    answer = losses_of(objective, torch.tensor([0.5, 2.0]), [0, 1])
    weights = np.array([0.5, 0.5]) * np.exp(0.01 * np.array([0.5, 2.0]))
    weights /= weights.sum()
    np.testing.assert_allclose(answer.numpy(), 2 * weights * [0.5, 2.0], rtol=1e-6)


def test_names_are_hidden_in_the_share_asked_for_and_anew_in_each_epoch(tiny_bert: Path) -> None:
    settings = FinetuneSettings(batch_size=16, mask_names=0.4)
    encoder = ArticleEncoder(load_tokenizer(tiny_bert), EncodingSettings(max_tokens=64))
    shown = encoder.encode([Article("a b c")] * 300)
    hidden = encoder.encode([Article("c")] * 300)
    rows = TrainingRows(shown, np.arange(300) % 2, hidden)

    def hidden_in(epoch: int) -> set[int]:
        batches = TrainingBatches(rows, encoder, settings, steps_done=lambda: epoch * len(batches))
        short = encoder.lengths(hidden)[0]
        found = set()
        for batch in batches:
            lengths = batch["attention_mask"].sum(dim=1)
            found |= set(batch["rows"][lengths == short].tolist())
        return found

    assert len(hidden_in(0)) / 300 == pytest.approx(0.4, abs=0.1)
    assert hidden_in(0) != hidden_in(1)
    assert hidden_in(1) == hidden_in(1)


def with_a_source_that_gives_the_label_away(rows: int) -> pl.DataFrame:
    """Nine of ten rows come from `big`, where the word `sign` stands in the fakes only; in `small` it means nothing."""
    table = separable_articles(rows)
    pair = pl.int_range(rows) // 2  # of a real and a fake
    small = pair % 10 == 0
    sign = pl.when(small).then(pair % 20 == 0).otherwise(pl.col("label") == 1)
    return table.with_columns(
        source=pl.when(small).then(pl.lit("small")).otherwise(pl.lit("big")),
        title=pl.when(sign).then("Sign " + pl.col("title")).otherwise("title"),
    )


@pytest.mark.parametrize("sources", ["balanced", "group_dro"])
def test_trainings_that_tell_sources_apart_learn_save_and_repeat(
    tiny_bert: Path, tmp_path: Path, sources: Sources
) -> None:
    train = with_a_source_that_gives_the_label_away(160)
    settings = FinetuneSettings(
        encoder=EncoderSpec(name=str(tiny_bert), max_tokens=64),
        max_tokens=64,
        epochs=8,
        batch_size=16,
        learning_rate=5e-3,
        sources=sources,
        mask_names=0.5,
    )
    results = [finetune(train, train, settings, tmp_path / name, tmp_path / f"{name}-work") for name in "ab"]
    assert results[0].best.macro_f1 > 0.9
    titles = [Article(title) for title in train["title"]]
    first, second = (TorchClassifier.load(tmp_path / name, name=name).predict(titles) for name in "ab")
    np.testing.assert_array_equal(first.probability, second.probability)
