"""Assets of the group audit."""

from collections.abc import Iterator
from contextlib import suppress

import dagster as dg

from fakenews_assets.common.assets import asset
from fakenews_assets.governance.checks import CHAIN_IS_INTACT, chain_is_intact
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.io_manager import Storage, checked


@asset(
    # Which versions of these is not for the graph to say: the champion's manifest names them.
    deps=["raw_news", "clean_news", "article_clusters", "splits", "evaluation", "selected_model", "champion"],
    group_name="audit",
    owners=["team:ml"],
    kinds={"polars"},
    code_version="1",
    check_specs=[CHAIN_IS_INTACT],
    # It uses every core, and others may be measuring speed.
    pool="training",
)
def audit_report(
    context: dg.AssetExecutionContext, storage: Storage
) -> Iterator[dg.MaterializeResult[Artifact]]:
    """The champion's chain from its bundle to the raw bytes and the code, recomputed. Any mismatch fails the audit."""
    from fakenews_assets.governance.audit.chain import NothingToAudit, audit_champion
    from fakenews_assets.governance.audit.report import AUDIT_FILE, REPORT_FILE, to_markdown, verdict

    try:
        with storage.afresh() as store:
            audit = audit_champion(store, storage.log_backend(store))
    except NothingToAudit as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    with suppress(dg.Failure, ValueError):  # what is wrong with it, the audit says
        storage.read(context, "selected_model")
    text = to_markdown(audit)
    draft = storage.draft()
    (draft.path / AUDIT_FILE).write_text(audit.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (draft.path / REPORT_FILE).write_text(text, encoding="utf-8")
    draft.meta.update(bundle=audit.bundle, intact=audit.intact)
    yield checked(
        draft,
        [chain_is_intact(audit)],
        {
            "verdict": verdict(audit),
            "bundle": audit.bundle,
            "checks": len(audit.checks),
            "faults": len(audit.faults),
            "report": dg.MetadataValue.md(text),
        },
    )
