"""`fakenews simulate-drift`: traffic of another era for a running service, and a table of what was sent."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fakenews_assets.cli.errors import CommandFailed
from fakenews_assets.cli.steps import shown_step
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
    """Send articles to a service, write a labelled batch if there is a folder for it, and print a summary.

    Args:
        url: address of the service.
        traffic: what to send.
        feedback: share of articles whose true label is sent as feedback.
        api_key: the service's key, if it demands one.
        batch: the labelled batch.
        folder: where to write it.

    Raises:
        CommandFailed: the service cannot be used, and then nothing lands; or the folder cannot be written.
    """
    console = Console()
    try:
        with shown_step(console, "sending articles"):
            sent = send_traffic(
                url, articles_of(traffic), feedback_share=feedback, api_key=api_key, seed=traffic.seed
            )
        landed = land(batch, folder) if folder else None
    except (ServiceError, OSError) as error:
        raise CommandFailed(str(error)) from error
    console.print(_table(sent, traffic.era))
    if landed:
        console.print(f"Landed: {escape(str(landed))}, {batch.rows:,} rows", highlight=False, soft_wrap=True)
    console.print(
        "\nNext:\n"
        "  .venv/bin/fakenews report   report on today's traffic and drift\n"
        "  make ui                     see what the sensors do",
        highlight=False,
    )


def _table(sent: Traffic, era: int) -> Table:
    table = Table(title="What was sent", title_justify="left", show_header=False)
    table.add_row(f"articles of era {era}", f"{sent.sent:,}")
    for verdict, count in {"fake": sent.fake, "real": sent.real, "unsure": sent.unsure}.items():
        table.add_row(f"  answered {verdict}", f"{count:,} ({count / max(sent.sent, 1):.1%})")
    table.add_row("labels sent as feedback", f"{sent.feedback:,}")
    table.add_row("answered by", ", ".join(model[:16] for model in sent.models))
    return table
