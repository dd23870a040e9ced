"""Asset checks of the selection."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from fakenews_assets.ensembling.partitions import ENSEMBLES
from fakenews_assets.evaluation.robustness.settings import BEHAVIOURS, PERTURBATIONS

if TYPE_CHECKING:
    from fakenews_assets.evaluation.evaluating import Evaluation
    from fakenews_assets.evaluation.metrics.agreement import Agreement
    from fakenews_assets.evaluation.unseen.parity import Parity
    from fakenews_assets.selection.promotion import Challenge, Selection
    from fakenews_assets.selection.settings import SelectionPolicy
    from fakenews_assets.selection.timing import Speeds

SELECTION_CHECKS = {
    "variant_is_faster": "A smaller variant scores more articles per second than the fine-tuned model it replaces.",
    "bundle_repeats_predictions": "The bundled model repeats the predictions that it was chosen for.",
    "bundle_is_complete": "The stored bundle holds every file that serving and auditing need, all intact.",
}


def selection_check_specs() -> list[dg.AssetCheckSpec]:
    """The checks of `selected_model`. Those of behaviour and robustness only warn, that of parity as configured."""
    blocking = [
        dg.AssetCheckSpec(name, asset="selected_model", description=text, blocking=True)
        for name, text in SELECTION_CHECKS.items()
    ]
    warning = {
        "parity_between_groups": "Real articles of each group, such as a political leaning, are called fake about equally often.",
        **{f"behaviour_{name}": test.what for name, test in BEHAVIOURS.items() if test.least is not None},
        **{
            f"robust_to_{name}": f"Macro-F1 falls by no more than is tolerated: {what}."
            for name, what in PERTURBATIONS.items()
        },
    }
    return blocking + [
        dg.AssetCheckSpec(name, asset="selected_model", description=text) for name, text in warning.items()
    ]


def promotion_checks(
    selection: "Selection", challenge: "Challenge", bundle: Path
) -> list[dg.AssetCheckResult]:
    """The checks that the chosen candidate must pass to be promoted; a failed one of severity WARN does not stop it.

    Args:
        selection: which candidate was chosen.
        challenge: its bundle, compared with the champion.
        bundle: the bundle's folder, read anew from the store.
    """
    from fakenews_assets.selection.promotion import REFERENCE

    return [
        variant_is_faster(selection.choice.winner, selection.speeds, REFERENCE),
        bundle_repeats_predictions(challenge.agreement),
        bundle_is_complete(bundle),
        parity_between_groups(challenge.parity, selection.choice.policy),
    ]


def warning_checks(evaluation: "Evaluation") -> list[dg.AssetCheckResult]:
    """The behaviour and robustness of the chosen candidate; failures only warn."""
    return [*behaves(evaluation), *stands(evaluation)]


def variant_is_faster(winner: str, speeds: "Speeds", reference: str) -> dg.AssetCheckResult:
    """Compare speeds measured turn by turn. A smaller variant must be faster over the whole interval.

    An ensemble is slower than its encoder, and is chosen for its quality.

    Args:
        winner: the chosen candidate.
        speeds: measured in one session.
        reference: the candidate that variants replace; the check passes if its speed is not measured.
    """
    if winner in (reference, "frozen", *ENSEMBLES):
        passed, text = (
            True,
            f"{winner} is not a smaller variant; only those have to be faster than {reference}.",
        )
    elif reference not in speeds.seconds:
        passed, text = True, f"{reference} was not evaluated on these splits: nothing to compare."
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


def bundle_repeats_predictions(asked: "Agreement") -> dg.AssetCheckResult:
    """Whether the bundled model gives the answers that the candidate was chosen for."""
    return dg.AssetCheckResult(
        check_name="bundle_repeats_predictions",
        passed=not asked.fault,
        description=asked.fault
        or f"The stored answers to {asked.articles:,} selection articles, within {asked.allowed:g}.",
        metadata={"asked_again": asked.articles, "largest_difference": asked.largest},
    )


def parity_between_groups(parity: "Parity | None", policy: "SelectionPolicy") -> dg.AssetCheckResult:
    """Whether reliable publishers of one group are called fake about as often as those of another.

    Args:
        parity: error rates by group; None: they are not known, and the check passes.
        policy: how much they may differ, and whether more stops the promotion.
    """
    text = "The groups of too few publishers are known: nothing to compare."
    if parity is not None:
        where = "articles of unseen publishers" if parity.unseen else "articles"
        rates = "; ".join(
            f"{one.group} {one.false_positive.rate:.1%} ({one.false_positive.interval.low:.1%} to"
            f" {one.false_positive.interval.high:.1%})"
            for one in parity.groups
            if one.false_positive
        )
        text = (
            f"Real {where} called fake: {rates}. The largest difference is {parity.gap_points:.1f} points;"
            f" {policy.max_parity_gap_points:g} are allowed."
        )
    return dg.AssetCheckResult(
        check_name="parity_between_groups",
        passed=parity is None or parity.gap_points <= policy.max_parity_gap_points,
        severity=dg.AssetCheckSeverity.ERROR if policy.parity_blocks else dg.AssetCheckSeverity.WARN,
        description=text,
        metadata={"gap_points": parity.gap_points} if parity else None,
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
