import json
import os
import subprocess
import sys

import pytest

from fakenews_assets.automation.jobs import all_jobs
from fakenews_assets.automation.pods import TRAINING_POD, training_pod

POD = {"container_config": {"resources": {"limits": {"nvidia.com/gpu": "1"}}}}


def test_without_a_description_jobs_have_no_tags(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(TRAINING_POD, raising=False)
    assert training_pod() == {}
    assert not any("dagster-k8s/config" in (job.tags or {}) for job in all_jobs)


def test_a_description_that_is_no_json_is_refused_by_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(TRAINING_POD, "{cpu: 4")
    with pytest.raises(ValueError, match=TRAINING_POD):
        training_pod()


@pytest.mark.server
def test_jobs_that_train_carry_the_description_and_no_others():
    code = (
        "import json\n"
        "from fakenews_assets.definitions import defs\n"
        "names = [job.name for job in defs.jobs]\n"
        "tags = {name: defs.resolve_job_def(name).tags.get('dagster-k8s/config') for name in names}\n"
        "print(json.dumps({name: json.loads(tag) for name, tag in tags.items() if tag}))\n"
    )
    environment = os.environ | {TRAINING_POD: json.dumps(POD)}
    printed = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    found = json.loads(printed.stdout)
    assert set(found) == {
        "fit_frozen_encoder",
        "train_candidates",
        "full_lifecycle",
        "search_hyperparameters",
        "distill_student",
        "prune_encoder",
        "distill_static",
        "measure_generalization",
        "retrain",
    }
    assert all(pod == POD for pod in found.values())
