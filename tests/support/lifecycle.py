"""Settings of small runs of the graph."""

from pathlib import Path
from typing import Any

QUICK_PROBES = {"shortcut_probes": {"train_rows": 100, "test_rows": 50, "resamples": 100}}


def settings(encoder: Path, **changes: Any) -> dict[str, Any]:
    tiny = {"name": str(encoder), "max_tokens": 64}
    return {"encoder": tiny, "max_tokens": 32, "epochs": 1, "learning_rate": 1e-3, **changes}
