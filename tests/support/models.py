"""Tiny real models: two layers, hidden 32, a vocabulary of letters and a few words.

Small enough to train in a test, real enough that every runtime accepts them.
"""

import random
import string
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import polars as pl
import torch
from transformers import (
    AlbertConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    BertModel,
    BertTokenizer,
    DistilBertConfig,
    PreTrainedConfig,
    PreTrainedModel,
)

from fakenews_assets.models.casing import CASES, SEGMENTS, add_cases
from fakenews_assets.models.encoders import load_encoder, quiet_transformers
from fakenews_assets.models.settings import EncodingSettings, Inputs
from fakenews_assets.models.structure import keep_heads
from fakenews_assets.models.tokenization import ArticleEncoder, load_tokenizer

REAL_WORDS = ("senate", "minister", "court", "budget", "talks", "bank")
FAKE_WORDS = ("shocking", "exposed", "secret", "hoax", "busted", "miracle")
COMMON_WORDS = ("the", "a", "of", "on", "in", "new", "says", "report", "city", "people", "news", "today")

Relative = Literal["distilbert", "albert", "narrow"]

_CHARACTERS = string.ascii_lowercase + string.digits + ".,:;!?'\"()-"
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def build_tiny_bert(
    folder: Path, *, max_tokens: int = 64, seed: int = 0, initializer_range: float = 0.02
) -> Path:
    """Save an untrained BERT encoder (about 24,000 parameters) with its tokenizer, as a hub model would lie there.

    Args:
        folder: made if missing.
        max_tokens: number of positions.
        seed: decides the weights.
        initializer_range: standard deviation of the weights.

    Returns:
        The folder, usable as `EncoderSpec(name=str(folder), max_tokens=max_tokens)`.
    """
    pieces = [*_SPECIAL, *_CHARACTERS, *(f"##{character}" for character in _CHARACTERS)]
    pieces += [*REAL_WORDS, *FAKE_WORDS, *(word for word in COMMON_WORDS if len(word) > 1)]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = BertTokenizer(vocab=vocabulary, model_max_length=max_tokens)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=max_tokens,
        initializer_range=initializer_range,
    )
    with torch.random.fork_rng(), quiet_transformers():
        torch.manual_seed(seed)
        BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def build_tiny_classifier(
    folder: Path, *, inputs: Inputs = "title_and_text", max_tokens: int = 64, seed: int = 0
) -> Path:
    """Save an untrained classifier as `finetune` saves a trained one: weights, tokenizer, encoding.json.

    Returns:
        The folder, for `load_classifier`.
    """
    with TemporaryDirectory() as base, quiet_transformers():
        # BERT's own small weights answer 0.5 to everything; these spread out.
        build_tiny_bert(Path(base), max_tokens=max_tokens, seed=seed, initializer_range=0.5)
        model = load_encoder(Path(base), seed=seed)
        add_cases(model)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model.get_parameter("bert.embeddings.token_type_embeddings.weight").data.normal_()
        model.save_pretrained(folder)
        settings = EncodingSettings(inputs=inputs, max_tokens=max_tokens, read_case=True)
        ArticleEncoder(load_tokenizer(Path(base)), settings).save(folder)
    return folder


def build_tiny_relative(folder: Path, kind: Relative) -> Path:
    """Save an untrained classifier of another architecture, or a BERT that has lost one of its two heads."""
    encoder = ArticleEncoder.load(build_tiny_classifier(folder))
    sizes = {"vocab_size": len(encoder.tokenizer), "max_position_embeddings": 64, "initializer_range": 0.5}
    if kind == "narrow":
        model = load_encoder(folder)
        keep_heads(model, [torch.tensor([1])] * 2)
    elif kind == "distilbert":
        encoder.tokenizer.model_input_names = ["input_ids", "attention_mask"]  # it knows no segments
        encoder.save(folder)
        model = _untrained(DistilBertConfig(dim=32, hidden_dim=64, n_layers=2, n_heads=2, **sizes))
    else:
        sizes |= {"type_vocab_size": SEGMENTS * CASES}
        sizes |= {"embedding_size": 16, "hidden_size": 32, "intermediate_size": 64}
        model = _untrained(AlbertConfig(num_hidden_layers=2, num_attention_heads=2, **sizes))
    with quiet_transformers():
        model.save_pretrained(folder)
    return folder


def _untrained(config: PreTrainedConfig) -> PreTrainedModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoModelForSequenceClassification.from_config(config)


def separable_articles(
    rows: int, *, seed: int = 0, with_text: bool = False, by_case: bool = False
) -> pl.DataFrame:
    """Make labelled articles that a single word gives away, of 3 to 12 words; or capitals, which make a fake.

    Returns:
        Columns `title`, `text` (empty unless `with_text`) and `label`.
    """
    rng = random.Random(seed)
    records = []
    for row in range(rows):
        label = row % 2
        words = [
            *rng.choices(COMMON_WORDS, k=rng.randint(2, 11)),
            rng.choice(REAL_WORDS if by_case else (REAL_WORDS, FAKE_WORDS)[label]),
        ]
        rng.shuffle(words)
        text = " ".join(rng.choices(COMMON_WORDS, k=rng.randint(5, 30))) if with_text else ""
        title = " ".join(words)
        if by_case and label:
            title = title.upper()
        records.append({"title": title, "text": text, "label": label})
    return pl.DataFrame(records, schema={"title": pl.String, "text": pl.String, "label": pl.Int8})
