"""The `fakenews` command, put together."""

import typer

from fakenews_assets.cli.data.commands import app as data
from fakenews_assets.cli.governance.commands import app as governance
from fakenews_assets.cli.monitoring.commands import app as monitoring

app = typer.Typer(no_args_is_help=True, add_completion=False)
for commands in (data, monitoring, governance):
    app.add_typer(commands)


@app.callback()
def main() -> None:
    """Train, evaluate, monitor and audit a fake-news classifier.

    Runs are recorded in the same Dagster instance that `make ui` shows.
    """
