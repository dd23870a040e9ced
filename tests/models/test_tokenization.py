"""From articles to token ids."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from transformers import AutoTokenizer

from fakenews_assets.models.classifier import Article
from fakenews_assets.models.settings import EncodingSettings, Inputs
from fakenews_assets.models.tokenization import ArticleEncoder, load_tokenizer
from fakenews_assets.training.finetuning import token_cache
from fakenews_assets.training.finetuning.batches import TrainingBatches
from fakenews_assets.training.finetuning.token_cache import cache_key, tokenize_table
from fakenews_assets.training.settings import FinetuneSettings
from tests.support.models import separable_articles

ARTICLES = [
    Article("senate talks", "the budget says nothing new"),
    Article("hoax", ""),
    Article("the miracle of the bank today", "people " * 100),
    Article("report " * 100, "city"),
    Article("", "news"),
    Article("", ""),
]


def make_encoder(
    folder: Path, inputs: Inputs = "title_and_text", max_tokens: int = 24, *, read_case: bool = False
) -> ArticleEncoder:
    settings = EncodingSettings(inputs=inputs, max_tokens=max_tokens, read_case=read_case)
    return ArticleEncoder(load_tokenizer(folder), settings)


def frame_of(articles: list[Article]) -> pl.DataFrame:
    return pl.DataFrame([{"title": article.title, "text": article.text} for article in articles])


def rows_of(encoder: ArticleEncoder, articles: list[Article]) -> list[list[int]]:
    batch = encoder.batch(encoder.encode(articles), np.arange(len(articles)))
    return [
        ids[mask == 1].tolist() for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
    ]


@pytest.mark.parametrize("inputs", ["title", "title_and_text"])
def test_equals_the_tokenizer_where_nothing_is_cut(tiny_bert: Path, inputs: Inputs) -> None:
    encoder = make_encoder(tiny_bert, inputs, max_tokens=64)
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    articles = [
        Article("senate talks: hoax!", "the budget"),
        Article("news", "people, city"),
        Article("bank"),
    ]

    batch = encoder.batch(encoder.encode(articles), np.arange(3))

    for row, article in enumerate(articles):
        pair = (
            [article.title, article.text] if inputs == "title_and_text" and article.text else [article.title]
        )
        expected = tokenizer(*pair)
        length = len(expected["input_ids"])
        for name in ("input_ids", "token_type_ids", "attention_mask"):
            assert batch[name][row, :length].tolist() == expected[name]
            assert not batch[name][row, length:].any()


def test_equals_the_tokenizer_cutting_only_the_text(tiny_bert: Path) -> None:
    encoder = make_encoder(tiny_bert)
    article = ARTICLES[2]
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    expected = tokenizer(article.title, article.text, truncation="only_second", max_length=24)

    assert rows_of(encoder, [article]) == [expected["input_ids"]]


@pytest.mark.parametrize("word", ["budget", "a", "b" * 500, "news,talks!", "été—über", ""])
def test_the_beginning_of_a_long_text_has_the_tokens_of_the_whole(tiny_bert: Path, word: str) -> None:
    encoder = make_encoder(tiny_bert, max_tokens=24)
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    text = " ".join([word, "says"] * 200)

    expected = tokenizer.encode(text, add_special_tokens=False)[:24]

    table = encoder.encode([Article("senate", text)])
    assert table.texts.values.tolist() == expected


@pytest.mark.parametrize(("text", "most"), [("people " * 10_000, 300), ("!?" * 50_000, 1_200)])
def test_only_the_beginning_of_a_long_text_is_tokenised(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch, text: str, most: int
) -> None:
    encoder = make_encoder(tiny_bert, max_tokens=24)
    seen: list[int] = []
    encoded = encoder._encoded  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(encoder, "_encoded", lambda values: seen.extend(map(len, values)) or encoded(values))
    encoder.encode([Article("", text)])
    assert sum(seen) < most


def test_title_only_ignores_the_text(tiny_bert: Path) -> None:
    encoder = make_encoder(tiny_bert, "title")
    without = [Article(article.title) for article in ARTICLES]

    assert rows_of(encoder, ARTICLES) == rows_of(encoder, without)


def test_lengths_are_those_of_the_batch_and_fit(tiny_bert: Path) -> None:
    encoder = make_encoder(tiny_bert)
    table = encoder.encode(ARTICLES)

    lengths = encoder.lengths(table)

    assert lengths.tolist() == [len(row) for row in rows_of(encoder, ARTICLES)]
    assert lengths.max() == 24
    # A title that fills the input leaves no room for its text, nor for a second separator.
    separators = [row.count(int(encoder.layout.suffix[0])) for row in rows_of(encoder, ARTICLES)]
    assert separators == [2, 1, 2, 1, 2, 1]


def test_a_hidden_text_leaves_a_title(tiny_bert: Path) -> None:
    encoder = make_encoder(tiny_bert)
    table = encoder.encode(ARTICLES)
    hidden = np.zeros(len(ARTICLES), dtype=np.bool_)

    batch = encoder.batch(table, np.arange(len(ARTICLES)), hidden)

    assert batch["attention_mask"].sum(axis=1).tolist() == encoder.lengths(table, hidden).tolist()
    titles = rows_of(make_encoder(tiny_bert, "title"), ARTICLES)
    assert [
        ids[: len(title)].tolist() for ids, title in zip(batch["input_ids"], titles, strict=True)
    ] == titles
    assert not batch["token_type_ids"].any()


@pytest.mark.parametrize(("padded", "cut"), [(20, None), (None, 4), (20, 4)])
def test_a_tokenizer_file_that_pads_or_cuts(
    tiny_bert: Path, tmp_path: Path, padded: int | None, cut: int | None
) -> None:
    tokenizer = load_tokenizer(tiny_bert)
    if padded:
        tokenizer.backend_tokenizer.enable_padding(length=padded)
    if cut:
        tokenizer.backend_tokenizer.enable_truncation(cut)
    tokenizer.save_pretrained(tmp_path)
    file = json.loads((tmp_path / "tokenizer.json").read_text())
    assert (bool(file["padding"]), bool(file["truncation"])) == (bool(padded), bool(cut))

    plain, changed = make_encoder(tiny_bert), make_encoder(tmp_path)

    for name, value in asdict(plain.layout).items():
        np.testing.assert_array_equal(getattr(changed.layout, name), value, err_msg=name)
    rows = np.arange(len(ARTICLES))
    expected = plain.batch(plain.encode(ARTICLES), rows)
    batch = changed.batch(changed.encode(ARTICLES), rows)
    assert batch.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(batch[name], values, err_msg=name)


def test_saved_encoder_lays_out_the_same(tiny_bert: Path, tmp_path: Path) -> None:
    encoder = make_encoder(tiny_bert)
    encoder.save(tmp_path)
    loaded = ArticleEncoder.load(tmp_path)

    assert loaded.settings == encoder.settings
    assert rows_of(loaded, ARTICLES) == rows_of(encoder, ARTICLES)


def test_without_transformers_it_encodes_the_same(tiny_bert: Path, tmp_path: Path) -> None:
    encoder = make_encoder(tiny_bert)
    encoder.save(tmp_path)
    for inputs in (["input_ids", "attention_mask", "token_type_ids"], ["input_ids", "attention_mask"]):
        exported = ArticleEncoder.load_exported(tmp_path, inputs)
        assert exported.fingerprint() == ArticleEncoder.load(tmp_path).fingerprint()
        assert exported.pad_id == encoder.pad_id
        batch = exported.batch(exported.encode(ARTICLES), np.arange(len(ARTICLES)))
        expected = encoder.batch(encoder.encode(ARTICLES), np.arange(len(ARTICLES)))
        assert list(batch) == [name for name in expected if name in inputs]
        for name, values in batch.items():
            np.testing.assert_array_equal(values, expected[name], err_msg=name)
    with pytest.raises(TypeError, match="only encodes"):
        exported.save(tmp_path)


@pytest.mark.parametrize("pad", ["[UNK]", {"content": "[UNK]", "lstrip": False}, None])
def test_the_padding_of_an_exported_tokenizer_is_its_own(
    tiny_bert: Path, tmp_path: Path, pad: dict[str, Any] | str | None
) -> None:
    make_encoder(tiny_bert).save(tmp_path)
    file = tmp_path / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"pad_token": pad}))
    assert ArticleEncoder.load_exported(tmp_path, ["input_ids"]).pad_id == (1 if pad else 0)


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_a_runtime_of_exported_models_needs_neither_torch_nor_transformers(runtime: str) -> None:
    code = f"import sys; import fakenews_assets.models.runtimes.{runtime}; print({{'torch', 'transformers'}} & {{*sys.modules}})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_second_call_reads_the_cache(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, frame = make_encoder(tiny_bert), frame_of(ARTICLES)
    first = tokenize_table(frame, encoder, tmp_path)

    def fail(*_: object) -> None:
        raise AssertionError("tokenised again")

    monkeypatch.setattr(ArticleEncoder, "encode", fail)
    second = tokenize_table(frame, encoder, tmp_path)

    assert [path.suffix for path in tmp_path.iterdir()] == [".parquet"]
    rows = np.arange(len(ARTICLES))
    np.testing.assert_array_equal(
        encoder.batch(first, rows)["input_ids"], encoder.batch(second, rows)["input_ids"]
    )


def test_two_writers_of_one_table_do_not_meet(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of nodes that share the folder: in containers all have the same process id."""
    encoder, frame = make_encoder(tiny_bert), frame_of(ARTICLES)
    write = pl.DataFrame.write_parquet

    def write_beside_another(*arguments: Any, **options: Any) -> None:
        monkeypatch.setattr(pl.DataFrame, "write_parquet", write)
        write(*arguments, **options)
        tokenize_table(frame, encoder, tmp_path)

    monkeypatch.setattr(pl.DataFrame, "write_parquet", write_beside_another)
    tokenize_table(frame, encoder, tmp_path)

    assert [path.suffix for path in tmp_path.iterdir()] == [".parquet"]


def test_cached_rows_are_the_encoded_rows(tiny_bert: Path, tmp_path: Path) -> None:
    encoder = make_encoder(tiny_bert)
    cached, direct = tokenize_table(frame_of(ARTICLES), encoder, tmp_path), encoder.encode(ARTICLES)

    for one, other in ((cached.titles, direct.titles), (cached.texts, direct.texts)):
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.lengths, other.lengths)


def test_cache_key_names_everything_that_decides_the_ids(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, encoder = frame_of(ARTICLES), make_encoder(tiny_bert)
    lowered = load_tokenizer(tiny_bert)
    lowered.add_tokens(["zebra"])
    keys = {
        cache_key(frame, encoder),
        cache_key(frame.reverse(), encoder),
        cache_key(frame_of([Article("ab", "c")]), encoder),
        cache_key(frame_of([Article("a", "bc")]), encoder),
        cache_key(frame, make_encoder(tiny_bert, max_tokens=32)),
        cache_key(frame, make_encoder(tiny_bert, "title")),
        cache_key(frame, ArticleEncoder(lowered, encoder.settings)),
    }
    monkeypatch.setattr(token_cache, "_FORMAT", 2)
    keys.add(cache_key(frame, encoder))

    assert len(keys) == 8
    monkeypatch.undo()
    assert cache_key(frame.clone(), make_encoder(tiny_bert)) in keys


def test_texts_are_dropped_in_the_share_asked_for_and_anew_in_each_epoch(tiny_bert: Path) -> None:
    encoder = make_encoder(tiny_bert, max_tokens=64)
    frame = separable_articles(400, with_text=True)
    table = encoder.encode(Article(title, text) for title, text in frame.select("title", "text").iter_rows())
    labels = frame["label"].cast(pl.Int64).to_numpy()
    settings = FinetuneSettings(inputs="title_and_text", drop_text=0.3, batch_size=16)

    def shown_in(epoch: int) -> float:
        batches = TrainingBatches(
            table,
            labels,
            encoder,
            settings,
            steps_done=lambda: epoch * len(batches),
            rank=0,
            world_size=1,
        )
        return sum(int(batch["token_type_ids"].any(dim=1).sum()) for batch in batches) / len(table)

    assert shown_in(0) == pytest.approx(0.7, abs=0.07)
    assert shown_in(1) == pytest.approx(0.7, abs=0.07)
    batches = TrainingBatches(table, labels, encoder, settings, steps_done=lambda: 0)
    assert (batches.shows_text(0) != batches.shows_text(1)).any()
    assert (batches.shows_text(1) == batches.shows_text(1)).all()


def test_training_batches_carry_their_labels_and_resume_in_mid_epoch(tiny_bert: Path) -> None:
    encoder = make_encoder(tiny_bert, "title")
    frame = separable_articles(100)
    table = encoder.encode(Article(title) for title in frame["title"])
    labels = frame["label"].cast(pl.Int64).to_numpy()
    settings = FinetuneSettings(batch_size=16)

    def run(step: int) -> list[list[int]]:
        batches = TrainingBatches(table, labels, encoder, settings, steps_done=lambda: step)
        assert len(batches) == 7
        return [batch["input_ids"].flatten().tolist() + batch["labels"].tolist() for batch in batches]

    assert run(10) == run(7)[3:]
    assert run(0) != run(7)
