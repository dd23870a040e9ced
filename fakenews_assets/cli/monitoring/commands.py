"""Commands that watch the service. Each imports what it needs when it runs, so that `--help` answers at once."""

from pathlib import Path
from typing import Annotated

import typer

from fakenews_assets.cli.errors import abort_on_failure

_PANEL = "Monitoring"

app = typer.Typer()


@app.command(rich_help_panel=_PANEL)
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
    """Send generated articles of another era to a running service, to try out drift detection.

    Example:

        fakenews simulate-drift --era 3 --land landing
    """
    from fakenews_assets.cli.monitoring import drift
    from fakenews_resources.news.sample import SampleSpec

    drift.simulate_drift(
        url,
        SampleSpec(rows=rows, seed=seed, era=era),
        feedback=feedback,
        api_key=api_key,
        batch=SampleSpec(rows=land_rows, seed=seed + 1, era=era),
        folder=land,
    )


@app.command(rich_help_panel=_PANEL)
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
    from fakenews_assets.cli.monitoring.reporting import report_day

    report_day(day, last_rows, since)


@app.command(rich_help_panel=_PANEL)
@abort_on_failure()
def monitor(
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 3002,
    host: Annotated[str, typer.Option(help="Address to listen on. There is no login.")] = "127.0.0.1",
    demo: Annotated[
        bool,
        typer.Option("--demo", help="Show generated days, to see the page before there is traffic."),
    ] = False,
) -> None:
    """Serve the monitoring page, the plots and reports that the UI links, and the graph's metrics for Prometheus.

    Examples:

        fakenews monitor

        fakenews monitor --demo
    """
    from fakenews_assets.cli.monitoring.monitor import serve_example, serve_monitor

    (serve_example if demo else serve_monitor)(host, port)
