"""WELFake, the published corpus: 72,134 articles, label 1 = fake.

Source: P. K. Verma, P. Agrawal, R. Prodan, "WELFake dataset for fake news detection in text data",
Zenodo, 2021, https://doi.org/10.5281/zenodo.4561253. The description there has the labels inverted.
"""

from pathlib import Path
from typing import Final

from fakenews_resources.news.base import Progress, Received, Tell
from fakenews_resources.news.download import Checksum, DownloadPolicy, download

ZENODO: Final = "https://zenodo.org"
_FILE = "/records/4561253/files/WELFake_Dataset.csv?download=1"
_CHECKSUM = Checksum("md5", "73c9675a4b3d09f86a6933d0b8d7d908")


def receive_welfake(
    into: Path,
    *,
    base_url: str = ZENODO,
    checksum: Checksum = _CHECKSUM,
    policy: DownloadPolicy | None = None,
    progress: Progress | None = None,
    tell: Tell | None = None,
) -> Received:
    """Download `WELFake_Dataset.csv` (about 245 MB), or take the copy that is there already.

    Args:
        into: folder for the file; pass the same one again to resume.
        base_url: Zenodo, or a mirror with the same paths.
        checksum: what the file must hash to; Zenodo announces the default.
        policy: time-outs and retries.
        progress: called as bytes arrive.
        tell: as in `download`.

    Raises:
        SourceError: as `download`.
    """
    return download(
        f"{base_url}{_FILE}", into, checksum=checksum, policy=policy, progress=progress, tell=tell
    )
