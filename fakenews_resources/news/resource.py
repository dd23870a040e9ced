"""The news sources as a Dagster resource."""

from pathlib import Path
from typing import Final

import dagster as dg

from fakenews_resources.news.base import Progress, Received, SourceError, Unreachable
from fakenews_resources.news.registry import receive

FETCHING: Final = dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL)
"""Of assets that fetch from a source and fail with `fetching_failed`."""


class NewsSource(dg.ConfigurableResource):
    """Receives the bytes behind a source URI.

    `sample:rows=6000,seed=7,era=0` generates, `welfake:` downloads the published data set, and a path, a
    `file://`, `https://` or `gs://` address fetches a file.
    """

    def receive(self, uri: str, into: Path, progress: Progress | None = None) -> Received:
        """Fetch `uri` into the folder `into`; see `fakenews_resources.news.registry.receive`."""
        return receive(uri, into, progress=progress)


def fetching_failed(error: SourceError, **metadata: str) -> dg.Failure:
    """The failure of a step that could not fetch. Only what was `Unreachable` is tried again, and the retry resumes."""
    return dg.Failure(str(error), metadata=metadata, allow_retries=isinstance(error, Unreachable))
