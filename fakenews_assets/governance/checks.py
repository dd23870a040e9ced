"""The blocking check of the audit."""

from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from fakenews_assets.governance.audit.audit_log import Audit

CHAIN_IS_INTACT = dg.AssetCheckSpec(
    "chain_is_intact",
    asset="audit_report",
    description="Everything that the champion was made of matches its records, from its bundle to the raw bytes.",
    blocking=True,
)


def chain_is_intact(audit: "Audit") -> dg.AssetCheckResult:
    """The audit's checks all passed; failures are named."""
    from fakenews_assets.governance.audit.report import findings, verdict

    return dg.AssetCheckResult(
        check_name=CHAIN_IS_INTACT.name,
        passed=audit.intact,
        description="\n".join([verdict(audit), *findings(audit)]),
        metadata={"checks": len(audit.checks), "faults": len(audit.faults)},
    )
