"""Commands of `fakenews`. Each imports what it needs when it runs, so that `--help` answers at once."""

import re
from pathlib import Path
from typing import Annotated

import typer

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
