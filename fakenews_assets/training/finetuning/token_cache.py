"""Cache of tokenised tables on disk."""

import hashlib
import uuid
from pathlib import Path
from typing import Final

import polars as pl

from fakenews_assets.models.classifier import Article
from fakenews_assets.models.ragged import Ragged
from fakenews_assets.models.token_layout import TokenTable
from fakenews_assets.models.tokenization import ArticleEncoder

_FORMAT: Final = 1
"""Raise when the columns below or the meaning of an id change."""


def cache_key(frame: pl.DataFrame, encoder: ArticleEncoder) -> str:
    """Name a tokenised table by what decides its content: tokenizer, settings, titles and texts in order."""
    digest = hashlib.sha256(f"{_FORMAT}\n{encoder.fingerprint()}\n".encode())
    for title, text in frame.select("title", "text").iter_rows():
        # Lengths keep ("ab", "c") and ("a", "bc") apart.
        title_bytes, text_bytes = title.encode(), text.encode()
        digest.update(b"%d %d\n" % (len(title_bytes), len(text_bytes)))
        digest.update(title_bytes)
        digest.update(text_bytes)
    return digest.hexdigest()[:32]


def tokenize_table(frame: pl.DataFrame, encoder: ArticleEncoder, cache: Path) -> TokenTable:
    """Tokenise the articles of a frame, or read them from the cache.

    Args:
        frame: columns `title` and `text`, no nulls.
        encoder: tokenizer and settings.
        cache: folder of cached tables; made if missing. A table is one Parquet file named by `cache_key`,
            columns `title_ids` and `text_ids` (list of int32 as `encode` makes them, no special tokens) and `title_length` and
            `text_length` (uint32).

    Returns:
        The tokenised rows, in the order of the frame.
    """
    path = cache / f"{cache_key(frame, encoder)}.parquet"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        table = encoder.encode(
            Article(title, text) for title, text in frame.select("title", "text").iter_rows()
        )
        aside = path.with_suffix(f".{uuid.uuid4().hex}.partial")
        _to_frame(table).write_parquet(aside, compression="zstd")
        aside.replace(path)
    stored = pl.read_parquet(path)
    return TokenTable(titles=_ragged(stored, "title"), texts=_ragged(stored, "text"))


def _to_frame(table: TokenTable) -> pl.DataFrame:
    columns = {}
    for name, ragged in (("title", table.titles), ("text", table.texts)):
        rows = [ragged.head(row, length) for row, length in enumerate(ragged.lengths)]
        columns[f"{name}_ids"] = pl.Series(rows, dtype=pl.List(pl.Int32))
        columns[f"{name}_length"] = pl.Series(ragged.lengths, dtype=pl.UInt32)
    return pl.DataFrame(columns)


def _ragged(frame: pl.DataFrame, name: str) -> Ragged:
    lengths = frame.get_column(f"{name}_length")
    # Exploding an empty list yields a null.
    values = frame.get_column(f"{name}_ids").filter(lengths > 0).explode()
    return Ragged.from_flat(values.to_numpy(), lengths.to_numpy())
