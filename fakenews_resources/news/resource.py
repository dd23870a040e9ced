"""The news sources as a Dagster resource."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import dagster as dg

from fakenews_resources.news.base import NoAnswer, Progress, Received, SourceError, Tell, Unreachable
from fakenews_resources.news.registry import receive

FETCHING: Final = dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL)
"""Of assets that fetch from a source, fail with `fetching_failed` and are `not_retried_otherwise`."""


class NewsSource(dg.ConfigurableResource):
    """Receives the bytes behind a source URI.

    `sample:rows=6000,seed=7,era=0` generates, `welfake:` downloads the published data set, and a path, a
    `file://`, `https://` or `gs://` address fetches a file.
    """

    def receive(
        self, uri: str, into: Path, progress: Progress | None = None, tell: Tell | None = None
    ) -> Received:
        """Fetch `uri` into the folder `into`; see `fakenews_resources.news.registry.receive`."""
        return receive(uri, into, progress=progress, tell=tell)


def fetching_failed(error: SourceError, **metadata: str) -> dg.Failure:
    """The failure of a step that could not fetch. Only what was `Unreachable` is tried again, unless there was `NoAnswer`,
    and the retry resumes."""
    again = isinstance(error, Unreachable) and not isinstance(error, NoAnswer)
    return dg.Failure(str(error), metadata=metadata, allow_retries=again)


@contextmanager
def not_retried_otherwise() -> Iterator[None]:
    """Fail for good on an error that fetching did not raise: another attempt would meet it again. Decorates an asset."""
    try:
        yield
    except dg.Failure:
        raise
    except Exception as error:
        raise dg.Failure(f"{type(error).__name__}: {error}", allow_retries=False) from error
