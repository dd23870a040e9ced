"""Asset checks of the selection."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from fakenews_assets.evaluation.robustness.settings import BEHAVIOURS, PERTURBATIONS

if TYPE_CHECKING:
    from fakenews_assets.evaluation.evaluating import Evaluation
    from fakenews_assets.evaluation.metrics.agreement import Agreement
    from fakenews_assets.selection.policy import Choice
    from fakenews_assets.selection.promotion import Challenge, Selection
    from fakenews_assets.selection.timing import Speeds

SELECTION_CHECKS = {
    "variant_is_faster": "A smaller variant scores more articles per second than the fine-tuned model it replaces.",
    "variant_keeps_quality": "By its stored predictions the choice is within the policy's limits of the best "
    "candidate, and the bundled model repeats these predictions.",
    "bundle_is_complete": "The stored bundle holds every file that serving and auditing need, all intact.",
}


def selection_check_specs() -> list[dg.AssetCheckSpec]:
    """The checks of `selected_model`. Those of behaviour and robustness only warn."""
    blocking = [
        dg.AssetCheckSpec(name, asset="selected_model", description=text, blocking=True)
        for name, text in SELECTION_CHECKS.items()
    ]
    warning = {
        **{f"behaviour_{name}": test.what for name, test in BEHAVIOURS.items() if test.least is not None},
        **{f"robust_to_{name}": f"Holds its macro-F1: {what}." for name, what in PERTURBATIONS.items()},
    }
    return blocking + [
        dg.AssetCheckSpec(name, asset="selected_model", description=text) for name, text in warning.items()
    ]


def blocking_checks(
    selection: "Selection", challenge: "Challenge", bundle: Path
) -> list[dg.AssetCheckResult]:
    """The blocking checks of the chosen candidate.

    Args:
        selection: which candidate was chosen.
        challenge: its bundle, compared with the champion.
        bundle: the bundle's folder, read anew from the store.
    """
    from fakenews_assets.selection.promotion import REFERENCE

    choice = selection.choice
    best, winner = selection.predictions(choice.best), selection.predictions(choice.winner)
    clusters = selection.splits.scan("test").select("cluster_id").collect()["cluster_id"]
    return [
        variant_is_faster(choice.winner, challenge.speeds, REFERENCE),
        variant_keeps_quality(choice, best, winner, challenge.agreement, clusters),
        bundle_is_complete(bundle),
    ]


def warning_checks(evaluation: "Evaluation") -> list[dg.AssetCheckResult]:
    """The behaviour and robustness of the chosen candidate; failures only warn."""
    return [*behaves(evaluation), *stands(evaluation)]


def variant_is_faster(winner: str, speeds: "Speeds", reference: str) -> dg.AssetCheckResult:
    """Compare speeds measured turn by turn. A variant must be faster over the whole interval.

    Args:
        winner: the chosen candidate.
        speeds: measured in one session.
        reference: the candidate that variants replace; the check passes if its speed is not measured.
    """
    if winner == reference:
        passed, text = True, f"{winner} is not a variant; variants are compared with it."
    elif reference not in speeds.seconds:
        passed, text = True, f"{reference} was not judged on these splits: nothing to compare."
    else:
        speed = speeds.ratio(winner, reference)
        passed = speed.low > 1
        text = f"{winner} is {speed.ratio:.2f} times as fast as {reference} ({speed.low:.2f} to {speed.high:.2f})."
    return dg.AssetCheckResult(
        check_name="variant_is_faster",
        passed=passed,
        description=text,
        metadata={f"articles_per_second_{name}": speed for name, speed in speeds.rows_per_second.items()},
    )


def variant_keeps_quality(
    choice: "Choice",
    best: pl.DataFrame,
    winner: pl.DataFrame,
    asked: "Agreement",
    clusters: pl.Series | None = None,
) -> dg.AssetCheckResult:
    """Recompute the loss of macro-F1 from the stored answers, and compare the bundled model's answers with them.

    Args:
        choice: names the two, and the rule.
        best: stored answers of the best candidate, a table of `LABELLED_PREDICTION_SCHEMA`.
        winner: those of the choice, on the same rows.
        asked: the bundled model's predictions for some of these rows.
        clusters: near-duplicate cluster of each row.
    """
    from fakenews_assets.evaluation.metrics.comparison import paired_bootstrap

    policy = choice.policy
    gap = paired_bootstrap(  # of the best over the choice: what is lost is above 0
        winner["true_label"],
        winner["predicted_label"],
        best["predicted_label"],
        clusters,
        resamples=policy.resamples,
        level=policy.significance_level,
        seed=policy.seed,
    )
    # Rounded as in the choice: a loss of exactly what is allowed does not fail by a rounding error.
    loss = round(100 * gap.difference, 9)
    text = f"{choice.winner} is {loss:.2f} points of macro-F1 below {choice.best}; {policy.max_loss_points:g} are allowed."
    if gap.significantly_better:
        text += " That is significantly worse."
    answers = asked.fault or f"the stored answers to {asked.articles} test articles, within {asked.allowed:g}"
    return dg.AssetCheckResult(
        check_name="variant_keeps_quality",
        passed=loss <= policy.max_loss_points and not gap.significantly_better and not asked.fault,
        description=f"{text} Out of the bundle: {answers}.",
        metadata={"loss_points": loss, "asked_again": asked.articles, "largest_difference": asked.largest},
    )


def bundle_is_complete(folder: Path) -> dg.AssetCheckResult:
    """Open a bundle as a server would: every file is hashed. Pass the folder as it lies in the store, and no earlier copy."""
    from fakenews_assets.registry.bundle import BundleError, missing_parts, open_bundle

    try:
        manifest = open_bundle(folder).manifest
        files, missing = len(manifest.files), missing_parts(folder)
        fault = f"missing: {', '.join(missing)}" if missing else ""
    except BundleError as error:
        files, fault = 0, str(error)
    return dg.AssetCheckResult(
        check_name="bundle_is_complete",
        passed=not fault,
        description=fault or f"{files} files, every hash as the manifest says.",
        metadata={"files": files},
    )


def behaves(evaluation: "Evaluation") -> list[dg.AssetCheckResult]:
    """One result per behavioural test with a requirement, with examples of failures."""
    from fakenews_assets.evaluation.robustness.report import failures_table

    found = {one.name: one for one in evaluation.behaviour or ()}
    results = []
    for name, test in BEHAVIOURS.items():
        if test.least is None:
            continue
        one = found.get(name)
        if one is None:
            results.append(_warning(f"behaviour_{name}", False, _NOT_MEASURED))
            continue
        text = "No test article allows the change: nothing to test."
        if one.pass_rate is not None:
            text = f"{one.passed} of {one.cases} cases passed ({one.pass_rate:.1%}); {test.least:.0%} must."
        examples = failures_table(one.failures) if one.failures else "none"
        results.append(
            _warning(
                f"behaviour_{name}",
                not one.fails,
                text,
                {
                    "cases": one.cases,
                    "passed": one.passed,
                    "failing_examples": dg.MetadataValue.md(examples),
                },
            )
        )
    return results


def stands(evaluation: "Evaluation") -> list[dg.AssetCheckResult]:
    """One result per masked part: whether significantly more macro-F1 is lost than allowed."""
    if evaluation.masked is None:
        return [_warning(f"robust_to_{name}", False, _NOT_MEASURED) for name in PERTURBATIONS]
    found = {one.name: one for one in evaluation.masked}
    results = []
    for name in PERTURBATIONS:
        one = found.get(name)
        if one is None:
            text = "Does not apply: the model reads no texts, or the test split has too few such articles."
            results.append(_warning(f"robust_to_{name}", True, text))
            continue
        gap = one.difference
        results.append(
            _warning(
                f"robust_to_{name}",
                not one.falls,
                f"Macro-F1 goes from {one.macro_f1_before:.3f} to {one.macro_f1:.3f}, a difference of"
                f" {gap.difference:+.3f} ({gap.low:+.3f} to {gap.high:+.3f}); {one.limit:g} may be lost.",
                {
                    "difference": gap.difference,
                    "limit": one.limit,
                    "rows": one.rows,
                    "changed": one.changed,
                },
            )
        )
    return results


_NOT_MEASURED = "Not measured. Materialize `evaluation` again."


def _warning(
    name: str, passed: bool, text: str, metadata: Mapping[str, Any] | None = None
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=text,
        metadata=metadata,
    )
