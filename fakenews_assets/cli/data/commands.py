"""Commands for batches and training. Each imports what it needs when it runs, so that `--help` answers at once."""

from typing import Annotated

import typer

from fakenews_assets.cli.errors import abort_on_failure

_PANEL = "Data and training"

app = typer.Typer()


@app.command(rich_help_panel=_PANEL)
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
        typer.Option(help="Where a title is missing, use this many first words of the text.", min=0),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORD=MEANING,...",
            help="What words of the label column mean: real, fake or unlabelled, such as true=real,false=fake. A word with"
            " a comma stands in quotes: '\"true, mostly\"=real'.",
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="real|fake",
            help="One label for all rows of a file; with several files, give it once for each, in their order.",
        ),
    ] = None,
    day_first: Annotated[
        bool | None,
        typer.Option(
            "--day-first/--month-first",
            help="Whether 03/04/2017 is in April (day first) or in March. Default: as the other dates of the batch show.",
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
    from fakenews_assets.cli.data import ingesting
    from fakenews_assets.cli.data.options import (
        columns_given,
        emptied,
        header_given,
        labels_given,
        labels_of_files,
    )

    if fake_below > real_from:
        raise typer.BadParameter("must not be above --real-from", param_hint="--fake-below")
    given = {
        "header": header_given(header or ""),
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


@app.command(rich_help_panel=_PANEL)
@abort_on_failure()
def admit(
    batch: Annotated[str, typer.Argument(help="Name of a batch that a check refused.")],
    because: Annotated[str, typer.Option(help="Why the batch is right as it is; kept for the audit.")],
    by: Annotated[str, typer.Option(help="Name to record; default: the current user.")] = "",
) -> None:
    """Admit a batch that was refused for the balance or the meaning of its labels.

    Who admitted it, when and why is stored, and shown in the UI and by `fakenews audit`.

    Example:

        fakenews admit news-1f2e3d4c --because "all of them are of one fact-checker"
    """
    from fakenews_assets.cli.data import ingesting
    from fakenews_assets.common.launching import current_user

    ingesting.admit(batch, because, by or current_user())


@app.command(rich_help_panel=_PANEL)
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
    """Store a table of publishers' quality ratings, from which articles of rated publishers get labels.

    Batches that were ingested with --label-by-rating are labelled again.

    Examples:

        fakenews rate ratings.csv

        fakenews ingest articles.csv --label-by-rating
    """
    from fakenews_assets.cli.data import rating

    rating.rate(address, source_column, rating_column, max_unusable_share)


@app.command(rich_help_panel=_PANEL)
@abort_on_failure()
def register(
    batches: Annotated[
        list[str] | None, typer.Argument(metavar="[BATCH]...", help="Names of batches; default: all.")
    ] = None,
) -> None:
    """Register stored batches in this Dagster instance, for example after its database was lost.

    Only batches that are both stored and registered count. A partition that was deleted in the UI comes back too;
    `fakenews retire-batch` deletes a batch for good.
    """
    from fakenews_assets.cli.data import registering

    registering.register(batches or [])


@app.command(rich_help_panel=_PANEL)
@abort_on_failure()
def demo(
    rows: Annotated[int, typer.Option(help="Number of generated articles.", min=500)] = 2400,
) -> None:
    """Run the whole graph on generated articles and print the leaderboard; finished steps are skipped."""
    from fakenews_assets.cli.data.demo import run_demo

    run_demo(rows)
