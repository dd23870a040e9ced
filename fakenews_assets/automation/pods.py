"""Size of a run's pod on Kubernetes. Elsewhere the tags are not set."""

import json
import os
from collections.abc import Mapping
from typing import Any, Final

TRAINING_POD: Final = "FAKENEWS_TRAINING_POD"
"""Environment variable: what the pod of a training needs, as JSON, in the form of dagster-k8s's tag."""

_TAG: Final = "dagster-k8s/config"


def training_pod() -> Mapping[str, Any]:
    """Tags of a job that trains; empty if FAKENEWS_TRAINING_POD is not set.

    The size belongs to the cluster, so its Helm values (deploy/kubernetes) set it. The runs
    of a job take one pod each: tags on single assets would be ignored by the in-process executor.

    Raises:
        ValueError: the variable holds no JSON.
    """
    described = os.environ.get(TRAINING_POD)
    if not described:
        return {}
    try:
        pod = json.loads(described)
    except json.JSONDecodeError as error:
        raise ValueError(f"{TRAINING_POD} must be JSON, as for the tag {_TAG}: {error}") from error
    return {_TAG: pod}
