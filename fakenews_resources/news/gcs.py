"""Receives news from Google Cloud Storage."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from fakenews_resources.news.base import (
    BadAddress,
    NotFound,
    Progress,
    Received,
    Refused,
    Unreachable,
    file_name,
    received,
)

if TYPE_CHECKING:
    from google.cloud import storage

_TIMEOUT_S = 60

_ADDRESS: Final = re.compile(r"gs://([^/]+)/(.+?)(?:#([0-9]+))?", re.IGNORECASE | re.DOTALL)
"""No URL: names of objects hold `?`, `#` and `%` as they are."""


def receive_gcs(
    address: str, into: Path, *, client: "storage.Client | None" = None, progress: Progress | None = None
) -> Received:
    """Download one object. Google's client does the retries and compares checksums.

    Args:
        address: `gs://bucket/object`, with `#generation` for one version of it. Without, the newest is
            taken, and the `uri` that is returned names its generation. Any other `#` belongs to the name; one
            whose own end looks like a generation needs one after it.
        into: folder for the copy.
        client: the client to use; by default one with the credentials of the environment.
        progress: called before and after the transfer.

    Raises:
        BadAddress: if the address lacks a bucket or an object.
        NotFound: if there is no such bucket, object or generation.
        Refused: if there are no credentials, or they do not suffice.
        Unreachable: if the service could not be reached, or broke off.
    """
    from google.cloud import storage  # slow, and not needed by any other source

    bucket, name, generation = _parse(address)
    target = into / file_name(quote(name))
    aside = target.with_name(target.name + ".partial")
    into.mkdir(parents=True, exist_ok=True)
    missing = f"no object at {address}: check bucket, name and generation"
    with gcs_errors(address, missing, "could not be fetched ({}): check the network, then run again"):
        client = client or storage.Client()
        blob = client.bucket(bucket).get_blob(name, generation=generation, timeout=_TIMEOUT_S)
        if blob is None:
            raise NotFound(missing)
        uri = f"gs://{bucket}/{name}#{blob.generation}"
        if progress:
            progress(0, blob.size)
        # Bound to the generation just seen, so that an overwrite in between cannot mix two versions.
        blob.download_to_filename(str(aside), if_generation_match=blob.generation, timeout=_TIMEOUT_S)
        if progress:
            progress(aside.stat().st_size, blob.size)
    aside.replace(target)
    return received(target, uri)


@contextmanager
def gcs_errors(address: str, missing: str, unreachable: str) -> Iterator[None]:
    """Turn errors of Google's client into errors of a source that say what to do next.

    Args:
        address: what is read.
        missing: the message if it does not exist.
        unreachable: what follows the address in the message of a failed connection; `{}` stands for the reason.
    """
    from google.api_core import exceptions as api
    from google.auth import exceptions as auth

    try:
        yield
    except api.NotFound as error:
        raise NotFound(missing) from error
    except (api.ClientError, auth.DefaultCredentialsError, auth.RefreshError) as error:
        raise Refused(
            f"{address} was refused ({error}): run `gcloud auth application-default login`, or grant the "
            "service account the role Storage Object Viewer"
        ) from error
    except (api.GoogleAPIError, auth.TransportError, OSError) as error:
        raise Unreachable(f"{address} {unreachable.format(error)}") from error


def _parse(address: str) -> tuple[str, str, int | None]:
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise BadAddress(
            f"{address} names no object: write gs://bucket/object, or gs://bucket/object#generation"
        )
    bucket, name, generation = found.groups()
    return bucket, name, int(generation) if generation else None
