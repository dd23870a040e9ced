"""Training that leans less on who published an article: how often each source is seen, and what its errors weigh."""

from typing import Final

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers.modeling_outputs import SequenceClassifierOutput

from fakenews_assets.training.module import TokenBatch

MOST_REPEATS: Final = 10
"""Of one row in an epoch: a group of a few rows would be learnt by heart."""

_STEP_SIZE: Final = 0.01
"""Of group DRO's weights, as in Sagawa et al.'s experiments."""


def source_groups(train: pl.DataFrame) -> NDArray[np.int64]:
    """Number the pairs of source and label, shape [rows], from 0.

    Args:
        train: column `label`, and `source` where sources are known; rows without a source count as one source.
    """
    source = train["source"].fill_null("") if "source" in train.columns else pl.Series([""] * len(train))
    pairs = pl.DataFrame({"source": source, "label": train["label"]})
    return pairs.select(pl.struct("source", "label").rank("dense") - 1).to_series().cast(pl.Int64).to_numpy()


def tells_sources_apart(train: pl.DataFrame) -> bool:
    """Whether training rows are of two sources at least, so that there is something to balance."""
    return "source" in train.columns and train["source"].n_unique() > 1


def balanced_rows(groups: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw as many rows as there are, equally many of each group as far as `MOST_REPEATS` allows.

    A small group's rows repeat, each as often as any other of its group, give or take one; of a large group a part is
    drawn, another one each time.

    Args:
        groups: of each row, shape [rows], numbered from 0 without gaps.
        rng: decides which rows.

    Returns:
        Indices of rows, shape [rows], group by group.
    """
    drawn: list[NDArray[np.int64]] = []
    for group, share in enumerate(_shares(np.bincount(groups))):
        members = np.flatnonzero(groups == group)
        whole, rest = divmod(int(share), len(members))
        drawn += [np.tile(members, whole), rng.permutation(members)[:rest]]
    return np.concatenate(drawn)


def _shares(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows to draw of each group: what a small group may not give, the larger ones share."""
    shares = np.zeros_like(sizes)
    left = int(sizes.sum())
    smallest_first = np.argsort(sizes, kind="stable")
    for place, group in enumerate(smallest_first):
        shares[group] = min(MOST_REPEATS * int(sizes[group]), left // (len(sizes) - place))
        left -= int(shares[group])
    return shares


class GroupDro(nn.Module):
    """Minimise the loss of the worst-off groups, not the mean (group DRO).

    Algorithm 1 of Sagawa et al., "Distributionally Robust Neural Networks for Group Shifts", ICLR 2020. In a
    distributed training the weights follow the batches of the first process: DDP hands them, being a buffer, to the others
    before every step.
    """

    needs_hidden_states: bool = False

    def __init__(self, groups: NDArray[np.int64]) -> None:
        """Start with equal weights.

        Args:
            groups: of each training row, shape [rows], numbered from 0 without gaps.
        """
        super().__init__()
        self.register_buffer("groups", torch.tensor(groups), persistent=False)
        count = int(groups.max()) + 1
        self.register_buffer("weights", torch.full((count,), 1 / count))

    def forward(
        self,
        label_losses: Tensor,
        output: SequenceClassifierOutput,  # noqa: ARG002 - every objective gets it
        batch: TokenBatch,
    ) -> Tensor:
        """Weigh each row's loss, float32 [batch]; their sum over the batch is `batch` times the weighted group loss."""
        groups, weights = self.get_buffer("groups")[batch["rows"]], self.get_buffer("weights")
        counts = torch.bincount(groups, minlength=len(weights))
        means = torch.zeros_like(weights).index_add_(0, groups, label_losses.detach()) / counts.clamp(min=1)
        # A group that the batch does not hold has a mean of 0 and keeps its weight until all are scaled to 1.
        weights.mul_(torch.exp(_STEP_SIZE * means)).div_(weights.sum())
        return label_losses * weights[groups] * len(groups) / counts[groups]
