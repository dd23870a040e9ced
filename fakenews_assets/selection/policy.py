"""The policy: the fastest candidate that is good enough."""

from collections.abc import Callable, Sequence

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.evaluation.metrics.comparison import PairedDifference, paired_bootstrap
from fakenews_assets.evaluation.unseen.publishers import compare_unseen
from fakenews_assets.selection.candidates import Candidate, require_same_rows
from fakenews_assets.selection.settings import SelectionPolicy
from fakenews_assets.selection.timing import Speeds


class Verdict(BaseModel):
    """The policy's verdict on one candidate."""

    model_config = ConfigDict(frozen=True)

    name: str
    eligible: bool
    reasons: tuple[str, ...] = Field(description="Reasons, in words.")
    macro_f1: float
    loss_points: float = Field(description="Points of macro-F1 below the best candidate.")
    difference: PairedDifference = Field(description="Its macro-F1 minus that of the best candidate.")
    unseen_roc_auc: float | None = Field(
        description="On the held-out publishers of the selection split; None: too few are held out."
    )
    unseen_difference: PairedDifference | None = Field(
        description="Its ROC AUC on them minus that of the best candidate, over publishers; None: no interval."
    )
    rows_per_second: float = Field(
        description="At batch 32: in turns with the others that are good enough, else as evaluated alone."
    )
    latency_p50_ms: float = Field(description="Of one article.")
    megabytes: float = Field(description="On disk, in units of 10^6 bytes.")


class Choice(BaseModel):
    """The policy's choice, with its verdict on every candidate."""

    model_config = ConfigDict(frozen=True)

    winner: str
    best: str = Field(
        description="The candidate with which the others are compared: the highest ROC AUC on unseen publishers, or the"
        " highest macro-F1 where too few are held out."
    )
    policy: SelectionPolicy
    verdicts: tuple[Verdict, ...] = Field(description="One per candidate, the best first.")


def choose(
    candidates: Sequence[Candidate],
    policy: SelectionPolicy,
    clusters: pl.Series | None = None,
    *,
    unseen: pl.DataFrame | None = None,
    measure_speeds: Callable[[Sequence[str]], Speeds] | None = None,
) -> Choice:
    """Choose the candidate with the most articles per second among those that are good enough.

    Good enough: at most `max_loss_points` of macro-F1 and `max_unseen_loss_points` of ROC AUC on unseen publishers below
    the best candidate, in neither significantly worse by a paired bootstrap, and under the ceilings. Equal speed: the
    smaller one wins.

    Args:
        candidates: all judged on the same rows in the same order.
        policy: the limits.
        clusters: near-duplicate cluster of each row, in the order of the predictions; None draws rows.
        unseen: the articles behind the candidates' `unseen` predictions, columns of ARTICLE_SCHEMA; None: there are none.
        measure_speeds: times the named candidates in turns; None: each as it was evaluated.

    Raises:
        ValueError: there is no candidate, two share a name, one was judged on other rows (the message names
            it), macro-F1 is undefined, or no candidate is good enough (the message says what to relax).
    """
    if not candidates:
        raise ValueError("There is no candidate to choose from; materialize an evaluation first.")
    names = [candidate.name for candidate in candidates]
    if len(set(names)) < len(names):
        raise ValueError(f"Two candidates share a name: {', '.join(sorted(names))}. Give each its own.")
    require_same_rows({candidate.name: candidate.predictions for candidate in candidates})
    require_same_rows({candidate.name: candidate.unseen for candidate in candidates})

    ranking = sorted(
        candidates,
        key=lambda one: (-(one.unseen_roc_auc or 0), -one.macro_f1, -one.rows_per_second, one.name),
    )
    verdicts = [_judge(candidate, ranking[0], policy, clusters, unseen) for candidate in ranking]
    names = [verdict.name for verdict in verdicts if verdict.eligible]
    if not names:
        raise ValueError(_what_to_relax(verdicts, policy))
    if measure_speeds is not None:
        speeds = measure_speeds(names).rows_per_second
        verdicts = [
            verdict.model_copy(update={"rows_per_second": speeds.get(verdict.name, verdict.rows_per_second)})
            for verdict in verdicts
        ]
    eligible = [verdict for verdict in verdicts if verdict.eligible]
    winner = min(eligible, key=lambda one: (-one.rows_per_second, one.megabytes, one.name))
    return Choice(
        winner=winner.name,
        best=ranking[0].name,
        policy=policy,
        verdicts=tuple(_with_outcome(verdict, winner) for verdict in verdicts),
    )


def _judge(
    candidate: Candidate,
    best: Candidate,
    policy: SelectionPolicy,
    clusters: pl.Series | None,
    unseen: pl.DataFrame | None,
) -> Verdict:
    rows = candidate.predictions
    difference = paired_bootstrap(
        rows["true_label"],
        best.predictions["predicted_label"],
        rows["predicted_label"],
        clusters,
        resamples=policy.resamples,
        level=policy.significance_level,
        seed=policy.seed,
    )
    # Rounded, so that a loss of exactly what is allowed does not fail by a rounding error.
    loss = round(100 * (best.macro_f1 - candidate.macro_f1), 9)
    latency = candidate.evaluation.speed.latency_p50_ms
    against = []
    if loss > policy.max_loss_points:
        against.append(
            f"loses {loss:.2f} points of macro-F1 to {best.name}; {policy.max_loss_points:g} are allowed"
        )
    if difference.significantly_worse:
        against.append(
            f"significantly worse than {best.name}: by {-100 * difference.high:.2f} to"
            f" {-100 * difference.low:.2f} points at the {policy.significance_level:.0%} level"
        )
    auc, best_auc = candidate.unseen_roc_auc, best.unseen_roc_auc
    of_unseen = None
    if unseen is not None and auc is not None and best_auc is not None:
        of_unseen = compare_unseen(
            unseen,
            best.unseen["probability"],
            candidate.unseen["probability"],
            resamples=policy.resamples,
            level=policy.significance_level,
            seed=policy.seed,
        )
        lost = round(100 * (best_auc - auc), 9)
        if lost > policy.max_unseen_loss_points:
            against.append(
                f"loses {lost:.2f} points of ROC AUC on unseen publishers to {best.name};"
                f" {policy.max_unseen_loss_points:g} are allowed"
            )
        if of_unseen is not None and of_unseen.significantly_worse:
            against.append(
                f"significantly worse than {best.name} on unseen publishers: by {-100 * of_unseen.high:.2f} to"
                f" {-100 * of_unseen.low:.2f} points of ROC AUC at the {policy.significance_level:.0%} level"
            )
    if policy.max_megabytes is not None and candidate.megabytes > policy.max_megabytes:
        against.append(f"takes {candidate.megabytes:.1f} MB; {policy.max_megabytes:g} are allowed")
    if policy.max_latency_ms is not None and latency > policy.max_latency_ms:
        against.append(f"takes {latency:.2f} ms for one article; {policy.max_latency_ms:g} are allowed")
    return Verdict(
        name=candidate.name,
        eligible=not against,
        reasons=tuple(against),
        macro_f1=candidate.macro_f1,
        loss_points=loss,
        difference=difference,
        unseen_roc_auc=auc,
        unseen_difference=of_unseen,
        rows_per_second=candidate.rows_per_second,
        latency_p50_ms=latency,
        megabytes=candidate.megabytes,
    )


def _with_outcome(verdict: Verdict, winner: Verdict) -> Verdict:
    """Add why each eligible candidate won or lost."""
    if not verdict.eligible:
        return verdict
    if verdict is winner:
        reason = "the fastest of those that are good enough"
    elif verdict.rows_per_second < winner.rows_per_second:
        reason = (
            f"good enough, but slower than {winner.name}: {verdict.rows_per_second:,.0f} articles/s against"
            f" {winner.rows_per_second:,.0f}"
        )
    else:
        reason = f"good enough and as fast as {winner.name}, but not smaller"
    return verdict.model_copy(update={"reasons": (reason,)})


def _what_to_relax(verdicts: Sequence[Verdict], policy: SelectionPolicy) -> str:
    """The best candidate always meets the demand on quality, so a ceiling stands in the way."""
    best = verdicts[0]
    ways = []
    if policy.max_megabytes is not None and best.megabytes > policy.max_megabytes:
        ways.append(f"max_megabytes to {best.megabytes:.1f} or more")
    if policy.max_latency_ms is not None and best.latency_p50_ms > policy.max_latency_ms:
        ways.append(f"max_latency_ms to {best.latency_p50_ms:.2f} or more")
    lines = [f"{verdict.name}: {'; '.join(verdict.reasons)}." for verdict in verdicts]
    return "\n".join(
        [
            "No candidate satisfies the selection policy.",
            *lines,
            f"Raise {' and '.join(ways)} to admit {best.name}, or relax the limits that exclude another one above.",
        ]
    )
