"""The next champion ships itself: from the promotion to all of the traffic, and back."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from fakenews_assets.automation.runs import failure_reasons
from fakenews_assets.registry.champion import Pointer
from fakenews_assets.serving.assets import rollout
from fakenews_assets.serving.rollout import BuiltContext, next_step, take_step, worse
from fakenews_assets.serving.settings import RolloutSettings, RolloutStep
from fakenews_resources.cloud_run import CloudRun, CloudRunFailed, Served, build_request
from tests.support.buckets import Gate
from tests.support.buckets import gate as gate
from tests.support.google_cloud import SERVICE, google_cloud
from tests.support.rollouts import OLD, Project, told


@pytest.fixture
def project(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:  # noqa: ARG001 - its bucket
    with google_cloud() as cloud:
        yield Project(cloud, monkeypatch)


def test_from_a_promotion_to_all_of_the_traffic_and_back(project: Project) -> None:
    cloud = project.cloud
    assert project.tick() == "There is no champion yet."
    first = project.promote(0)
    assert project.tick() == f"{first[:12]} has no container context yet: the job build_bento makes it."

    version = project.build_bento(first)
    assert project.tick() == "asked for a run"
    (build,) = cloud.builds
    assert build["substitutions"]["_CONTEXT"] == f"gs://news/prod/container_context/{version}/context"
    trial = project.record.revision
    assert trial.name == f"fakenews-{first[:8]}-00000001"
    assert cloud.traffic == {OLD: 90, trial.name: 10}
    assert cloud.revisions[trial.name]["containers"][0]["image"] == trial.image
    assert trial.image == "r1-docker.pkg.dev/p1/fakenews/service@sha256:00000001-0000"
    assert cloud.revisions[trial.name]["scaling"] == {"minInstanceCount": 1}
    assert project.tick().startswith(f"{trial.name} is on trial until ")

    project.end_the_trial()
    cloud.answered = {OLD: (9000, 9, 40.0), trial.name: (120, 0, 41.0)}
    assert project.tick() == "asked for a run"
    assert project.record.reason == "120 of 200 requests so far."
    assert cloud.traffic == {OLD: 90, trial.name: 10}

    project.end_the_trial()
    cloud.answered[trial.name] = (1000, 2, 44.0)
    assert project.tick() == "asked for a run"
    assert cloud.traffic == {trial.name: 100}
    assert project.tick() == (
        "all: The trial held: 0.2% of 1,000 requests failed, 95 % within 44 ms; before 0.1% of 9,000 requests failed,"
        " 95 % within 40 ms."
    )

    second = project.promote(1)
    project.build_bento(second)
    assert project.tick() == "asked for a run"
    new = project.record.revision.name
    assert cloud.traffic == {trial.name: 90, new: 10}
    project.roll_back("complaints")
    assert project.tick() == "asked for a run"
    assert cloud.traffic == {trial.name: 100}
    assert len(cloud.builds) == 2  # none for the way back
    assert project.record.served == (trial,)
    assert project.tick() == f"all: {first[:12]} is the champion again. complaints"

    record = project.store.current("rollout").record
    assert record is not None
    assert record.upstream.keys() == {"champion", "container_context"}
    (shown,) = project.instance.fetch_materializations(rollout.key, limit=1).records
    metadata = shown.asset_materialization.metadata  # pyright: ignore[reportOptionalMemberAccess]
    assert metadata["traffic"].value == {trial.name: 100}
    assert metadata["model_id"].value == first


def test_a_rollback_ends_the_trial_of_the_first_revision_at_once(project: Project) -> None:
    project.promote(0)
    project.build_bento(project.promote(1))
    project.tick()
    project.roll_back("complaints")
    assert project.tick() == "asked for a run"
    assert project.cloud.traffic == {OLD: 100}
    assert len(project.cloud.builds) == 1
    assert project.tick() == "withdrawn: The champion on trial was rolled back. complaints"


def test_a_failed_build_leaves_the_revision_and_waits_for_a_person(project: Project) -> None:
    first = project.promote(0)
    project.build_bento(first)
    project.cloud.build_ends_as = "FAILURE"
    assert project.tick() == "asked for a run"
    (run,) = project.instance.get_runs(dg.RunsFilter(job_name="roll_out_champion"))
    (reason,) = failure_reasons(project.instance, run.run_id)  # what the failure notifier tells
    assert "ended as FAILURE (step 1 failed). Its log: https://console.example/log" in reason
    assert project.cloud.traffic == {"LATEST": 100}
    assert not project.store.exists("rollout")
    assert project.tick().startswith(f"Already tried, see run {run.run_id[:8]}.")


def test_a_revision_that_does_not_start_gets_no_traffic(project: Project) -> None:
    project.build_bento(project.promote(0))
    project.cloud.revision_fails = "the startup probe failed"
    project.tick()
    (run,) = project.instance.get_runs(dg.RunsFilter(job_name="roll_out_champion"))
    (reason,) = failure_reasons(project.instance, run.run_id)
    assert reason == "rollout: Cloud Run did not take the change: the startup probe failed"
    assert project.cloud.traffic == {OLD: 100}


def test_a_trial_that_fails_more_often_is_withdrawn_and_told(project: Project) -> None:
    project.build_bento(project.promote(0))
    project.tick()
    project.end_the_trial()
    trial = project.record.revision.name
    project.cloud.answered = {OLD: (9000, 9, 40.0), trial: (1000, 30, 40.0)}
    project.tick()
    assert project.cloud.traffic == {OLD: 100}
    (notice,) = told
    assert notice.title == f"{trial} was withdrawn"
    assert notice.text.startswith("More requests fail: 3.0% of 1,000 requests failed")
    assert project.tick().startswith("withdrawn: More requests fail")


def test_a_person_ends_a_trial_with_a_reason(project: Project) -> None:
    project.build_bento(project.promote(0))
    project.tick()
    trial = project.record.revision
    project.roll_out(finish=True, reason="no traffic at night")
    assert project.cloud.traffic == {trial.name: 100}
    assert project.record.reason == "no traffic at night"
    project.roll_out(again=True, reason="a fix in the page")
    assert project.record.stage == "trial"
    assert project.cloud.traffic == {trial.name: 90, project.record.revision.name: 10}


def test_it_is_off_unless_a_service_is_named(project: Project) -> None:
    project.monkeypatch.delenv("FAKENEWS_ROLLOUT_SERVICE")
    assert project.tick() == "FAKENEWS_ROLLOUT_SERVICE is not set, so nothing is rolled out."
    with pytest.raises(ValueError, match="give a reason"):
        RolloutStep(finish=True)


def test_a_refusal_says_what_to_grant(project: Project) -> None:
    project.build_bento(project.promote(0))
    project.cloud.refuses = ("/builds", 403)
    run = project.run("roll_out_champion", success=False)
    (reason,) = failure_reasons(project.instance, run.run_id)
    assert reason.startswith("rollout: Cloud Build answered 403: no such permission. `deploy/iam.sh")


def test_a_champion_that_comes_back_without_a_revision_gets_all_at_once() -> None:
    back = pointer(2, "a", "rollback")
    context = BuiltContext("v", back.bundle, "gs://news/x")
    assert next_step(None, back, context, datetime.now(UTC))[0] == "build"


def pointer(sequence: int, bundle: str, action: Any) -> Pointer:
    return Pointer(
        sequence=sequence,
        bundle=bundle * 64,
        previous=sequence - 1 or None,
        action=action,
        reason="test",
        run_id=None,
        promoted_by="test",
        promoted_at=datetime.now(UTC),
    )


@pytest.mark.parametrize(
    ("new", "fault"),
    [
        (Served(1000, 11, 40), "More requests fail"),
        (Served(1000, 10, 40), None),
        (Served(1000, 0, 61), "Answers are slower"),
        (Served(1000, 0, 60), None),
        (Served(1000, 0, None), None),
    ],
)
def test_what_withdraws_a_trial(new: Served, fault: str | None) -> None:
    assert worse(new, Served(9000, 0, 40), RolloutSettings()) == fault


def test_a_folder_cannot_be_built_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKENEWS_ROLLOUT_SERVICE", SERVICE)
    first = pointer(1, "a", "promote")
    context = BuiltContext("v", first.bundle, str(tmp_path))
    with pytest.raises(CloudRunFailed, match="FAKENEWS_STORAGE has to name a bucket"):
        take_step(None, first, context, RolloutStep(), CloudRun(service=SERVICE), RolloutSettings())


def test_the_build_is_the_one_of_the_first_deployment() -> None:
    request = build_request("gs://b/c", "r9")
    assert [one["id"] for one in request["steps"]] == ["context", "service"]
    assert request["images"] == ["${_REPOSITORY}/service:${BUILD_ID}"]
    assert request["substitutions"] == {
        "_CONTEXT": "gs://b/c",
        "_REGION": "r9",
        "_REPOSITORY": "${_REGION}-docker.pkg.dev/${PROJECT_ID}/fakenews",
    }
