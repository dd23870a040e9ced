"""The blocking checks of the serving group."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from fakenews_assets.common import markdown

if TYPE_CHECKING:  # scikit-learn takes seconds to import, and loading the definitions must not
    from fakenews_assets.serving.verification import Comparison

BENTO_ANSWERS = dg.AssetCheckSpec(
    "bento_answers_as_the_model",
    asset="fakenews_bento",
    description="The started bento and the model in this process give the same answers.",
    blocking=True,
)
CONTEXT_IS_COMPLETE = dg.AssetCheckSpec(
    "context_is_complete",
    asset="container_context",
    description="Every file that the Dockerfiles copy is present, pinned and intact, and none holds a secret.",
    blocking=True,
)


def bento_answers(comparison: "Comparison") -> dg.AssetCheckResult:
    """Check the bento's answers against the model's."""
    return dg.AssetCheckResult(
        passed=comparison.equal,
        check_name=BENTO_ANSWERS.name,
        description=(
            f"Of {comparison.articles} articles {comparison.other_labels} got another label; the largest difference of a"
            f" probability is {comparison.largest_difference:.2g}."
        ),
        metadata={
            "articles": comparison.articles,
            "largest_difference": comparison.largest_difference,
            "other_labels": comparison.other_labels,
        },
    )


def context_is_complete(faults: Sequence[str], files: int) -> dg.AssetCheckResult:
    """Check that a container context is complete, pinned and intact.

    Args:
        faults: see `container.faults`.
        files: how many there are.
    """
    return dg.AssetCheckResult(
        passed=not faults,
        check_name=CONTEXT_IS_COMPLETE.name,
        description="; ".join(faults) or f"{files} files, nothing missing.",
        metadata={"faults": dg.MetadataValue.md(markdown.bullets(faults))},
    )
