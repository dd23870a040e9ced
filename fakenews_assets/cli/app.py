"""Commands of `fakenews`. Each imports what it needs when it runs, so that `--help` answers at once."""

from pathlib import Path
from typing import Annotated

import typer

from fakenews_assets.cli.errors import abort_on_failure

_TRAINING = "Data and training"
_MONITORING = "Monitoring"
_AUDIT = "Audit"
_DELETION = "Deletion"

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
By = Annotated[str, typer.Option(help="Name to record in the tombstone; default: the current user.")]

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def main() -> None:
    """Train, evaluate, monitor and audit a fake-news classifier.

    Runs are recorded in the same Dagster instance that `make ui` shows.
    """


@app.command(rich_help_panel=_TRAINING)
@abort_on_failure()
def ingest(
    addresses: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="A file, or several that make one batch; an https:// or gs:// address; `isot:FOLDER`, `liar:FOLDER` or"
            " another recipe of a published data set; `welfake:`, which downloads it; or generated articles such as"
            " `sample:rows=6000,era=1`.",
        ),
    ],
    batch: Annotated[
        str,
        typer.Option(help="Name of the batch; default: the file's name and the start of its SHA-256."),
    ] = "",
    source: Annotated[
        str | None,
        typer.Option(help="Publisher of the rows that name none, such as example.com."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=NAME",
            help="Column that holds title, text, label, source, url, group or published_at, such as text=story."
            " `FIELD=` for none. May be repeated.",
        ),
    ] = None,
    header: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Names of the columns of CSV files without a header line."),
    ] = None,
    title_words: Annotated[
        int | None,
        typer.Option(help="Make titles of so many first words of the text, if no column holds them.", min=0),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORD=MEANING,...",
            help="What words of the label column mean: real, fake or unlabelled, such as true=real,false=fake.",
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="real|fake",
            help="Label of all rows of a file; with several files, one each in their order.",
        ),
    ] = None,
    day_first: Annotated[
        bool | None,
        typer.Option(
            "--day-first/--month-first",
            help="Whether 03/04/2017 is in April. Default: what the other dates of the column say.",
        ),
    ] = None,
    label_by_rating: Annotated[
        bool,
        typer.Option(
            "--label-by-rating",
            help="Label articles without a label by their publisher's rating; see `fakenews rate`.",
        ),
    ] = False,
    fake_below: Annotated[
        float, typer.Option(help="With --label-by-rating: publishers rated lower are fake.", min=0, max=1)
    ] = 0.5,
    real_from: Annotated[
        float,
        typer.Option(help="With --label-by-rating: publishers rated this high are real.", min=0, max=1),
    ] = 0.65,
    train: Annotated[
        bool, typer.Option("--train", help="Also train, evaluate and select a champion.")
    ] = False,
) -> None:
    """Ingest a batch of articles: store it as received, clean it and check it.

    Examples:

        fakenews ingest news.csv

        fakenews ingest news.csv --train

        fakenews ingest scraped.jsonl --source example.com

        fakenews ingest claims.csv --column title=Statement --labels true=real,false=fake

        fakenews ingest True.csv Fake.csv --label real --label fake

        fakenews ingest isot:downloads/isot

        fakenews ingest articles.csv --label-by-rating
    """
    from fakenews_assets.cli import ingesting
    from fakenews_assets.cli.options import columns_given, emptied, labels_given, labels_of_files

    if fake_below > real_from:
        raise typer.BadParameter("must not be above --real-from", param_hint="--fake-below")
    given = {
        "header": tuple(filter(None, (name.strip() for name in (header or "").split(",")))),
        "columns": columns_given(column or []),
        "labels": labels_given(labels or []),
        "file_labels": labels_of_files(label or [], len(addresses)),
        "title_words": title_words or 0,
        "source": source or "",
        "day_first": day_first,
        "forgotten": emptied(
            header=header,
            columns=column,
            labels=labels,
            file_labels=label,
            title_words=title_words,
            source=source,
        ),
    }
    rule = {"fake_below": fake_below, "real_from": real_from} if label_by_rating else None
    ingesting.ingest(addresses, batch, given=given, rule=rule, train=train)


@app.command(rich_help_panel=_TRAINING)
@abort_on_failure()
def admit(
    batch: Annotated[str, typer.Argument(help="Name of a batch that a check refused.")],
    because: Annotated[str, typer.Option(help="Why the batch is right as it is; kept for the audit.")],
    by: Annotated[str, typer.Option(help="Name to record; default: the current user.")] = "",
) -> None:
    """Admit a batch although the balance or the meaning of its labels was refused.

    Who admitted it, when and why is stored, shown in the UI, and told by `fakenews audit`.

    Example:

        fakenews admit news-1f2e3d4c --because "all of them are of one fact-checker"
    """
    import getpass

    from fakenews_assets.cli import ingesting

    ingesting.admit(batch, because, by or getpass.getuser())


@app.command(rich_help_panel=_TRAINING)
@abort_on_failure()
def rate(
    address: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A CSV or Parquet file, a folder of such files, or an https:// or gs:// address.",
        ),
    ],
    source_column: Annotated[
        str, typer.Option(help="Column of the publisher; default: `domain`, `url`, `source` or the like.")
    ] = "",
    rating_column: Annotated[
        str,
        typer.Option(help="Column of the rating, from 0 to 1; default: `rating`, `score` or `pc1`."),
    ] = "",
    max_unusable_share: Annotated[
        float, typer.Option(help="Refuse the table if a larger share of its rows is unusable.", min=0, max=1)
    ] = 0.1,
) -> None:
    """Store a table of publishers' quality ratings, which label articles of known publishers.

    Batches that were ingested with --label-by-rating are labelled again.

    Examples:

        fakenews rate ratings.csv

        fakenews ingest articles.csv --label-by-rating
    """
    from fakenews_assets.cli import rating

    rating.rate(address, source_column, rating_column, max_unusable_share)


@app.command(rich_help_panel=_TRAINING)
@abort_on_failure()
def register(
    batches: Annotated[
        list[str] | None, typer.Argument(metavar="[BATCH]...", help="Names of batches; default: all.")
    ] = None,
) -> None:
    """Bring stored batches into this Dagster instance, such as after its database was lost.

    Only batches that are both stored and registered count. A partition that was deleted in the UI comes back too;
    `fakenews retire-batch` deletes a batch for good.
    """
    from fakenews_assets.cli import registering

    registering.register(batches or [])


@app.command(rich_help_panel=_TRAINING)
@abort_on_failure()
def demo(
    rows: Annotated[int, typer.Option(help="Number of generated articles.", min=500)] = 2400,
) -> None:
    """Run the whole graph on generated articles and print the leaderboard; finished steps are skipped."""
    from fakenews_assets.cli.demo import run_demo

    run_demo(rows)


@app.command(rich_help_panel=_MONITORING)
@abort_on_failure()
def simulate_drift(
    url: Annotated[str, typer.Option(help="Address of the service.")] = "http://127.0.0.1:3001",
    era: Annotated[
        int, typer.Option(help="Era of the generated articles; the demo trains on era 0.", min=0)
    ] = 3,
    rows: Annotated[
        int,
        typer.Option(help="Articles to generate and send; those without a usable title are left out.", min=1),
    ] = 1000,
    seed: Annotated[int, typer.Option(help="Random seed.", min=0)] = 7,
    feedback: Annotated[
        float, typer.Option(help="Share of articles whose true label is sent as feedback.", min=0, max=1)
    ] = 0.3,
    land: Annotated[
        Path | None,
        typer.Option(
            help="Also write a labelled file of this era to this folder, to be trained on.", file_okay=False
        ),
    ] = None,
    land_rows: Annotated[
        int, typer.Option(help="Rows of that file; its seed is the next one.", min=1)
    ] = 2000,
    api_key: Annotated[
        str | None, typer.Option(help="API key, if the service requires one.", envvar="FAKENEWS_API_KEY")
    ] = None,
) -> None:
    """Send articles of another era to a running service, to see drift detected.

    Example:

        fakenews simulate-drift --era 3 --land landing
    """
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


@app.command(rich_help_panel=_MONITORING)
@abort_on_failure()
def report(
    day: Annotated[str, typer.Argument(help="Day in UTC, such as 2026-11-24; default: today.")] = "",
    last_rows: Annotated[
        int | None, typer.Option(min=20, help="Check the last N articles for drift instead of the day's.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Check the articles since this ISO time for drift instead of the day's."),
    ] = None,
) -> None:
    """Report on one day of the service: traffic, drift, and quality where labels have arrived.

    Examples:

        fakenews report

        fakenews report 2026-11-24 --last-rows 500
    """
    from fakenews_assets.cli.reporting import report_day

    report_day(day, last_rows, since)


@app.command(rich_help_panel=_MONITORING)
@abort_on_failure()
def monitor(
    port: Annotated[int, typer.Option(help="Its port.", min=1, max=65535)] = 3002,
    host: Annotated[str, typer.Option(help="Address to listen on. There is no login.")] = "127.0.0.1",
    demo: Annotated[
        bool,
        typer.Option("--demo", help="Show generated days, to see the page before there is traffic."),
    ] = False,
) -> None:
    """Serve the monitoring page, the plots and reports that the UI links, and what Prometheus asks of the graph.

    Examples:

        fakenews monitor

        fakenews monitor --demo
    """
    from fakenews_assets.cli.monitor import serve_example, serve_monitor

    (serve_example if demo else serve_monitor)(host, port)


@app.command(rich_help_panel=_AUDIT)
@abort_on_failure()
def audit(
    subject: Annotated[
        str,
        typer.Argument(
            help="A request id, or a bundle's SHA or its first eight digits; default: the champion."
        ),
    ] = "",
    row: Annotated[int, typer.Option(help="Which article of the request, counted from 1.", min=1)] = 1,
) -> None:
    """Trace a prediction or a bundle back to its raw data and recompute each step; exit 1 on mismatch.

    Examples:

        fakenews audit

        fakenews audit REQUEST_ID --row 2
    """
    from fakenews_assets.cli import auditing

    if not auditing.audit(subject, row):
        raise typer.Exit(1)


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
    from fakenews_assets.cli import reproducing

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
    from fakenews_assets.cli import retention

    retention.prune_store(keep_bundles, older_than, dry_run=dry_run, yes=yes, by=by)


@app.command(rich_help_panel=_DELETION)
@abort_on_failure()
def erase(
    article_id: Annotated[
        str, typer.Argument(help="The `article_id` in clean_news or in the prediction log.")
    ],
    reason: Annotated[
        str, typer.Option(help="Reason to record in the tombstone, which stays: do not quote the article.")
    ],
    raw: Annotated[bool, typer.Option("--raw", help="Blank the article in the raw bytes too.")] = False,
    yes: Yes = False,
    by: By = "",
) -> None:
    """Erase an article from every table and log; run again to finish an interrupted erasure.

    Example:

        fakenews erase ARTICLE_ID --reason "request 17" --raw
    """
    from fakenews_assets.cli import retention

    retention.erase_article(article_id, reason, raw=raw, yes=yes, by=by)


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
    from fakenews_assets.cli import retention

    retention.retire(batch, reason, yes=yes, by=by)
