"""`fakenews simulate-drift`: traffic of another era for a running service, and one table of what was sent."""

from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from fakenews_assets.common import progress
from fakenews_assets.monitoring.simulation import ServiceError, Traffic, articles_of, land, send_traffic
from fakenews_resources.news.sample import SampleSpec


def simulate_drift(
    url: str,
    traffic: SampleSpec,
    *,
    feedback: float,
    api_key: str | None,
    batch: SampleSpec,
    folder: Path | None,
) -> None:
    """Send articles to a service, land a labelled batch if there is a folder for it, and say what was done.

    Args:
        url: where the service is.
        traffic: what to send.
        feedback: how likely the label of an article is sent after it.
        api_key: for a service that demands one.
        batch: what to land.
        folder: where to.

    Raises:
        typer.Exit: with status 1, and the reason printed. Without a service nothing lands.
    """
    console = Console()
    try:
        with Progress(console=console) as bar:
            task = bar.add_task("Sending articles", total=None)
            with progress.listening(lambda one: bar.update(task, completed=one.done, total=one.total)):
                sent = send_traffic(
                    url,
                    articles_of(traffic),
                    feedback_share=feedback,
                    api_key=api_key,
                    seed=traffic.seed,
                )
        landed = land(batch, folder) if folder else None
    except (ServiceError, OSError) as error:
        Console(stderr=True).print(
            f"[bold red]Failed:[/] {escape(str(error))}", highlight=False, soft_wrap=True
        )
        raise typer.Exit(1) from None
    console.print(_table(sent, traffic.era))
    if landed:
        console.print(f"Landed: {escape(str(landed))}, {batch.rows:,} rows", highlight=False, soft_wrap=True)
    console.print(
        "\nNext:\n"
        "  .venv/bin/fakenews report   make the drift report of today\n"
        "  make ui                     watch the sensors at work",
        highlight=False,
    )


def _table(sent: Traffic, era: int) -> Table:
    table = Table(title="What was sent", title_justify="left", show_header=False)
    table.add_row(f"articles of era {era}", f"{sent.sent:,}")
    for verdict, count in {"fake": sent.fake, "real": sent.real, "unsure": sent.unsure}.items():
        table.add_row(f"  judged {verdict}", f"{count:,} ({count / max(sent.sent, 1):.1%})")
    table.add_row("labels sent after them", f"{sent.feedback:,}")
    table.add_row("judged by", ", ".join(model[:16] for model in sent.models))
    return table
