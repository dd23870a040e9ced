"""Token ids of many rows in flat arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Ragged:
    """Rows of token ids of different lengths in two flat arrays, as Arrow lays out a list column."""

    values: NDArray[np.int32]
    """All rows one after the other, shape [sum of lengths]."""
    lengths: NDArray[np.int64]
    """Ids per row, shape [rows]."""
    starts: NDArray[np.int64]
    """Where each row begins in `values`, shape [rows]."""

    @classmethod
    def from_flat(cls, values: NDArray[np.int32], lengths: NDArray[np.integer]) -> "Ragged":
        """Wrap ids that already lie one row after the other."""
        lengths = lengths.astype(np.int64)
        return cls(values=values, lengths=lengths, starts=np.cumsum(lengths) - lengths)

    def head(self, row: int, length: int) -> NDArray[np.int32]:
        """The first `length` ids of a row."""
        start = self.starts[row]
        return self.values[start : start + length]

    def take(self, rows: NDArray[np.integer]) -> "Ragged":
        """Some rows, in the order asked for."""
        lengths = self.lengths[rows]
        ends = np.cumsum(lengths)
        places = np.repeat(self.starts[rows] - ends + lengths, lengths) + np.arange(lengths.sum())
        return Ragged(values=self.values[places], lengths=lengths, starts=ends - lengths)
