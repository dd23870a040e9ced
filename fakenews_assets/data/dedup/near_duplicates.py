"""Near-duplicate detection: equal keys, and similar pairs found by MinHash LSH.

Two articles are linked when they share a content key or a text key (`Links.content_key`,
`Links.text_key`), or when the exact Jaccard similarity of their title words or of their text shingles
reaches a threshold (`Links.edges`). A text that many different titles share links nothing (`Links.shared_text`).

The result must not depend on library versions, because clusters decide an article's split for ever. Words are
therefore hashed by `shingles`, and `rensa`, which hashes those numbers again, is pinned. A row is linked only to rows
that arrived before it, so later batches do not change earlier links.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from itertools import pairwise
from typing import Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fakenews_assets.common import progress
from fakenews_assets.data.dedup.minhash import Signatures, SignedSets, SimilarSets, candidate_probability
from fakenews_assets.data.dedup.shingles import hash_shingles
from fakenews_resources.engine.in_process import OrderedMap, in_process

_CHUNK_ROWS: Final = 4096
_CHUNK_BYTES: Final = 1 << 22
"""Rows hashed at a time, fewer if their texts are long: hashing works on some 30 bytes per byte of text."""


class NearDuplicateSettings(BaseModel):
    """When two articles count as near-duplicates. Changing any of it may move articles between splits."""

    model_config = ConfigDict(frozen=True)

    min_title_words: int = Field(
        default=3,
        ge=1,
        description="Titles with fewer words say too little: they link only together with an equal text.",
    )
    min_text_words: int = Field(
        default=1, ge=1, description="Equal texts link two articles if they have at least this many words."
    )
    max_titles_per_text: int = Field(
        default=10,
        ge=1,
        description="A text, or one like it, that more different titles have is boilerplate, such as a cookie notice: it"
        " links nothing.",
    )
    title_threshold: float = Field(
        default=0.7,
        gt=0,
        le=1,
        description="Jaccard similarity of the sets of title words from which titles link. On 39,677 real "
        "headlines 0.7 links the versions of one story and series such as a daily highlights page (largest "
        "cluster 13); at 0.6 that series is 30 rows and different events begin to chain.",
    )
    text_threshold: float = Field(
        default=0.6,
        gt=0,
        le=1,
        description="Jaccard similarity of the sets of text shingles from which texts link.",
    )
    shingle_words: int = Field(default=3, ge=1, description="Consecutive words in one shingle of the text.")
    max_words: int = Field(
        default=256, ge=1, description="Words of a title or text that similarity looks at."
    )
    bands: int = Field(
        default=25, ge=1, description="Bands of MinHash minima; more find more pairs at any similarity."
    )
    rows_per_band: int = Field(
        default=5,
        ge=1,
        description="Minima that must agree within a band; more propose fewer dissimilar pairs.",
    )
    seed: int = Field(default=1, ge=0, description="Seed of the MinHash permutations.")

    @model_validator(mode="after")
    def _thresholds_within_reach(self) -> Self:
        """Reject thresholds that the bands mostly miss."""
        for name, threshold in (("title", self.title_threshold), ("text", self.text_threshold)):
            found = candidate_probability(threshold, self.bands, self.rows_per_band)
            if found < 0.5:
                raise ValueError(
                    f"Pairs at {name}_threshold {threshold} are found with a probability of only {found:.2f}: "
                    "use more bands or fewer rows per band"
                )
        return self


@dataclass(frozen=True)
class Links:
    """Links between the n rows of an article table, by row number.

    Attributes:
        content_key: (n,) equal for rows with the same title, or, if the title is too short to tell
            articles apart, the same title and text.
        text_key: (n,) equal for rows with the same text; 0 for rows whose text is too short, or shared.
        edges: (m, 2) pairs of similar rows, the one that arrived earlier second, sorted.
        shared_text: (n,) whether so many titles had the text when the row arrived that it links nothing.
    """

    content_key: NDArray[np.uint64]
    text_key: NDArray[np.uint64]
    edges: NDArray[np.int64]
    shared_text: NDArray[np.bool_]


def normalised_words(column: str) -> pl.Expr:
    """The words of a text column in lower case with one space between; everything else is dropped."""
    return (
        pl.col(column)
        .fill_null("")
        .str.to_lowercase()
        .str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ")
        .str.strip_chars(" ")
    )


def find_links(
    articles: pl.DataFrame | pl.LazyFrame, config: NearDuplicateSettings, over: OrderedMap = in_process
) -> Links:
    """Find equal and similar articles in time and memory linear in the number of rows.

    Each row of a MinHash bucket is compared with the bucket's first row and with the row before it,
    never with all of them, so a headline that thousands of rows share costs no more than any other.

    Args:
        articles: columns `article_id`, `title`, `text`, `batch`, batches one after another in order of
            arrival; the order of the rows within a batch does not matter. A scan of Parquet files is read
            once for its texts, in chunks.
        config: when two articles count as near-duplicates.
        over: maps rows to signatures; rows are read and compared in this process.
    """
    from fakenews_assets.data.dedup.shared_texts import (
        find_shared,
    )  # SciPy, which the definitions do not need

    content_keys: list[NDArray[np.uint64]] = []
    text_keys: list[NDArray[np.uint64]] = []
    titles, texts = SimilarSets(), SimilarSets()
    rows = articles.lazy().select(pl.len()).collect().item()
    progress.report(0, rows, "articles", "hashing")
    for hashed in over(partial(_hasher, config), _normalised_chunks(articles)):
        content_keys.append(hashed.content_keys)
        text_keys.append(hashed.text_keys)
        titles.add(hashed.titles)
        texts.add(hashed.texts)
        progress.advance(len(hashed.content_keys))
    if not content_keys:
        none = np.empty(0, np.uint64)
        return Links(none, none, np.empty((0, 2), np.int64), none.astype(bool))
    progress.report(note="comparing candidate pairs")
    order, batch = _arrival_order(articles)
    content_key, text_key = np.concatenate(content_keys), np.concatenate(text_keys)
    same_title = titles.pairs(config.title_threshold, order)
    same_text = texts.pairs(config.text_threshold, order)
    shared = find_shared(text_key, content_key, same_text, order, batch, config.max_titles_per_text)
    return Links(
        content_key=content_key,
        text_key=np.where(shared, np.uint64(0), text_key),
        edges=np.unique(np.concatenate([same_title, same_text[~shared[same_text[:, 0]]]]), axis=0),
        shared_text=shared,
    )


@dataclass(frozen=True)
class _Hashed:
    content_keys: NDArray[np.uint64]
    text_keys: NDArray[np.uint64]
    titles: SignedSets
    texts: SignedSets


def _hasher(config: NearDuplicateSettings) -> Callable[[pl.DataFrame], _Hashed]:
    return partial(_hashed, config)


def _hashed(config: NearDuplicateSettings, chunk: pl.DataFrame) -> _Hashed:
    signatures = Signatures(config.bands, config.rows_per_band, config.seed)
    title_words = _count_words(chunk["title"])
    text_words = _count_words(chunk["text"])
    return _Hashed(
        content_keys=_content_keys(chunk, title_words >= config.min_title_words),
        text_keys=np.where(text_words >= config.min_text_words, _keys(chunk["text"]), np.uint64(0)),
        titles=signatures.sign(hash_shingles(chunk["title"], 1, config.max_words), config.min_title_words),
        texts=signatures.sign(hash_shingles(chunk["text"], config.shingle_words, config.max_words), 1),
    )


def _arrival_order(articles: pl.DataFrame | pl.LazyFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers in order of arrival, by content within a batch, so that the order within a file does not matter, and
    the number of each row's batch."""
    rows = articles.lazy().select("article_id", pl.col("batch").rle_id()).with_row_index("row").collect()
    order = rows.sort("batch", "article_id", maintain_order=True)["row"]
    return order.to_numpy().astype(np.int64), rows["batch"].to_numpy().astype(np.int64)


def _normalised_chunks(articles: pl.DataFrame | pl.LazyFrame) -> Iterator[pl.DataFrame]:
    columns = articles.lazy().select("article_id", normalised_words("title"), normalised_words("text"))
    for batch in columns.collect_batches(chunk_size=_CHUNK_ROWS, maintain_order=True):
        for rows in batch.iter_slices(_CHUNK_ROWS):
            part = rows["text"].str.len_bytes().cast(pl.Int64).cum_sum() // _CHUNK_BYTES
            starts = np.flatnonzero(np.diff(part.to_numpy(), prepend=-1))
            for start, stop in pairwise([*starts.tolist(), len(rows)]):
                yield rows[start:stop]


def _count_words(words: pl.Series) -> NDArray[np.int64]:
    counts = words.str.count_matches(" ", literal=True).cast(pl.Int64) + (words != "").cast(pl.Int64)
    return counts.to_numpy()


def _keys(values: pl.Series) -> NDArray[np.uint64]:
    digests = b"".join(blake2b(value.encode(), digest_size=8).digest() for value in values)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def _content_keys(chunk: pl.DataFrame, distinctive: NDArray[np.bool_]) -> NDArray[np.uint64]:
    title = pl.col("title").str.replace_all(" ", "", literal=True)
    nothing_to_compare = (pl.col("title") == "") & (pl.col("text") == "")
    key = (
        pl.when(pl.Series(distinctive))
        .then(title)
        .when(nothing_to_compare)
        .then("\n\n" + pl.col("article_id"))
        .otherwise(title + "\n" + pl.col("text"))
    )
    return _keys(chunk.select(key.alias("key"))["key"])
