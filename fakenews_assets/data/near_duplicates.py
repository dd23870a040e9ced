"""Which articles say the same thing: equal keys, and pairs found by MinHash with banding.

Two articles are linked when they share a content key or a text key (`Links.content_key`,
`Links.text_key`), or when the exact Jaccard similarity of their title words or of their text shingles
reaches a threshold (`Links.edges`). MinHash only proposes pairs; every proposed pair is then measured
exactly, so the error of the estimate never joins two families of headlines.

A pair is proposed when the two rows agree on all minima of at least one band. For similarity s, r minima
per band and b bands that happens with probability 1 - (1 - s^r)^b: the S-curve of Leskovec, Rajaraman and
Ullman, "Mining of Massive Datasets", section 3.4. With the defaults (r = 5, b = 25): 0.05 at s = 0.3,
0.55 at 0.5, 0.87 at 0.6, 0.989 at 0.7 and 0.9999 at 0.8.

What decides the result is stable over library versions, since clusters decide for ever on which side of
the split an article lies: words are hashed here, and `rensa` (which hashes those numbers again) is pinned.
A row is only ever linked to rows before it, so later rows change nothing among earlier ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from rensa import RMinHash

from fakenews_assets.data.shingles import Shingles, hash_shingles, mix

_CHUNK_ROWS: Final = 4096
_CHUNK_BYTES: Final = 1 << 22
"""Rows hashed at a time, fewer if their texts are long: hashing works on some 30 bytes per byte of text."""

_SIGNED_ROWS: Final = 512
"""Rows whose minima are fetched at a time: `to_rows` makes Python integers, which then stay in the cache."""

_PAIRS_AT_ONCE: Final = 1 << 18
"""Candidate pairs measured at a time; the pair number must fit into the high half of a 64-bit key."""


class NearDuplicateConfig(BaseModel):
    """When two articles count as near-duplicates. Changing any of it may move articles between sides."""

    model_config = ConfigDict(frozen=True)

    min_title_words: int = Field(
        3,
        ge=1,
        description="Titles with fewer words say too little: they link only together with an equal text.",
    )
    min_text_words: int = Field(
        1, ge=1, description="Equal texts link two articles if they have at least this many words."
    )
    title_threshold: float = Field(
        0.7,
        gt=0,
        le=1,
        description="Jaccard similarity of the sets of title words from which titles link. On 39,677 real "
        "headlines 0.7 links the versions of one story and series such as a daily highlights page (largest "
        "cluster 13); at 0.6 that series is 30 rows and different events begin to chain.",
    )
    text_threshold: float = Field(
        0.6, gt=0, le=1, description="Jaccard similarity of the sets of text shingles from which texts link."
    )
    shingle_words: int = Field(3, ge=1, description="Consecutive words in one shingle of the text.")
    text_words: int = Field(256, ge=1, description="Words of the text that are looked at.")
    bands: int = Field(25, ge=1, description="Bands of MinHash minima; more find more pairs at any similarity.")
    rows_per_band: int = Field(
        5, ge=1, description="Minima that must agree within a band; more propose fewer dissimilar pairs."
    )
    seed: int = Field(1, ge=0, description="Seed of the MinHash permutations.")

    @model_validator(mode="after")
    def _thresholds_within_reach(self) -> Self:
        """A threshold that the bands mostly miss would promise links that are never found."""
        for name, threshold in (("title", self.title_threshold), ("text", self.text_threshold)):
            found = candidate_probability(threshold, self.bands, self.rows_per_band)
            if found < 0.5:
                raise ValueError(
                    f"{name}_threshold {threshold} is found with probability {found:.2f} only: "
                    "use more bands or fewer rows per band"
                )
        return self


@dataclass(frozen=True)
class Links:
    """What ties the n rows of an article table together, by row number.

    Attributes:
        content_key: (n,) equal for rows with the same title, or, if the title is too short to tell
            articles apart, the same title and text.
        text_key: (n,) equal for rows with the same text; 0 for rows whose text is too short.
        edges: (m, 2) pairs of rows that are similar without being equal, earlier row second, sorted.
    """

    content_key: NDArray[np.uint64]
    text_key: NDArray[np.uint64]
    edges: NDArray[np.int64]


def candidate_probability(similarity: float, bands: int, rows_per_band: int) -> float:
    """Probability that banding proposes a pair (Mining of Massive Datasets, section 3.4.2)."""
    return 1 - (1 - similarity**rows_per_band) ** bands


def normalised_words(column: str) -> pl.Expr:
    """The words of a text column in lower case with one space between; everything else is dropped."""
    return (
        pl.col(column)
        .fill_null("")
        .str.to_lowercase()
        .str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ")
        .str.strip_chars(" ")
    )


def find_links(articles: pl.DataFrame | pl.LazyFrame, config: NearDuplicateConfig) -> Links:
    """Find equal and similar articles in time and memory linear in the number of rows.

    Each row of a MinHash bucket is compared with the bucket's first row and with the row before it,
    never with all of them, so a headline that thousands of rows share costs no more than any other.

    Args:
        articles: columns `article_id`, `title`, `text`, rows in order of arrival. A scan of Parquet files
            is read once, in chunks.
        config: when two articles count as near-duplicates.
    """
    content_keys: list[NDArray[np.uint64]] = []
    text_keys: list[NDArray[np.uint64]] = []
    titles = _Field(config, config.title_threshold)
    texts = _Field(config, config.text_threshold)
    for chunk in _normalised_chunks(articles):
        title_words = _count_words(chunk["title"])
        text_words = _count_words(chunk["text"])
        content_keys.append(_content_keys(chunk, title_words >= config.min_title_words))
        text_keys.append(np.where(text_words >= config.min_text_words, _keys(chunk["text"]), np.uint64(0)))
        titles.add(hash_shingles(chunk["title"], 1, config.text_words), config.min_title_words)
        texts.add(hash_shingles(chunk["text"], config.shingle_words, config.text_words), 1)
    if not content_keys:
        return Links(np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty((0, 2), np.int64))
    edges = np.concatenate([titles.similar_pairs(), texts.similar_pairs()])
    return Links(
        content_key=np.concatenate(content_keys),
        text_key=np.concatenate(text_keys),
        edges=_unpack(_sorted_unique(edges)),
    )


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


class _Field:
    """Shingle sets and bucket numbers of one text field, collected chunk by chunk."""

    def __init__(self, config: NearDuplicateConfig, threshold: float) -> None:
        self._config = config
        self._threshold = threshold
        self._rows = 0
        self._tokens: list[NDArray[np.uint32]] = []
        self._sizes: list[NDArray[np.int64]] = []
        self._members: list[NDArray[np.int64]] = []
        self._buckets: list[NDArray[np.uint32]] = []

    def add(self, shingles: Shingles, min_shingles: int) -> None:
        """Add the next rows; those with fewer distinct shingles than `min_shingles` take no part."""
        tokens, sizes = shingles.distinct()
        self._tokens.append(tokens)
        self._sizes.append(sizes)
        members = np.flatnonzero(sizes >= min_shingles)
        minima = _minima(shingles, self._config)[members]
        self._members.append(members + self._rows)
        self._buckets.append(_bucket_numbers(minima, self._config.bands))
        self._rows += len(sizes)

    def similar_pairs(self) -> NDArray[np.uint64]:
        """Pairs that reach the threshold, packed as later row * 2^32 + earlier row."""
        tokens = np.concatenate(self._tokens)
        offsets = np.concatenate([[0], np.cumsum(np.concatenate(self._sizes))])
        candidates = _candidate_pairs(np.concatenate(self._buckets, axis=1), np.concatenate(self._members))
        parts = [
            part[_jaccard(_unpack(part), tokens, offsets) >= self._threshold]
            for part in np.split(candidates, range(_PAIRS_AT_ONCE, len(candidates), _PAIRS_AT_ONCE))
        ]
        return np.concatenate(parts)


def _minima(shingles: Shingles, config: NearDuplicateConfig) -> NDArray[np.uint32]:
    """MinHash signatures, (rows, bands * rows per band)."""
    columns = config.bands * config.rows_per_band
    rows = len(shingles.offsets) - 1
    minima = np.empty((rows, columns), dtype=np.uint32)
    for start in range(0, rows, _SIGNED_ROWS):
        bounds = shingles.offsets[start : start + _SIGNED_ROWS + 1]
        digests = RMinHash.digest_matrix_from_flat_token_hashes(
            shingles.hashes[bounds[0] : bounds[-1]], (bounds - bounds[0]).astype(np.uint64), columns, config.seed
        )
        minima[start : start + _SIGNED_ROWS] = digests.to_rows()
    return minima


def _bucket_numbers(minima: NDArray[np.uint32], bands: int) -> NDArray[np.uint32]:
    """Bucket numbers, (bands, rows). Two buckets that share a number by chance only cost a comparison."""
    rows, columns = minima.shape
    odd = mix(np.arange(1, columns + 1, dtype=np.uint64)) | np.uint64(1)
    weighted = minima.astype(np.uint64) * odd
    return (mix(weighted.reshape(rows, bands, columns // bands).sum(axis=2)) >> np.uint64(32)).astype(np.uint32).T


def _candidate_pairs(buckets: NDArray[np.uint32], members: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Pairs of rows that share a bucket: each row with its bucket's first row and with the one before it.

    Each band is used alone and together with the next one. The joint buckets are smaller: they bring
    close pairs next to each other where thousands of half-similar headlines fill the simple ones.
    """
    found = []
    for band, following in zip(buckets, np.roll(buckets, -1, axis=0), strict=True):
        joint = mix((band.astype(np.uint64) << np.uint64(32)) | following) >> np.uint64(32)
        found += [_pairs_in_buckets(band.astype(np.uint64), members), _pairs_in_buckets(joint, members)]
    return _sorted_unique(np.concatenate(found))


def _pairs_in_buckets(bucket: NDArray[np.uint64], members: NDArray[np.int64]) -> NDArray[np.uint64]:
    # Bucket above row number in one integer: a plain sort groups the buckets and keeps rows in order.
    keys = np.sort((bucket << np.uint64(32)) | members.astype(np.uint64))
    bucket, row = keys >> np.uint64(32), keys & np.uint64(0xFFFFFFFF)
    position = np.arange(len(keys))
    starts = np.ones(len(keys), dtype=bool)
    starts[1:] = bucket[1:] != bucket[:-1]
    first = np.maximum.accumulate(np.where(starts, position, 0))
    later = np.flatnonzero(~starts)
    pairs = np.concatenate([row[later - 1], row[first[later]]])
    return (np.tile(row[later], 2) << np.uint64(32)) | pairs


def _jaccard(
    pairs: NDArray[np.int64], tokens: NDArray[np.uint32], offsets: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Exact Jaccard similarity of the token sets of each pair of rows."""
    sizes = np.diff(offsets)[pairs]
    flat = pairs.ravel()
    lengths = sizes.ravel()
    ends = np.cumsum(lengths)
    positions = np.arange(ends[-1] if len(ends) else 0) + np.repeat(offsets[flat] - (ends - lengths), lengths)
    pair = np.repeat(np.arange(len(flat), dtype=np.uint64) >> np.uint64(1), lengths)
    # A set holds a token once, so a token that stands twice within a pair stands in both sets.
    keys = np.sort((pair << np.uint64(32)) | tokens[positions])
    shared_pairs = (keys[1:][keys[1:] == keys[:-1]] >> np.uint64(32)).astype(np.int64)
    shared = np.bincount(shared_pairs, minlength=len(pairs))
    return shared / (sizes.sum(axis=1) - shared)


def _sorted_unique(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    # numpy's own `unique` hashes integers, which is ten times slower than its sort at this size.
    values = np.sort(values)
    return values[np.concatenate([[True], values[1:] != values[:-1]])] if len(values) else values


def _unpack(pairs: NDArray[np.uint64]) -> NDArray[np.int64]:
    return np.stack([pairs >> np.uint64(32), pairs & np.uint64(0xFFFFFFFF)], axis=1).astype(np.int64)
