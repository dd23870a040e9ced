"""The case of tokens, which an uncased encoder reads beside their ids."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.normalizers import BertNormalizer

from fakenews_assets.models.casing import CASES, SEGMENTS, add_cases, cases_of
from fakenews_assets.models.classifier import Article
from fakenews_assets.models.encoders import load_encoder, with_cases
from fakenews_assets.models.runtimes.loading import load_classifier
from fakenews_assets.models.settings import EncoderSpec, EncodingSettings
from fakenews_assets.models.tokenization import ArticleEncoder, load_tokenizer
from fakenews_assets.training.finetuning.finetuning import finetune
from fakenews_assets.training.settings import FinetuneSettings
from tests.support.models import build_tiny_relative, separable_articles

ARTICLES = [
    Article("SHOCKING hoax: the Senate"),
    Article("Budget", "a NEW report of the City"),
    Article("news " * 40, "Talks"),
    Article("", ""),
]


def encoder_of(folder: Path, *, read_case: bool) -> ArticleEncoder:
    return ArticleEncoder(load_tokenizer(folder), EncodingSettings(max_tokens=24, read_case=read_case))


@pytest.mark.parametrize(
    ("text", "cases"),
    [
        ("the news", [0, 0]),
        ("The NEWS today", [1, 2, 0]),
        ("A Éa ǅ", [1, 1, 0, 0]),
        ("10% !", [0, 0, 0, 0]),
        ("𝐀 the", [0, 0]),
        ("", []),
    ],
)
def test_case_of_each_token(tiny_bert: Path, text: str, cases: list[int]) -> None:
    tokenizer = Tokenizer.from_file(str(tiny_bert / "tokenizer.json"))
    assert cases_of(text, tokenizer.encode(text, add_special_tokens=False).offsets).tolist() == cases


def test_the_ids_are_those_without_case_and_the_segments_stay(tiny_bert: Path) -> None:
    plain, cased = (encoder_of(tiny_bert, read_case=read) for read in (False, True))
    rows = np.arange(len(ARTICLES))

    without, batch = (one.batch(one.encode(ARTICLES), rows) for one in (plain, cased))

    for name in ("input_ids", "attention_mask"):
        assert np.array_equal(without[name], batch[name])
    assert np.array_equal(without["token_type_ids"], batch["token_type_ids"] % SEGMENTS)
    cases = batch["token_type_ids"] // SEGMENTS
    assert cases[0, 1] == 2
    assert set(cases[1].tolist()) == {0, 1, 2}
    assert not cases[2].any()


@pytest.mark.parametrize("read_case", [True, False])
def test_what_is_cut_is_cut_alike(tiny_bert: Path, read_case: bool) -> None:
    encoder = encoder_of(tiny_bert, read_case=read_case)
    assert encoder.truncated(encoder.encode(ARTICLES)).tolist() == [False, False, True, False]


def test_new_segments_change_no_answer(tiny_bert: Path) -> None:
    model = load_encoder(tiny_bert)
    encoder = encoder_of(tiny_bert, read_case=True)
    inputs = encoder.batch(encoder.encode(ARTICLES), np.arange(len(ARTICLES)))
    told = {name: torch.from_numpy(values) for name, values in inputs.items()}
    untold = told | {"token_type_ids": told["token_type_ids"] % SEGMENTS}
    with torch.inference_mode():
        before = model(**untold).logits
        add_cases(model)
        after = model(**told).logits
    assert torch.equal(before, after)
    add_cases(model)
    assert model.config.type_vocab_size == SEGMENTS * CASES


def test_an_encoder_learns_from_case_alone_and_keeps_it(tiny_bert: Path, tmp_path: Path) -> None:
    """The same words are real in small letters and fake in capitals."""
    train, val = (separable_articles(rows, by_case=True) for rows in (256, 64))
    settings = FinetuneSettings(
        encoder=EncoderSpec(name=str(tiny_bert), max_tokens=64),
        max_tokens=32,
        batch_size=16,
        learning_rate=5e-3,
        epochs=4,
        precision="fp32",
        accelerator="cpu",
    )
    told = finetune(train, val, settings, tmp_path / "told", tmp_path / "work")
    untold = finetune(
        train, val, settings.model_copy(update={"read_case": False}), tmp_path / "untold", tmp_path / "work"
    )

    assert told.best.macro_f1 > 0.95
    assert untold.best.macro_f1 < 0.7
    loaded = load_classifier(tmp_path / "told")
    small, capital = loaded.predict([Article("the budget talks"), Article("THE BUDGET TALKS")]).probability
    assert small < 0.5 < capital


def test_an_encoder_without_segments_reads_no_case(tiny_bert: Path, tmp_path: Path) -> None:
    model = load_encoder(build_tiny_relative(tmp_path, "distilbert"))
    encoder = with_cases(model, encoder_of(tiny_bert, read_case=True))
    assert not encoder.settings.read_case
    assert not encoder.batch(encoder.encode(ARTICLES[:1]), np.arange(1))["token_type_ids"].any()


def test_a_tokenizer_that_knows_case_tells_none_beside(tiny_bert: Path) -> None:
    tokenizer = load_tokenizer(tiny_bert)
    tokenizer.backend_tokenizer.normalizer = BertNormalizer(lowercase=False)
    assert not ArticleEncoder(tokenizer, EncodingSettings(read_case=True)).reads_case
