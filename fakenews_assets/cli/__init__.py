"""The `fakenews` command."""

from fakenews_assets.cli.app import app

__all__ = ["app"]
