"""The champion as an artifact of Weights & Biases."""

from typing import Final

from fakenews_assets.registry.bundle import Bundle
from fakenews_resources.tracking.run import Tracked

ARTIFACT: Final = "fakenews-champion"

_SHOWN: Final = {"candidate", "encoder", "runtime", "calibration", "data_versions", "git_commit"}


def track_champion(tracked: Tracked, bundle: Bundle) -> None:
    """Add a bundle that has just become champion. The alias `champion` moves to it; the start of its sha stays its own."""
    tracked.model(
        ARTIFACT,
        bundle.path,
        aliases=("champion", bundle.sha[:12]),
        metadata={"bundle": bundle.sha, **bundle.manifest.model_dump(mode="json", include=_SHOWN)},
    )
