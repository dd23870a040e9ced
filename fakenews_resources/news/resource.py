"""The news sources as a Dagster resource."""

from pathlib import Path

import dagster as dg

from fakenews_resources.news.base import Progress, Received
from fakenews_resources.news.registry import receive


class NewsSource(dg.ConfigurableResource):
    """Receives the bytes behind a source URI.

    `sample:rows=6000,seed=7,era=0` generates, `welfake:` downloads the published data set, and a path, a
    `file://`, `https://` or `gs://` address fetches a file.
    """

    def receive(self, uri: str, into: Path, progress: Progress | None = None) -> Received:
        """Fetch `uri` into the folder `into`; see `fakenews_resources.news.registry.receive`."""
        return receive(uri, into, progress=progress)
