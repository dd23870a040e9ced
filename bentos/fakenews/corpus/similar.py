"""Finds the training articles whose headlines share most words with a given one.

The articles are read from the store, where an erasure blanks them: a bundle is immutable and leaves the machine. The
index is a temporary file of this process (SQLite's FTS5, ranked by BM25), made when it is first asked for, and made
again when the files of the split have changed.
"""

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from threading import Lock
from typing import Final

import polars as pl

from bentos.fakenews.corpus.split_files import SplitFiles, State
from fakenews_resources.storage.store import Store

MOST_ARTICLES: Final = 200_000
"""Articles of a larger split are a sample, which bounds the time and the disk."""
_SHOWN: Final = 5
_WORDS: Final = 24
"""Most words of a headline that are looked for."""
_TELLING: Final = re.compile(r"\w{4,}|\d+")
"""Shorter words are in too many headlines."""
_MARK: Final = "\x1f"
_COLUMNS: Final = ("title", "source", "label", "published_at", "batch")

_TABLE: Final = """
CREATE VIRTUAL TABLE articles USING fts5(
    title, source UNINDEXED, label UNINDEXED, published_at UNINDEXED, batch UNINDEXED,
    tokenize = 'porter unicode61 remove_diacritics 2'
)
"""
_QUERY: Final = f"""
SELECT highlight(articles, 0, '{_MARK}', '{_MARK}'), source, label, published_at, batch
FROM articles WHERE articles MATCH ? ORDER BY rank LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Similar:
    """A training article."""

    title: str
    shared: tuple[str, ...]
    """Words of its headline that the other one has too, up to their endings."""
    label: int
    source: str | None
    published: date | None
    batch: str


class TrainingArticles:
    """The training articles of one store. Thread-safe; one call at a time."""

    def __init__(self, store: Store) -> None:
        self._files = SplitFiles(store, "train")
        self._lock = Lock()
        self._state: State = ()
        self._index: sqlite3.Connection | None = None

    def like(self, title: str, splits: str) -> list[Similar]:
        """The articles with the most similar headlines, the most similar first.

        Args:
            title: of the article in question.
            splits: version of the splits that the model was trained on.

        Raises:
            StoreError, OSError: see `SplitFiles.state`.
        """
        words = list(dict.fromkeys(_TELLING.findall(title.lower())))[:_WORDS]
        if not words:
            return []
        with self._lock:
            index = self._current(splits)
            asked = " OR ".join(f'"{word}"' for word in words)
            rows = index.execute(_QUERY, (asked, 4 * _SHOWN)).fetchall()
        found = [_similar(*row) for row in rows]
        return [one for one in found if len(one.shared) >= min(2, len(words))][:_SHOWN]

    def _current(self, splits: str) -> sqlite3.Connection:
        """The index of what the store holds now."""
        state = self._files.state(splits)
        if self._index is None or state != self._state:
            if self._index is not None:
                self._index.close()
            self._index, self._state = _indexed([file for file, *_ in state]), state
        return self._index


def _indexed(files: list[Path]) -> sqlite3.Connection:
    articles = (
        pl.scan_parquet(files)
        .filter(pl.col("title") != "")  # erased
        .sort("article_id")  # a hash: the first ones are a sample
        .head(MOST_ARTICLES)
        .select(*_COLUMNS[:3], pl.col("published_at").dt.date().cast(pl.String), "batch")
        .collect()
    )
    # Without a name it is a temporary file, which SQLite removes.
    index = sqlite3.connect("", check_same_thread=False, isolation_level=None)
    index.execute(_TABLE)
    with closing(index.cursor()) as cursor:
        cursor.execute("BEGIN")
        cursor.executemany("INSERT INTO articles VALUES (?, ?, ?, ?, ?)", articles.iter_rows())
        cursor.execute("COMMIT")
    return index


def _similar(title: str, source: str | None, label: int, published: str | None, batch: str) -> Similar:
    parts = title.split(_MARK)
    return Similar(
        title="".join(parts),
        shared=tuple(dict.fromkeys(parts[1::2])),
        label=label,
        source=source,
        published=date.fromisoformat(published) if published else None,
        batch=batch,
    )
