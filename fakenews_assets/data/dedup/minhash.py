"""MinHash LSH: finds pairs of similar sets among millions.

MinHash (computed by `rensa`, in Rust) only proposes pairs. The exact Jaccard similarity of each proposed pair
decides, so estimation errors never join two headlines.

A pair is proposed when two sets agree on all minima of at least one band. For similarity s, r minima per
band and b bands that happens with probability 1 - (1 - s^r)^b: the S-curve of Leskovec, Rajaraman and
Ullman, "Mining of Massive Datasets", section 3.4. With r = 5 and b = 25: 0.06 at s = 0.3, 0.55 at 0.5,
0.87 at 0.6, 0.989 at 0.7 and 0.9999 at 0.8.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash  # pyright: ignore[reportAttributeAccessIssue]  # compiled, without stubs

from fakenews_assets.data.dedup.shingles import Shingles, mix

_SIGNED_ROWS: Final = 512
"""Rows whose minima are fetched at a time: `to_rows` makes Python integers, which then stay in the cache."""

_PAIRS_AT_ONCE: Final = 1 << 15
"""Candidate pairs measured at a time; the pair number must fit into the high half of a 64-bit key."""


@dataclass(frozen=True)
class SignedSets:
    """Consecutive rows, ready to be compared.

    Attributes:
        tokens: distinct shingles of all rows, one row after the other.
        sizes: (rows,) distinct shingles of each.
        members: (m,) the rows that take part.
        buckets: (bands, m) their bucket numbers.
    """

    tokens: NDArray[np.uint32]
    sizes: NDArray[np.int64]
    members: NDArray[np.int64]
    buckets: NDArray[np.uint32]


@dataclass(frozen=True)
class Signatures:
    """Parameters of the MinHash signatures.

    Attributes:
        bands: bands of minima.
        rows_per_band: minima that must agree within a band.
        seed: seed of the permutations.
    """

    bands: int
    rows_per_band: int
    seed: int

    def sign(self, shingles: Shingles, min_shingles: int) -> SignedSets:
        """Sign rows; those with fewer distinct shingles than `min_shingles` take no part."""
        tokens, sizes = shingles.distinct()
        members = np.flatnonzero(sizes >= min_shingles)
        buckets = _bucket_numbers(self._minima(shingles)[members], self.bands)
        return SignedSets(tokens, sizes, members, buckets)

    def _minima(self, shingles: Shingles) -> NDArray[np.uint32]:
        """MinHash signatures, (rows, bands * rows per band)."""
        rows, columns = len(shingles.offsets) - 1, self.bands * self.rows_per_band
        minima = np.empty((rows, columns), dtype=np.uint32)
        for start in range(0, rows, _SIGNED_ROWS):
            bounds = shingles.offsets[start : start + _SIGNED_ROWS + 1]
            hashes = shingles.hashes[bounds[0] : bounds[-1]]
            digests = RMinHash.digest_matrix_from_flat_token_hashes(
                hashes, (bounds - bounds[0]).astype(np.uint64), columns, self.seed
            )
            minima[start : start + _SIGNED_ROWS] = digests.to_rows()
        return minima


class SimilarSets:
    """Collects signed sets chunk by chunk, and finds similar pairs among them."""

    def __init__(self) -> None:
        self._rows = 0
        self._tokens: list[NDArray[np.uint32]] = []
        self._sizes: list[NDArray[np.int64]] = []
        self._members: list[NDArray[np.int64]] = []
        self._buckets: list[NDArray[np.uint32]] = []

    def add(self, signed: SignedSets) -> None:
        """Add the next rows."""
        self._tokens.append(signed.tokens)
        self._sizes.append(signed.sizes)
        self._members.append(signed.members + self._rows)
        self._buckets.append(signed.buckets)
        self._rows += len(signed.sizes)

    def pairs(self, threshold: float, order: NDArray[np.int64]) -> NDArray[np.int64]:
        """Find pairs of rows whose sets have at least this Jaccard similarity.

        Args:
            threshold: smallest similarity.
            order: (rows,) the rows in order of arrival. A row is compared with earlier arrivals only.

        Returns:
            (m, 2) pairs of rows, the one that arrived earlier second.
        """
        tokens = np.concatenate(self._tokens)
        offsets = np.concatenate([[0], np.cumsum(np.concatenate(self._sizes))])
        members = np.concatenate(self._members)
        candidates = _candidate_pairs(np.concatenate(self._buckets, axis=1), members, order)
        bounds = [*range(0, len(candidates), _PAIRS_AT_ONCE), len(candidates)]
        similar = [
            candidates[start:stop][jaccard(candidates[start:stop], tokens, offsets) >= threshold]
            for start, stop in pairwise(bounds)
        ]
        return np.concatenate([np.empty((0, 2), np.int64), *similar])


def candidate_probability(similarity: float, bands: int, rows_per_band: int) -> float:
    """Probability that banding proposes a pair (Mining of Massive Datasets, section 3.4.2)."""
    return 1 - (1 - similarity**rows_per_band) ** bands


def _bucket_numbers(minima: NDArray[np.uint32], bands: int) -> NDArray[np.uint32]:
    """Bucket numbers, (bands, rows). Two buckets that share a number by chance only cost a comparison."""
    rows, columns = minima.shape
    odd = mix(np.arange(1, columns + 1, dtype=np.uint64)) | np.uint64(1)
    weighted = (minima.astype(np.uint64) * odd).reshape(rows, bands, columns // bands)
    return (mix(weighted.sum(axis=2)) >> np.uint64(32)).astype(np.uint32).T


def _candidate_pairs(
    buckets: NDArray[np.uint32], members: NDArray[np.int64], order: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Pairs of rows that share a bucket, (m, 2), the later arrival first.

    Each row is paired with its bucket's first row and with the one before it. Each band is used alone and together with the next one. The joint buckets are smaller: they bring
    close pairs next to each other where thousands of half-similar headlines fill the simple ones.
    """
    arrived = np.empty(len(order), dtype=np.uint64)
    arrived[order] = np.arange(len(order), dtype=np.uint64)
    arrived = arrived[members]
    found = []
    for band, following in zip(buckets, np.roll(buckets, -1, axis=0), strict=True):
        joint = mix((band.astype(np.uint64) << np.uint64(32)) | following) >> np.uint64(32)
        found += [_pairs_in_buckets(band.astype(np.uint64), arrived), _pairs_in_buckets(joint, arrived)]
    pairs = _sorted_unique(np.concatenate(found))
    return order[np.stack([pairs >> np.uint64(32), pairs & np.uint64(0xFFFFFFFF)], axis=1).astype(np.int64)]


def _pairs_in_buckets(bucket: NDArray[np.uint64], arrived: NDArray[np.uint64]) -> NDArray[np.uint64]:
    # Bucket above arrival in one integer: a plain sort groups the buckets and keeps the order within.
    keys = np.sort((bucket << np.uint64(32)) | arrived)
    bucket, row = keys >> np.uint64(32), keys & np.uint64(0xFFFFFFFF)
    position = np.arange(len(keys))
    starts = np.ones(len(keys), dtype=bool)
    starts[1:] = bucket[1:] != bucket[:-1]
    first = np.maximum.accumulate(np.where(starts, position, 0))
    later = np.flatnonzero(~starts)
    pairs = np.concatenate([row[later - 1], row[first[later]]])
    return (np.tile(row[later], 2) << np.uint64(32)) | pairs


def jaccard(
    pairs: NDArray[np.int64], tokens: NDArray[np.uint32], offsets: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Exact Jaccard similarity of the token sets of each pair of rows."""
    sizes = offsets[pairs + 1] - offsets[pairs]
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
