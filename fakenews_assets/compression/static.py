"""Makes a static student: an embedding for each word from the teacher, then trained on labels and the teacher's predictions.

The first embeddings are model2vec's (Tulkens and van Dongen, "Model2Vec: Fast State-of-the-Art Static Embeddings", 2024): a
word goes through the encoder by itself, the outputs are reduced to their principal components, and common words weigh
less (Arora, Liang and Ma, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings", 2017).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from typing_extensions import override

from fakenews_assets.common import progress
from fakenews_assets.common.hardware import bf16_pays, limit_torch_threads
from fakenews_assets.compression.settings import StaticSettings
from fakenews_assets.compression.teacher import score_rows
from fakenews_assets.models.classifier import Article
from fakenews_assets.models.metrics import Metrics
from fakenews_assets.models.predictions import articles_of, with_headlines
from fakenews_assets.models.ragged import Ragged
from fakenews_assets.models.runtimes.static import (
    StaticClassifier,
    StaticWeights,
    Vocabulary,
    bags_of,
    read_words,
)
from fakenews_assets.models.runtimes.torch import TorchClassifier
from fakenews_assets.models.settings import StaticInputs
from fakenews_assets.training.finetuning.result import read_result
from fakenews_resources.engine.in_process import OrderedMap, in_process

_ROWS_AT_ONCE: Final = 1024
_WORDS_AT_ONCE: Final = 1024
_WARMUP: Final = 0.06
_SCALE: Final = 0.1
"""Root mean square of the first embeddings."""


@dataclass(frozen=True)
class StaticResult:
    """What a static student is made of, and how it does on the validation articles with and without their texts."""

    words: int
    pairs: int
    history: list[dict[str, float]]
    """A row for each epoch: `epoch`, `loss` and `macro_f1`."""
    best: dict[str, float]
    """The row whose weights are kept."""


def make_static(
    teacher: Path,
    train: pl.DataFrame,
    val: pl.DataFrame,
    settings: StaticSettings,
    output: Path,
    work: Path,
    over: OrderedMap = in_process,
) -> StaticResult:
    """Distil a fine-tuned teacher into a static student.

    Args:
        teacher: folder that `finetune` wrote.
        train: columns `title`, `text` and `label`, as the teacher was trained on.
        val: the same; decides which weights are kept.
        settings: the recipe.
        output: the student's folder, for `load_classifier`.
        work: keeps the teacher's predictions, for a repeated call.
        over: maps rows to the teacher's predictions.

    Raises:
        ValueError: no word is in enough articles.
    """
    inputs = StaticInputs(inputs=read_result(teacher).settings.inputs, max_words=settings.max_words)
    if inputs.inputs == "title":
        train, val = (rows.with_columns(text=pl.lit("")) for rows in (train, val))
    terms = choose_terms(train, settings)
    scores = score_rows(teacher, train, [], work, with_texts=inputs.inputs != "title", over=over)
    vocabulary = Vocabulary(terms["hash"].to_numpy())
    network = _Network(embed_terms(teacher, terms, settings), settings)
    examples = _Examples.of(train, vocabulary, scores.logits, settings.max_words)
    best, history = None, []
    for epoch, loss in enumerate(_train(network, examples, settings), start=1):
        student = StaticClassifier(inputs, vocabulary, network.weights(), name="static")
        found = {"epoch": epoch, "loss": loss, "macro_f1": _macro_f1(student, val)}
        history.append(found)
        if best is None or found["macro_f1"] > best["macro_f1"]:
            best = found
            student.save(output)
    assert best is not None
    words = terms["word"].count()
    return StaticResult(words, len(terms) - words, history, best)


def choose_terms(train: pl.DataFrame, settings: StaticSettings) -> pl.DataFrame:
    """Words, and pairs of neighbours, of the training articles.

    Returns:
        Columns `hash`, ascending; `word`, null for a pair; `share` of all words and pairs.

    Raises:
        ValueError: none is in enough articles.
    """
    counted = [_count_terms(rows, settings.max_words) for rows in train.iter_slices(_ROWS_AT_ONCE)]
    counts = (
        pl.concat(counted).group_by("hash").agg(pl.col("articles", "times").sum(), pl.col("word").first())
    )
    kept = (
        counts.with_columns(share=pl.col("times") / pl.col("times").sum())
        .filter(pl.col("articles") >= settings.min_articles)
        .sort("articles", "hash", descending=[True, False])
        .head(settings.max_terms)
    )
    if kept.is_empty():
        raise ValueError(f"No word is in {settings.min_articles} training articles. Ingest more articles.")
    return kept.select("hash", "word", "share").sort("hash")


def embed_terms(teacher: Path, terms: pl.DataFrame, settings: StaticSettings) -> NDArray[np.float32]:
    """First embeddings: from the teacher for words, zeros for pairs and for unknown words.

    Returns:
        Shape [1 + terms, dimensions], the dimensions no more than the teacher's or the number of words.
    """
    encoder = TorchClassifier.load(teacher, precision="bf16" if bf16_pays() else "fp32")
    encoder.batch_rows = _WORDS_AT_ONCE
    words = terms["word"].is_not_null().to_numpy()
    progress.report(0, int(words.sum()), "words", "embedding words with the teacher")
    outputs = encoder.embed([Article(word) for word in terms["word"].drop_nulls()])
    components = min(settings.dimensions, *outputs.shape)
    reduced = PCA(components, svd_solver="covariance_eigh").fit_transform(outputs.astype(np.float64))
    reduced *= (settings.sif / (settings.sif + terms["share"].to_numpy()[words]))[:, None]
    table = np.zeros((1 + len(terms), components), dtype=np.float32)
    table[1:][words] = reduced * (_SCALE / max(float(np.sqrt((reduced**2).mean())), 1e-12))
    return table


def _count_terms(rows: pl.DataFrame, max_words: int) -> pl.DataFrame:
    """How often a term occurs in some articles, and in how many of them."""
    fields = [field for one in articles_of(rows) for field in (one.title, one.text)]
    words, _ = read_words(fields, max_words)
    tables = []
    for terms in (words, words.pairs()):
        found = pl.DataFrame(
            {
                "hash": terms.hashes,
                "article": np.repeat(np.arange(len(fields)) // 2, terms.counts),
                "begin": terms.begins,
                "end": terms.ends,
            }
        )
        counts = found.group_by("hash").agg(
            articles=pl.col("article").n_unique(),
            times=pl.len(),
            begin=pl.col("begin").first(),
            end=pl.col("end").first(),
        )
        named = (
            [words.joined[begin:end] for begin, end in counts.select("begin", "end").iter_rows()]
            if terms is words
            else [None] * len(counts)
        )
        tables.append(counts.select("hash", "articles", "times", word=pl.Series(named, dtype=pl.String)))
    return pl.concat(tables)


@dataclass(frozen=True)
class _Field:
    terms: Ragged
    words: NDArray[np.int64]

    @classmethod
    def of(cls, texts: list[str], vocabulary: Vocabulary, max_words: int) -> "_Field":
        parts = [
            bags_of(texts[begin : begin + _ROWS_AT_ONCE], vocabulary, max_words)
            for begin in range(0, len(texts), _ROWS_AT_ONCE)
        ]
        values, lengths, words = (
            np.concatenate(arrays)
            for arrays in zip(
                *((one.terms.values, one.terms.lengths, one.words) for one in parts), strict=True
            )
        )
        return cls(Ragged.from_flat(values, lengths), words)


@dataclass(frozen=True)
class _Examples:
    """Training articles; the first axis of `teacher` is 0 for the title alone, 1 for the title with its text."""

    titles: _Field
    texts: _Field
    labels: Tensor
    """float32 [rows]."""
    teacher: Tensor
    """Log odds, float32 [2, rows]."""

    @classmethod
    def of(cls, train: pl.DataFrame, vocabulary: Vocabulary, logits: Tensor, max_words: int) -> "_Examples":
        titles, texts = (
            _Field.of(train[name].to_list(), vocabulary, max_words) for name in ("title", "text")
        )
        labels = torch.from_numpy(train["label"].to_numpy().astype(np.float32))
        return cls(titles, texts, labels, logits[..., 1] - logits[..., 0])

    def batch(self, rows: NDArray[np.int64], shown: NDArray[np.bool_]) -> tuple[Tensor, Tensor, Tensor]:
        """Terms, where each bag begins, and its number of words; the bags are all titles, then all texts."""
        hidden = np.where(shown, self.texts.terms.lengths[rows], 0)
        texts = Ragged(self.texts.terms.values, hidden, self.texts.terms.starts[rows])
        parts = self.titles.terms.take(rows), texts.take(np.arange(len(rows)))
        terms, lengths = (
            np.concatenate([getattr(one, name) for one in parts]) for name in ("values", "lengths")
        )
        words = np.concatenate([self.titles.words[rows], np.where(shown, self.texts.words[rows], 0)])
        return (
            torch.from_numpy(terms.astype(np.int64)),
            torch.from_numpy(np.cumsum(lengths) - lengths),
            torch.from_numpy(np.maximum(words, 1).astype(np.float32)),
        )


class _Network(nn.Module):
    def __init__(self, table: NDArray[np.float32], settings: StaticSettings) -> None:
        super().__init__()
        # A batch changes few rows: sparse gradients cost as many.
        self.terms = nn.EmbeddingBag.from_pretrained(
            torch.from_numpy(table), freeze=False, mode="sum", sparse=True
        )
        with torch.random.fork_rng():
            torch.manual_seed(settings.seed)
            self.hidden = nn.Linear(2 * table.shape[1], settings.hidden)
            self.output = nn.Linear(settings.hidden, 1)

    @override
    def forward(self, terms: Tensor, begins: Tensor, words: Tensor) -> Tensor:
        """Log odds, float32 [rows], of bags as `_Examples.batch` gives them."""
        titles, texts = (self.terms(terms, begins) / words[:, None]).chunk(2)
        return self.output(self.hidden(torch.cat([titles, texts], dim=1)).relu())[:, 0]

    def weights(self) -> StaticWeights:
        tensors = (
            self.terms.weight,
            self.hidden.weight.T,
            self.hidden.bias,
            self.output.weight[0],
            self.output.bias,
        )
        return StaticWeights(*(one.detach().numpy() for one in tensors))


def _train(network: _Network, examples: _Examples, settings: StaticSettings) -> Iterator[float]:
    """Train for an epoch at a time; each gives the mean loss of its batches."""
    limit_torch_threads()
    generator, rows = np.random.default_rng(settings.seed), len(examples.labels)
    has_text = examples.texts.words > 0
    head = [*network.hidden.parameters(), *network.output.parameters()]
    optimizers = (torch.optim.SparseAdam(network.terms.parameters()), torch.optim.Adam(head))
    batches = -(-rows // settings.batch_size)
    progress.report(0, settings.epochs * rows, "articles", "training")
    for epoch in range(settings.epochs):
        order = generator.permutation(rows)
        shown = has_text & (generator.random(rows) >= settings.drop_text)
        total = 0.0
        for number, chosen in enumerate(np.array_split(order, batches)):
            done = (epoch * batches + number + 1) / (settings.epochs * batches)
            for group in (group for one in optimizers for group in one.param_groups):
                group["lr"] = settings.learning_rate * min(done / _WARMUP, (1 - done) / (1 - _WARMUP))
            odds = network(*examples.batch(chosen, shown[chosen]))
            seen, places = torch.from_numpy(shown[chosen]).long(), torch.from_numpy(chosen)
            loss = _loss(odds, examples.labels[places], examples.teacher[seen, places], settings)
            loss.backward()
            for one in optimizers:
                one.step()
                one.zero_grad()
            total += loss.item()
            progress.advance(len(chosen))
        yield total / batches


def _loss(odds: Tensor, labels: Tensor, teacher: Tensor, settings: StaticSettings) -> Tensor:
    """The first two terms of `Distillation`, from log odds; the second up to the teacher's own entropy."""
    temperature = settings.temperature
    soft = (teacher / temperature).sigmoid()
    share = settings.label_weight
    return share * binary_cross_entropy_with_logits(odds, labels) + (
        1 - share
    ) * temperature**2 * binary_cross_entropy_with_logits(odds / temperature, soft)


def _macro_f1(student: StaticClassifier, val: pl.DataFrame) -> float:
    rows = with_headlines(val)
    found = Metrics.of(rows["label"].to_numpy(), student.predict(articles_of(rows)).probability).macro_f1
    return found or 0.0
