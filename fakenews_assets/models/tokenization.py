"""Tokenization, the same for training, batch scoring and serving.

Title and text are tokenised separately and joined when a batch is made. One tokenised table therefore serves
title-only and title-and-text input, and a text can be dropped without tokenising again.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from fakenews_assets.models import casing
from fakenews_assets.models.classifier import Article
from fakenews_assets.models.ragged import Ragged
from fakenews_assets.models.settings import EncodingSettings
from fakenews_assets.models.token_layout import Layout, TokenTable

if TYPE_CHECKING:  # importing it takes seconds, which a starting service can do without
    from transformers import PreTrainedTokenizerFast

_SETTINGS_FILE = "encoding.json"
_CHUNK = 8192
_CHARS_PER_TOKEN = 8
"""Of a text that is cut first: nearly always enough for the tokens that are kept. English has half as many."""

_LONGEST_RUN = 1000
"""Characters without a blank after which a text is cut all the same: signs alone would be read to the end."""


class EncoderUnavailable(RuntimeError):
    """The weights of an encoder are not available; the message says what to change."""


def load_tokenizer(folder: Path) -> "PreTrainedTokenizerFast":
    """Load the tokenizer of a local folder.

    Raises:
        EncoderUnavailable: the folder has no tokenizer in the fast (Rust) form.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise EncoderUnavailable(
            f"{folder} has no tokenizer.json, so only a slow tokenizer. Convert it once with"
            " AutoTokenizer.from_pretrained(...).save_pretrained(...) where sentencepiece is installed."
        )
    return tokenizer


@dataclass(frozen=True, slots=True)
class ExportedTokenizer:
    """What encoding needs of the tokenizer of an exported model, read without transformers."""

    backend_tokenizer: Tokenizer
    pad_token_id: int | None
    model_input_names: Collection[str]

    @classmethod
    def read(cls, folder: Path, inputs: Collection[str]) -> Self:
        """Read the files that `ArticleEncoder.save` left.

        Args:
            folder: of the model.
            inputs: names of its inputs.
        """
        backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
        pad = json.loads((folder / "tokenizer_config.json").read_bytes()).get("pad_token")
        content = pad["content"] if isinstance(pad, dict) else pad
        return cls(backend, backend.token_to_id(content) if content else None, inputs)


class ArticleEncoder:
    """Turns articles into padded batches for one tokenizer and one set of settings."""

    def __init__(
        self, tokenizer: "PreTrainedTokenizerFast | ExportedTokenizer", settings: EncodingSettings
    ) -> None:
        self._tokenizer = tokenizer
        self.settings = settings
        pad = tokenizer.pad_token_id
        self.pad_id = pad if isinstance(pad, int) else 0
        self.wants_segments = "token_type_ids" in tokenizer.model_input_names
        # A copy: switching truncation on the tokenizer itself would disturb its other users, and fails while
        # another thread encodes.
        self._backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._backend.no_padding()
        self._backend.enable_truncation(settings.max_tokens)
        self.layout = Layout.of(self._backend)
        self.reads_case = settings.read_case and self.wants_segments and casing.ignores_case(self._backend)

    @classmethod
    def load(cls, folder: Path) -> "ArticleEncoder":
        """Load tokenizer and settings as `save` left them."""
        return cls(load_tokenizer(folder), _read_settings(folder))

    @classmethod
    def load_exported(cls, folder: Path, inputs: Collection[str]) -> "ArticleEncoder":
        """Load for an exported model with these inputs, without transformers: to encode, not to save again."""
        return cls(ExportedTokenizer.read(folder, inputs), _read_settings(folder))

    @property
    def tokenizer(self) -> "PreTrainedTokenizerFast":
        """The tokenizer of transformers. Raises TypeError of an encoder that was loaded without."""
        if isinstance(self._tokenizer, ExportedTokenizer):
            raise TypeError(
                "The encoder of an exported model only encodes. `ArticleEncoder.load` brings a tokenizer."
            )
        return self._tokenizer

    def with_settings(self, settings: EncodingSettings) -> "ArticleEncoder":
        """The same tokenizer with other settings."""
        return ArticleEncoder(self._tokenizer, settings)

    def save(self, folder: Path) -> None:
        """Write the tokenizer's files and encoding.json."""
        self.tokenizer.save_pretrained(folder)
        (folder / _SETTINGS_FILE).write_text(self.settings.model_dump_json(indent=2) + "\n")

    def fingerprint(self) -> str:
        """Everything that decides the ids of `encode`, as one string."""
        return json.dumps([json.loads(self._backend.to_str()), self.settings.model_dump()], sort_keys=True)

    def encode(self, articles: Iterable[Article]) -> TokenTable:
        """Tokenise articles, keeping no more ids than an input can hold; with their cases where those are read."""
        pairs = list(articles)
        with_text = self.settings.inputs == "title_and_text"
        titles = self._encode_column([article.title for article in pairs])
        texts = self._encode_column([article.text if with_text else "" for article in pairs])
        return TokenTable(titles=titles, texts=texts)

    def lengths(self, table: TokenTable, with_text: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Length of every row as laid out, special tokens included, shape [rows].

        Args:
            table: tokenised articles.
            with_text: rows that show their text, shape [rows]; every row if omitted.
        """
        title, text = self._kept(table.titles.lengths, table.texts.lengths, with_text)
        overhead = np.where(text > 0, self.layout.pair_overhead, self.layout.single_overhead)
        return title + text + overhead

    def truncated(self, table: TokenTable) -> NDArray[np.bool_]:
        """Which rows have more ids than an input can hold, shape [rows]. `encode` cuts, but never to what fits."""
        title, text = self._kept(table.titles.lengths, table.texts.lengths, None)
        return (title < table.titles.lengths) | (text < table.texts.lengths)

    def batch(
        self, table: TokenTable, rows: NDArray[np.integer], with_text: NDArray[np.bool_] | None = None
    ) -> dict[str, NDArray[np.int64]]:
        """Lay out some rows and pad them to the longest of them.

        Args:
            table: tokenised articles.
            rows: indices into the table, shape [batch].
            with_text: rows of the whole table that show their text, shape [rows]; every row if omitted.

        Returns:
            `input_ids`, `attention_mask` and, for encoders that know them, `token_type_ids`; each int64 of
            shape [batch, longest].
        """
        shown = None if with_text is None else with_text[rows]
        title_lengths, text_lengths = self._kept(table.titles.lengths[rows], table.texts.lengths[rows], shown)
        laid_out = [
            self._lay_out(table.titles.head(row, title_length), table.texts.head(row, text_length))
            for row, title_length, text_length in zip(rows, title_lengths, text_lengths, strict=True)
        ]
        shape = (len(rows), max(len(ids) for ids, _ in laid_out))
        batch = {
            "input_ids": np.full(shape, self.pad_id, dtype=np.int64),
            "attention_mask": np.zeros(shape, dtype=np.int64),
        }
        if self.wants_segments:
            batch["token_type_ids"] = np.zeros(shape, dtype=np.int64)
        for index, (ids, text_begins) in enumerate(laid_out):
            batch["input_ids"][index, : len(ids)] = ids
            batch["attention_mask"][index, : len(ids)] = 1
            if self.wants_segments and text_begins is not None:
                middle = text_begins - len(self.layout.middle)
                batch["token_type_ids"][index, middle:text_begins] = self.layout.segment_of_middle
                batch["token_type_ids"][index, text_begins : len(ids)] = self.layout.segment_of_text
        if self.reads_case:
            batch["input_ids"], cases = casing.part(batch["input_ids"])
            batch["token_type_ids"] += casing.SEGMENTS * cases
        return batch

    def _encode_column(self, values: list[str]) -> Ragged:
        parts: list[NDArray[np.int32]] = []
        lengths = np.zeros(len(values), dtype=np.int64)
        for begin in range(0, len(values), _CHUNK):
            chunk = self._ids(values[begin : begin + _CHUNK])
            lengths[begin : begin + len(chunk)] = [len(ids) for ids in chunk]
            parts.extend(chunk)
        return Ragged.from_flat(np.concatenate(parts) if parts else np.zeros(0, dtype=np.int32), lengths)

    def _ids(self, values: list[str]) -> list[NDArray[np.int32]]:
        """The first ids of each value. Of a long one only the beginning is tokenised, if that yields enough."""
        limit = self.settings.max_tokens
        beginnings = [_beginning(value, _CHARS_PER_TOKEN * limit) for value in values]
        found = self._encoded(beginnings)
        short = [
            row
            for row, (ids, beginning, value) in enumerate(zip(found, beginnings, values, strict=True))
            if len(ids) < limit and len(beginning) < len(value)
        ]
        for row, ids in zip(short, self._encoded([values[row] for row in short]), strict=True):
            found[row] = ids
        return found

    def _encoded(self, values: list[str]) -> list[NDArray[np.int32]]:
        if not any(values):
            return [np.zeros(0, dtype=np.int32) for _ in values]
        if not self.reads_case:
            found = self._backend.encode_batch_fast(values, add_special_tokens=False)
            return [np.array(one.ids, dtype=np.int32) for one in found]
        found = self._backend.encode_batch(values, add_special_tokens=False)
        return [
            casing.join(np.array(one.ids, dtype=np.int32), casing.cases_of(value, one.offsets))
            for value, one in zip(values, found, strict=True)
        ]

    def _kept(
        self, title: NDArray[np.int64], text: NDArray[np.int64], with_text: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How many ids of title and text fit. A text with no room left is dropped with its separator."""
        if self.settings.inputs == "title":
            text = np.zeros_like(text)
        elif with_text is not None:
            text = np.where(with_text, text, 0)
        room = self.settings.max_tokens - self.layout.pair_overhead - title
        text = np.clip(text, 0, np.maximum(room, 0))
        title = np.minimum(title, self.settings.max_tokens - self.layout.single_overhead)
        return title, text

    def _lay_out(
        self, title: NDArray[np.int32], text: NDArray[np.int32]
    ) -> tuple[NDArray[np.integer], int | None]:
        """Join one row; also say where the text begins, if it has one."""
        layout = self.layout
        if not len(text):
            return np.concatenate([layout.prefix, title, layout.single_suffix]), None
        text_begins = len(layout.prefix) + len(title) + len(layout.middle)
        return np.concatenate([layout.prefix, title, layout.middle, text, layout.suffix]), text_begins


def _read_settings(folder: Path) -> EncodingSettings:
    return EncodingSettings.model_validate_json((folder / _SETTINGS_FILE).read_text())


def _beginning(text: str, chars: int) -> str:
    """A text up to the first blank after so many characters: between words, so that its tokens are those of the text."""
    end = text.find(" ", chars, chars + _LONGEST_RUN)
    return text[: chars + _LONGEST_RUN] if end < 0 else text[:end]
