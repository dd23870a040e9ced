"""`python -m fakenews_assets` is the `fakenews` command."""

from fakenews_assets.cli import app

app(prog_name="fakenews")
