"""Commands of `fakenews`. Each imports what it needs when it runs, so that `--help` answers at once."""

import re
from pathlib import Path
from typing import Annotated

import typer

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Orchestrate the life of a fake-news classifier."
)


@app.callback()
def main() -> None:
    """Orchestrate the life of a fake-news classifier."""


@app.command()
def ingest(
    source: Annotated[
        str,
        typer.Argument(help="A file, or a source such as `sample:rows=6000,era=1`, `welfake:`, https://..."),
    ],
    batch: Annotated[
        str, typer.Option(help="Name of the batch. Default: made from the file's name and content.")
    ] = "",
    train: Annotated[
        bool, typer.Option("--train", help="Go on to splits, training, variants and a champion.")
    ] = False,
) -> None:
    """Register a batch of articles, receive it and clean it."""
    from fakenews_assets.cli.running import GraphRunner, abort_on_failure, batch_name

    source = str(Path(source).resolve()) if Path(source).is_file() else source
    name = batch or batch_name(source)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@+=-]{0,99}", name):
        raise typer.BadParameter(
            "use letters, digits and . _ @ + = - only, 100 at most", param_hint="--batch"
        )
    with abort_on_failure(), GraphRunner() as runner:
        runner.add_batch(name)
        runner.lifecycle(name, source) if train else runner.ingest(name, source)
        runner.show_summary(name)


@app.command()
def demo(
    rows: Annotated[int, typer.Option(help="Articles to generate.", min=500)] = 6000,
) -> None:
    """Run the whole graph on the generated sample; what is done already is skipped."""
    from fakenews_assets.cli.demo import run_demo
    from fakenews_assets.cli.running import abort_on_failure

    with abort_on_failure():
        run_demo(rows)


@app.command()
def simulate_drift(
    url: Annotated[str, typer.Option(help="Where the service is.")] = "http://127.0.0.1:3001",
    era: Annotated[
        int, typer.Option(help="Period of the generated articles; the demo trains on era 0.", min=0)
    ] = 3,
    rows: Annotated[
        int,
        typer.Option(help="Articles to generate and send; the few without a usable title stay out.", min=1),
    ] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the articles and of everything chosen.", min=0)] = 7,
    feedback: Annotated[
        float, typer.Option(help="Share of the articles whose label is sent after them.", min=0, max=1)
    ] = 0.3,
    land: Annotated[
        Path | None,
        typer.Option(
            help="Folder that also gets a labelled file of this era, to be trained on.", file_okay=False
        ),
    ] = None,
    land_rows: Annotated[
        int, typer.Option(help="Rows of that file. Its seed is the next one.", min=1)
    ] = 2000,
    api_key: Annotated[
        str | None, typer.Option(help="The service's key, if it demands one.", envvar="FAKENEWS_API_KEY")
    ] = None,
) -> None:
    """Send articles of another era to a running service, to watch drift being found."""
    from fakenews_assets.cli import drift
    from fakenews_resources.news.sample import SampleSpec

    drift.simulate_drift(
        url,
        SampleSpec(rows=rows, seed=seed, era=era),
        feedback=feedback,
        api_key=api_key,
        batch=SampleSpec(rows=land_rows, seed=seed + 1, era=era),
        folder=land,
    )


@app.command()
def report(
    day: Annotated[str, typer.Argument(help="Day in UTC, such as 2026-11-24. Default: today.")] = "",
    last_rows: Annotated[
        int | None, typer.Option(min=20, help="Judge the last so many articles instead of the day's.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Judge the articles since an ISO time instead of the day's.")
    ] = None,
) -> None:
    """Report on a day of the service: its log, drift, quality by late labels, and the monitoring page."""
    from fakenews_assets.cli.reporting import report_day
    from fakenews_assets.cli.running import abort_on_failure

    with abort_on_failure():
        report_day(day, last_rows, since)


@app.command()
def audit(
    subject: Annotated[
        str,
        typer.Argument(
            help="A request id, or a bundle's sha or its first eight digits. Default: the champion."
        ),
    ] = "",
    row: Annotated[int, typer.Option(help="Which article of the request, from 0.", min=0)] = 0,
) -> None:
    """Compute anew where an answer or a bundle comes from; exit status 1 on any mismatch."""
    from fakenews_assets.cli import auditing
    from fakenews_assets.cli.running import abort_on_failure

    with abort_on_failure():
        if not auditing.audit(subject, row):
            raise typer.Exit(1)


@app.command()
def reproduce(
    bundle: Annotated[
        str, typer.Argument(help="A bundle's sha or its first eight digits, or `champion`.")
    ] = "champion",
    keep: Annotated[
        Path | None,
        typer.Option(help="Empty folder that keeps what is made. Default: nothing is kept.", file_okay=False),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for the comparison.", dir_okay=False)
    ] = None,
) -> None:
    """Make a bundle again from its raw bytes, in a scratch store; exit status 1 if it comes out otherwise."""
    from fakenews_assets.cli import reproducing
    from fakenews_assets.cli.running import abort_on_failure

    with abort_on_failure():
        if not reproducing.reproduce(bundle, keep, json_file):
            raise typer.Exit(1)


@app.command()
def prune(
    keep_bundles: Annotated[
        int, typer.Option(help="Bundles before the champion that stay, to roll back to.", min=1)
    ] = 3,
    older_than: Annotated[float, typer.Option(help="What is younger, in days, stays.", min=1)] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    yes: Yes = False,
    by: Annotated[str, typer.Option(help="Who removes it, for the tombstone. Default: the user.")] = "",
) -> None:
    """Remove bundles and versions that nothing needs any more; raw bytes stay."""
    from fakenews_assets.cli import retention
    from fakenews_assets.cli.running import abort_on_failure

    with abort_on_failure():
        retention.prune_store(keep_bundles, older_than, dry_run=dry_run, yes=yes, by=by)


@app.command()
def erase(
    article_id: Annotated[str, typer.Argument(help="Its id, as in clean_news and in the service's log.")],
    reason: Annotated[
        str, typer.Option(help="Why, for the tombstone. It is kept: do not quote the article.")
    ],
    raw: Annotated[bool, typer.Option("--raw", help="Blank it in the bytes as received too.")] = False,
    yes: Yes = False,
    by: Annotated[str, typer.Option(help="Who asks for it, for the tombstone. Default: the user.")] = "",
) -> None:
    """Erase an article from every table and log; a half-done erasure is finished by the same command."""
    from fakenews_assets.cli import retention
    from fakenews_assets.cli.running import abort_on_failure

    with abort_on_failure():
        retention.erase_article(article_id, reason, raw=raw, yes=yes, by=by)


@app.command()
def retire_batch(
    batch: Annotated[str, typer.Argument(help="Its name.")],
    reason: Annotated[str, typer.Option(help="Why, for the tombstone.")],
    yes: Yes = False,
    by: Annotated[str, typer.Option(help="Who removes it, for the tombstone. Default: the user.")] = "",
) -> None:
    """Remove a batch, raw bytes and all; refused while a bundle that was made of it is kept."""
    from fakenews_assets.cli import retention
    from fakenews_assets.cli.running import abort_on_failure

    with abort_on_failure():
        retention.retire(batch, reason, yes=yes, by=by)


@app.command()
def monitor(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.", min=1, max=65535)] = 3002,
) -> None:
    """Show the monitoring page and the drift reports in a browser."""
    import uvicorn

    from fakenews_assets.cli.monitor import monitor_app
    from fakenews_assets.cli.running import abort_on_failure
    from fakenews_resources.storage.io_manager import storage_from_environment

    with abort_on_failure():
        page = monitor_app(storage_from_environment().store)
    typer.echo(f"Monitoring: http://127.0.0.1:{port}   (Ctrl+C ends it)")
    uvicorn.run(page, host="127.0.0.1", port=port, log_level="warning")
