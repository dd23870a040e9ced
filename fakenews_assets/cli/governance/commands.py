"""Commands that audit and delete. Each imports what it needs when it runs, so that `--help` answers at once."""

from pathlib import Path
from typing import Annotated

import typer

from fakenews_assets.cli.errors import abort_on_failure

_AUDIT = "Audit"
_DELETION = "Deletion"

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
By = Annotated[str, typer.Option(help="Name to record in the tombstone; default: the current user.")]

app = typer.Typer()


@app.command(rich_help_panel=_AUDIT)
@abort_on_failure()
def audit(
    subject: Annotated[
        str,
        typer.Argument(
            help="A request id, or a bundle's SHA or its first eight digits; default: the champion."
        ),
    ] = "",
    row: Annotated[
        int | None,
        typer.Option(
            help="Which article of the request, counted from 1; needed where it has several.", min=1
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            help="Empty folder that gets the evidence, for `fakenews verify` on another machine.",
            file_okay=False,
        ),
    ] = None,
) -> None:
    """Trace a prediction or a bundle back to its raw data and recompute each step; exit 1 on mismatch.

    Examples:

        fakenews audit

        fakenews audit REQUEST_ID --row 2 --export evidence
    """
    from fakenews_assets.cli.governance import auditing

    if not auditing.audit(subject, row, export):
        raise typer.Exit(1)


@app.command(rich_help_panel=_AUDIT)
@abort_on_failure()
def verify(
    export: Annotated[Path, typer.Argument(help="Folder that `fakenews audit --export` wrote.", exists=True)],
    heads: Annotated[
        str, typer.Option(help="Heads that were published elsewhere: a folder, or gs://bucket/prefix.")
    ] = "",
    key: Annotated[
        Path | None,
        typer.Option(help="Public key that each bundle has to be signed with.", exists=True, dir_okay=False),
    ] = None,
) -> None:
    """Verify exported evidence, without the store that it came from; exit 1 on mismatch.

    Example:

        fakenews verify evidence --heads published --key public.pem
    """
    from fakenews_assets.cli.governance import auditing

    if not auditing.verify(export, heads, key):
        raise typer.Exit(1)


@app.command(rich_help_panel=_AUDIT)
@abort_on_failure()
def seal() -> None:
    """Seal the records and the service's log, and publish the heads of both chains; audits find later changes.

    Example:

        fakenews seal
    """
    from fakenews_assets.cli.governance import sealing

    sealing.seal()


@app.command(rich_help_panel=_AUDIT)
@abort_on_failure()
def sign(
    bundle: Annotated[str, typer.Argument(help="A bundle's SHA or its first eight digits.")],
    key: Annotated[
        Path | None,
        typer.Option(help="Private key; default: FAKENEWS_SIGNING_KEY.", exists=True, dir_okay=False),
    ] = None,
) -> None:
    """Sign a bundle in OpenSSF's model-signing format, in place of a signature that it has.

    Example:

        fakenews sign 1a2b3c4d --key private.pem
    """
    from fakenews_assets.cli.governance import sealing

    sealing.sign(bundle, key)


@app.command(rich_help_panel=_AUDIT)
@abort_on_failure()
def reproduce(
    bundle: Annotated[
        str, typer.Argument(help="A bundle's SHA or its first eight digits, or `champion`.")
    ] = "champion",
    keep: Annotated[
        Path | None,
        typer.Option(help="Empty folder that keeps the scratch store; default: delete it.", file_okay=False),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File to write the comparison to.", dir_okay=False)
    ] = None,
) -> None:
    """Retrain from raw data in a scratch store and compare; exit 1 on mismatch.

    Example:

        fakenews reproduce champion --json comparison.json
    """
    from fakenews_assets.cli.governance import reproducing

    if not reproducing.reproduce(bundle, keep, json_file):
        raise typer.Exit(1)


@app.command(rich_help_panel=_DELETION)
@abort_on_failure()
def prune(
    keep_bundles: Annotated[int, typer.Option(help="Earlier champions to keep, for rollbacks.", min=1)] = 3,
    older_than: Annotated[
        float, typer.Option(help="Delete only what is at least this old, in days.", min=1)
    ] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be deleted.")] = False,
    yes: Yes = False,
    by: By = "",
) -> None:
    """Delete bundles and versions that nothing needs; raw data is kept.

    Example:

        fakenews prune --dry-run
    """
    from fakenews_assets.cli.governance import retention

    retention.prune_store(keep_bundles, older_than, dry_run=dry_run, yes=yes, by=by)


@app.command(rich_help_panel=_DELETION)
@abort_on_failure()
def erase(
    article_id: Annotated[
        str, typer.Argument(help="The `article_id` in clean_news or in the prediction log; or use --title.")
    ] = "",
    *,
    reason: Annotated[
        str, typer.Option(help="Reason to record in the tombstone, which stays: do not quote the article.")
    ],
    title: Annotated[str, typer.Option(help="Title of the article, whole, instead of its id.")] = "",
    raw: Annotated[bool, typer.Option("--raw", help="Blank the article in the raw bytes too.")] = False,
    yes: Yes = False,
    by: By = "",
) -> None:
    """Erase an article from every table and log; run again to finish an interrupted erasure.

    Example:

        fakenews erase ARTICLE_ID --reason "request 17" --raw

        fakenews erase --title "Water board votes against itself" --reason "request 17"
    """
    from fakenews_assets.cli.governance import retention

    retention.erase_article(article_id, title, reason, raw=raw, yes=yes, by=by)


@app.command(rich_help_panel=_DELETION)
@abort_on_failure()
def retire_batch(
    batch: Annotated[str, typer.Argument(help="Name of the batch.")],
    reason: Annotated[str, typer.Option(help="Reason to record in the tombstone.")],
    yes: Yes = False,
    by: By = "",
) -> None:
    """Delete a batch and its raw bytes; refused while a kept bundle was trained on it.

    Example:

        fakenews retire-batch news-1a2b3c4d --reason "the licence ended"
    """
    from fakenews_assets.cli.governance import retention

    retention.retire(batch, reason, yes=yes, by=by)
