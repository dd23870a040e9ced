"""Receives the file behind any news source URI."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from fakenews_resources.news.base import BadAddress, Progress, Received, Tell, received
from fakenews_resources.news.download import DownloadPolicy, download
from fakenews_resources.news.file import path_of, receive_file
from fakenews_resources.news.gcs import receive_gcs
from fakenews_resources.news.welfake import ZENODO, receive_welfake

if TYPE_CHECKING:
    from google.cloud import storage

    from fakenews_resources.news.sample import SampleSpec

_SCHEMES = ("sample", "welfake", "http", "https", "gs")


def receive(
    uri: str,
    into: Path,
    *,
    progress: Progress | None = None,
    tell: Tell | None = None,
    policy: DownloadPolicy | None = None,
    welfake_base_url: str = ZENODO,
    gcs_client: "storage.Client | None" = None,
) -> Received:
    """Fetch the file behind a source URI into a folder.

    | URI | source |
    | --- | --- |
    | `sample:`, `sample:rows=6000,seed=7,era=0` | the generated corpus; any of its settings |
    | `welfake:` | WELFake from Zenodo |
    | `https://...`, `http://...` | a download |
    | `gs://bucket/object`, also with `#generation` | Google Cloud Storage |
    | `file:///...`, or a path | a copy of a local file |

    Args:
        uri: see above.
        into: folder for the file. Pass the same one again to resume a broken download.
        progress: called as bytes arrive.
        tell: called before a download is tried again, with why and when.
        policy: time-outs and retries of downloads over HTTP.
        welfake_base_url: where WELFake is fetched from.
        gcs_client: client for `gs://`; by default one with the credentials of the environment.

    Returns:
        The complete file. Its `uri` is the provenance to record: defaults spelled out, paths absolute,
        credentials left out.

    Raises:
        SourceError: if nothing was delivered; the message says what to do next.
    """
    scheme, colon, rest = uri.partition(":")
    match scheme.lower() if colon else "":
        case "sample":
            return _receive_sample(rest, into)
        case "welfake":
            if rest:
                raise BadAddress(f"`{uri}`: the source takes no settings; write `welfake:`")
            return receive_welfake(
                into, base_url=welfake_base_url, policy=policy, progress=progress, tell=tell
            )
        case "http" | "https":
            return download(uri, into, policy=policy, progress=progress, tell=tell)
        case "gs":
            return receive_gcs(uri, into, client=gcs_client, progress=progress)
        case other if other != "file" and rest.startswith("//"):
            raise BadAddress(
                f"`{uri}`: unknown scheme {other}; known are sample, welfake, http, https, gs and file"
            )
        case _:
            return receive_file(uri, into, progress=progress)


def local_path(uri: str) -> Path | None:
    """The file that a source URI names, whether it exists or not; None: the source is not a local file.

    Raises:
        BadAddress: a `file:` address of another host.
    """
    scheme, colon, rest = uri.partition(":")
    if colon and scheme.lower() != "file" and (scheme.lower() in _SCHEMES or rest.startswith("//")):
        return None
    return path_of(uri)


def _receive_sample(settings: str, into: Path) -> Received:
    from fakenews_resources.news.sample import write_sample

    spec = parse_sample(settings)
    uri = "sample:" + ",".join(f"{name}={value}" for name, value in spec.model_dump().items())
    target = into / "sample.csv"
    into.mkdir(parents=True, exist_ok=True)
    write_sample(spec, target)
    return received(target, uri)


def parse_sample(settings: str) -> "SampleSpec":
    """Read `rows=6000,seed=7`: any of the settings of `SampleSpec`, each at most once.

    Raises:
        BadAddress: at a setting that is unknown, repeated or out of range.
    """
    from fakenews_resources.news.sample import SampleSpec

    known = ", ".join(SampleSpec.model_fields)
    values: dict[str, str] = {}
    for part in filter(None, settings.split(",")):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or name not in SampleSpec.model_fields:
            raise BadAddress(
                f"`sample:{settings}`: {part!r} is no setting; write name=value, with names of {known}"
            )
        if name in values:
            raise BadAddress(f"`sample:{settings}`: {name} is given twice; keep one")
        values[name] = value
    try:
        return SampleSpec.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}={fault['input']!r}: {fault['msg']}"
            for fault in error.errors()
        )
        raise BadAddress(f"`sample:{settings}`: {faults}") from error
