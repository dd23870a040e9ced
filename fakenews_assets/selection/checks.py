"""Blocking checks of the selection: nothing is built of a choice that fails one."""

from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from fakenews_assets.selection.policy import Choice

SELECTION_CHECKS = {
    "variant_is_faster": "A smaller variant scores more articles per second than the fine-tuned model it replaces.",
    "variant_keeps_quality": "The choice is as good as the policy demands of it, against the best candidate.",
    "bundle_is_complete": "The bundle holds all that serving and auditing need, and every file is intact.",
}


def selection_check_specs() -> list[dg.AssetCheckSpec]:
    """The checks that `selected_model` makes of its choice."""
    return [
        dg.AssetCheckSpec(name, asset="selected_model", description=text, blocking=True)
        for name, text in SELECTION_CHECKS.items()
    ]


def variant_is_faster(winner: str, speeds: dict[str, float], reference: str) -> dg.AssetCheckResult:
    """Compare speeds measured turn by turn.

    Args:
        winner: the chosen candidate.
        speeds: articles per second by candidate.
        reference: the candidate that variants replace; without a speed of it there is nothing to be faster than.
    """
    ratio = speeds[winner] / speeds[reference] if reference in speeds else None
    if winner == reference or ratio is None:
        passed, text = True, f"{winner} is no variant of {reference}."
    else:
        passed = ratio > 1
        text = f"{winner} is {ratio:.2f} times as fast as {reference}."
    return dg.AssetCheckResult(
        check_name="variant_is_faster",
        passed=passed,
        description=text,
        metadata={f"articles_per_second_{name}": speed for name, speed in speeds.items()},
    )


def variant_keeps_quality(choice: "Choice") -> dg.AssetCheckResult:
    """Hold the choice against the best candidate once more, by the numbers that are reported."""
    verdict = next(one for one in choice.verdicts if one.name == choice.winner)
    allowed = choice.policy.max_loss_points
    return dg.AssetCheckResult(
        check_name="variant_keeps_quality",
        passed=verdict.loss_points <= allowed and not verdict.difference.significantly_worse,
        description=f"{choice.winner} is {verdict.loss_points:.2f} points of macro-F1 below {choice.best};"
        f" {allowed:g} are allowed.",
        metadata={"loss_points": verdict.loss_points, "macro_f1": verdict.macro_f1},
    )


def bundle_is_complete(folder: Path) -> dg.AssetCheckResult:
    """Open a bundle as a server would."""
    from fakenews_assets.selection.bundle import BundleError, missing_parts, open_bundle

    missing = missing_parts(folder)
    try:
        files = len(open_bundle(folder).manifest.files)
        fault = f"missing: {', '.join(missing)}" if missing else ""
    except BundleError as error:
        files, fault = 0, str(error)
    return dg.AssetCheckResult(
        check_name="bundle_is_complete",
        passed=not fault,
        description=fault or f"{files} files, every hash as the manifest says.",
        metadata={"files": files},
    )
