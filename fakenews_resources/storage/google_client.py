"""Google's storage client, as this project uses it: its limits, its checksum, and its errors in words."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fakenews_resources.storage.backend import StoreError

if TYPE_CHECKING:
    from google.cloud import storage

TIMEOUT_S: Final = 60
_RETRY_S: Final = 120
"""Time limit of one request, with its retries."""


@contextmanager
def telling(where: str) -> Iterator[None]:
    """Turn errors of Google's client about an address into StoreErrors that say what to do."""
    import requests
    from google.api_core import exceptions as api
    from google.auth import exceptions as auth
    from google.cloud.storage.exceptions import DataCorruption

    try:
        yield
    except api.NotFound as error:
        raise StoreError(f"{where}: {error.message}. Create the bucket, or name another one.") from error
    except (api.Unauthorized, api.Forbidden, auth.DefaultCredentialsError, auth.RefreshError) as error:
        raise StoreError(
            f"{where} was refused ({error}). Run `gcloud auth application-default login`, or grant the service"
            " account the role Storage Object User."
        ) from error
    except DataCorruption as error:
        raise StoreError(f"{where} arrived damaged ({error}). Run again.") from error
    except (
        api.GoogleAPIError,
        auth.TransportError,
        requests.RequestException,
        ConnectionError,
        TimeoutError,
    ) as error:
        raise StoreError(
            f"{where} could not be reached ({error}). Check the network and run again."
        ) from error


@cache
def client() -> "storage.Client":
    """The client of this process. Raises DefaultCredentialsError if there are no credentials."""
    try:
        from dagster_gcp import GCSResource
    except ImportError:  # the service's image holds no Dagster
        from google.cloud import storage

        return storage.Client()
    return GCSResource(project=os.environ.get("GOOGLE_CLOUD_PROJECT")).get_client()


def retry() -> Any:
    """How often to try again, and for how long."""
    from google.cloud.storage.retry import DEFAULT_RETRY

    return DEFAULT_RETRY.with_timeout(_RETRY_S)


def generation_of(blob: "storage.Blob") -> int:
    """The generation of an object that was read or listed."""
    assert blob.generation is not None
    return int(blob.generation)


def crc32c_of(path: Path) -> str:
    """CRC32C in Google's form: Base64 of four bytes."""
    import base64

    import google_crc32c

    checksum = google_crc32c.Checksum()
    with path.open("rb") as file:
        for _ in checksum.consume(file, 1 << 20):
            pass
    return base64.b64encode(checksum.digest()).decode()
