"""How large a pod a run gets on Kubernetes. Anywhere else these tags are not set and mean nothing."""

import json
import os
from collections.abc import Mapping
from typing import Any, Final

TRAINING_POD: Final = "FAKENEWS_TRAINING_POD"
"""Environment variable: what the pod of a training needs, as JSON, in the form of dagster-k8s's tag."""

_TAG: Final = "dagster-k8s/config"


def training_pod() -> Mapping[str, Any]:
    """Tags of a job that trains; none where nobody has described a pod.

    The description belongs to the cluster, so it stands in its Helm values (deploy/kubernetes) and not here. The runs
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
        raise ValueError(f"{TRAINING_POD} has to be JSON, as for the tag {_TAG}: {error}") from error
    return {_TAG: pod}
