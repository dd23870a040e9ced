from collections.abc import Iterator

import dagster as dg
import pytest

from fakenews_assets.automation.sensors.failures import failure_notifier
from fakenews_resources.notifier import LogNotifier

pytestmark = pytest.mark.runs

batches = dg.StaticPartitionsDefinition(["monday"])


@dg.asset(partitions_def=batches)
def raw(context: dg.AssetExecutionContext) -> int:
    if "typo" in context.run.tags:
        raise KeyError("no column `title`")
    try:
        raise OSError("cut off")
    except OSError as error:
        raise dg.Failure("The file is empty: send it again.", allow_retries=False) from error


@dg.asset(check_specs=[dg.AssetCheckSpec("balance", asset="clean", blocking=True)])
def clean() -> Iterator[dg.Output[int] | dg.AssetCheckResult]:
    yield dg.Output(1)
    yield dg.AssetCheckResult(check_name="balance", passed=False, description="97 % are fake.")


@dg.asset
def splits() -> int:
    return 1


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec("nothing_crosses", asset="splits", blocking=True),
        dg.AssetCheckSpec("shares", asset="splits", blocking=True),
        dg.AssetCheckSpec("lengths", asset="splits"),
    ]
)
def side_checks() -> Iterator[dg.AssetCheckResult]:
    yield dg.AssetCheckResult(check_name="nothing_crosses", passed=False, description="x" * 5000)
    yield dg.AssetCheckResult(check_name="shares", passed=False, severity=dg.AssetCheckSeverity.WARN)
    yield dg.AssetCheckResult(check_name="lengths", passed=False)


@dg.resource
def locked() -> None:
    raise dg.Failure("no key")


@dg.asset(required_resource_keys={"locked"})
def remote() -> int:
    return 1


JOBS = dg.Definitions(
    assets=[raw, clean, splits, remote],
    asset_checks=[side_checks],
    resources={"locked": locked},
    jobs=[
        dg.define_asset_job("ingest", selection=["raw"]),
        dg.define_asset_job("tidy", selection=["clean"]),
        dg.define_asset_job("split", selection=["splits"]),
        dg.define_asset_job("fetch", selection=["remote"]),
    ],
)


class Failures:
    """A Dagster instance on which runs fail, and what the sensor says of each."""

    def __init__(self, instance: dg.DagsterInstance, log: pytest.LogCaptureFixture) -> None:
        self.instance = instance
        self.log = log

    def after(self, job: str, partition: str | None = None, **tags: str) -> str:
        """The notice after a job that is launched here and fails."""
        result = JOBS.resolve_job_def(job).execute_in_process(
            instance=self.instance, partition_key=partition, tags=tags, raise_on_error=False
        )
        assert not result.success
        return self.notice(result.run_id, result.get_run_failure_event())

    def notice(self, run_id: str, event: dg.DagsterEvent) -> str:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        self.log.clear()
        context = dg.build_run_status_sensor_context(
            sensor_name="failure_notifier",
            dagster_event=event,
            dagster_instance=self.instance,
            dagster_run=run,
            resources={"notifier": LogNotifier()},
        ).for_run_failure()
        with context:
            failure_notifier(context)
        (record,) = (one for one in self.log.records if one.name == "fakenews_resources.notifier")
        assert run_id in record.getMessage()
        return f"{record.levelname} {record.getMessage()}"


@pytest.fixture
def failures(caplog: pytest.LogCaptureFixture) -> Iterator[Failures]:
    # As in the shipped dagster.yaml.
    retries = {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False}
    with dg.instance_for_test(overrides={"run_retries": retries}) as instance:
        yield Failures(instance, caplog)


def test_a_failed_step_is_named_with_its_reason_and_what_to_do(failures: Failures) -> None:
    said = failures.after("ingest", "monday")
    assert said.startswith("ERROR raw [monday] failed\nraw: The file is empty: send it again.\n")
    assert "of ingest. Dagster does not retry it: fix the cause, then re-execute it from its page" in said
    assert "raw: KeyError: 'no column `title`'\n" in failures.after("ingest", "monday", typo="yes")


def test_a_failed_blocking_check_is_named_with_its_description(failures: Failures) -> None:
    said = failures.after("tidy")
    assert said.startswith("ERROR clean failed\ncheck balance of clean: 97 % are fake.\n")
    assert "DagsterAssetCheckFailedError" not in said


def test_checks_that_stop_nothing_are_left_out_and_long_reasons_cut(failures: Failures) -> None:
    said = failures.after("split")
    assert "check nothing_crosses of splits: xxx" in said
    assert "shares" not in said
    assert "lengths" not in said
    assert len(said) < 2000


def test_a_run_that_fails_before_its_steps_says_why(failures: Failures) -> None:
    assert "fetch failed\nno key\n" in failures.after("fetch")


def test_a_lost_run_that_starts_again_is_a_warning(failures: Failures) -> None:
    run = failures.instance.create_run_for_job(JOBS.resolve_job_def("tidy"))
    event = failures.instance.report_run_failed(run, "The machine is gone.")
    said = failures.notice(run.run_id, event)
    assert said.startswith("WARNING tidy failed\nThe machine is gone.\n")
    assert "Dagster retries it." in said


def test_the_link_leads_to_the_run_where_the_ui_is(
    failures: Failures, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = failures.instance.create_run_for_job(JOBS.resolve_job_def("tidy"))
    event = failures.instance.report_run_failed(run)
    for url, link in {
        "https://dagster.example/": f"\nhttps://dagster.example/runs/{run.run_id}",
        "": "",
    }.items():
        monkeypatch.setenv("FAKENEWS_UI_URL", url)
        assert failures.notice(run.run_id, event).endswith(f"retries it.{link}")
    monkeypatch.delenv("FAKENEWS_UI_URL")
    assert failures.notice(run.run_id, event).endswith(f"\nhttp://127.0.0.1:3000/runs/{run.run_id}")
