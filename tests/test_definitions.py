"""The graph as Dagster loads it: a rewiring has to show in review."""

import tests.conftest  # noqa: F401, I001 - first: it names the candidates, also where this module writes the snapshot

import json
import subprocess
import sys
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from fakenews_assets.cli.running import use_project_home
from fakenews_assets.data import assets as data
from fakenews_assets.definitions import defs
from fakenews_assets.serving import assets as serving
from fakenews_resources.news.base import NoAnswer, NotFound, Unreachable
from fakenews_resources.news.resource import FETCHING, fetching_failed, not_retried_otherwise

REPOSITORY = Path(__file__).parents[1]
SNAPSHOT = Path(__file__).with_name("graph.json")


def described() -> dict[str, Any]:
    """Keys, edges, partitions, checks, jobs, sensors and schedules, in a form that reads well in a diff."""
    graph = defs.resolve_asset_graph()
    assets = {}
    for key in graph.toposorted_asset_keys:
        node = graph.get(key)
        assets[key.to_user_string()] = {
            "group": node.group_name,
            "inputs": sorted(parent.to_user_string() for parent in node.parent_keys),
            "partitions": str(node.partitions_def) if node.partitions_def else None,
            "pools": sorted(node.pools or []),
            "kinds": sorted(node.kinds),
            "checks": sorted(check.name for check in node.check_keys),
            "automation": node.automation_condition is not None,
        }
    jobs = {
        job.name: sorted(
            key.to_user_string() for key in defs.resolve_job_def(job.name).asset_layer.executable_asset_keys
        )
        for job in defs.jobs or []
    }
    sensors = {sensor.name: str(sensor.default_status.value) for sensor in defs.sensors or []}  # pyright: ignore[reportAttributeAccessIssue]
    schedules = {schedule.name: schedule.cron_schedule for schedule in defs.schedules or []}  # pyright: ignore[reportAttributeAccessIssue]
    blocking = sorted(
        f"{key.asset_key.to_user_string()}: {key.name}"
        for key in graph.asset_check_keys
        if graph.get_check_spec(key).blocking
    )
    return {
        "assets": assets,
        "jobs": jobs,
        "sensors": sensors,
        "schedules": schedules,
        "blocking_checks": blocking,
    }


def test_the_graph_is_as_reviewed() -> None:
    """On purpose changed? Write the file anew: python -m tests.test_definitions"""
    assert described() == json.loads(SNAPSHOT.read_text())


def test_every_blocking_check_is_made_in_the_step_of_its_asset() -> None:
    """Else a value would be stored as accepted before its check, and others would read it."""
    graph = defs.resolve_asset_graph()
    for key in graph.asset_check_keys:
        if graph.get_check_spec(key).blocking:
            assert key in {spec.key for spec in graph.get(key.asset_key).assets_def.check_specs}, key


def test_every_asset_says_what_it_is_and_whose() -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.owners, key
        assert node.code_version, key
        assert node.kinds, key


def test_every_sensor_schedule_and_job_says_what_it_does() -> None:
    repository = defs.get_repository_def()
    jobs = (job for job in repository.get_all_jobs() if not job.name.startswith("__"))
    found = (*repository.sensor_defs, *repository.schedule_defs, *jobs)
    assert [one.name for one in found if not one.description] == []


def test_a_check_has_the_partitions_of_its_asset() -> None:
    """Else one partition's result would hide another's."""
    graph = defs.resolve_asset_graph()
    for key in graph.asset_check_keys:
        assert graph.get(key).partitions_def == graph.get(key.asset_key).partitions_def, key


def test_columns_come_from_columns() -> None:
    """The lineage names columns that the tables upstream have."""
    graph = defs.resolve_asset_graph()
    found = [
        (asset, column, origin)
        for asset, lineage in (
            ("article_clusters", data._CLUSTER_LINEAGE),
            ("splits", data._SPLIT_LINEAGE),
            ("batch_predictions", serving._PREDICTION_LINEAGE),
        )
        for column, origins in lineage.items()
        for origin in origins
    ]

    def names(asset: str) -> list[str]:
        schema = graph.get(dg.AssetKey(asset)).metadata["dagster/column_schema"]
        return [column.name for column in schema.columns]

    assert len(found) > 20
    for asset, column, origin in found:
        upstream, _, name = origin.partition(".")
        assert column in names(asset)
        assert name in names(upstream)
        assert dg.AssetKey(upstream) in graph.get(dg.AssetKey(asset)).parent_keys


@pytest.mark.server
@pytest.mark.usefixtures("project")
def test_dg_finds_and_checks_the_definitions() -> None:
    dg_command = Path(sys.executable).with_name("dg")
    result = subprocess.run([dg_command, "check", "defs"], cwd=REPOSITORY, capture_output=True, text=True)
    assert "All definitions loaded successfully." in result.stdout + result.stderr


@pytest.mark.server
def test_loading_the_definitions_imports_nothing_heavy() -> None:
    heavy = [
        "torch",
        "transformers",
        "lightning",
        "sklearn",
        "scipy",
        "matplotlib",
        "evidently",
        "pandas",
        "google.cloud.storage",
        "bentoml",
        "wandb",
        "ray",
    ]
    code = f"import sys, fakenews_assets.definitions; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.server
def test_graph_command_line_and_service_run_without_the_test_runner() -> None:
    """It is one of the project's requirements; images leave it out."""
    assert any(line.startswith("pytest") and ";" not in line for line in requires("fakenews") or [])
    code = "import sys; sys.modules |= {'pytest': None, '_pytest': None}\n"
    code += "import fakenews_assets.definitions, fakenews_assets.cli.app, bentos.fakenews.service"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_definitions_are_valid_for_dagster() -> None:
    dg.Definitions.validate_loadable(defs)


def test_the_workspace_names_this_module() -> None:
    workspace = yaml.safe_load((REPOSITORY / "workspace.yaml").read_text())
    assert workspace["load_from"][0]["python_module"]["module_name"] == "fakenews_assets.definitions"


@pytest.mark.usefixtures("project")
def test_the_instance_is_as_configured() -> None:
    with dg.DagsterInstance.get() as instance:
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        assert instance.run_monitoring_enabled
        assert instance.run_retries_enabled
        assert instance.global_op_concurrency_default_limit == 1
        instance.add_dynamic_partitions("news_batches", ["b"])
        assert instance.run_launcher.supports_check_run_worker_health


def test_dagsters_state_lies_in_a_folder_of_its_own_wherever_a_command_starts(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, below = project / ".dagster", project / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    monkeypatch.delenv("DAGSTER_HOME")
    use_project_home()
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions("news_batches", ["b"])
    link = (home / "dagster.yaml").readlink()
    assert link == (REPOSITORY / ".dagster" / "dagster.yaml").readlink(), "it is made as it was shipped"
    assert not any(below.iterdir())
    assert sorted(path.name for path in project.iterdir()) == [".dagster", "below", "dagster.yaml"]


def test_what_fetches_from_outside_is_tried_again_if_it_was_out_of_reach() -> None:
    graph = defs.resolve_asset_graph()
    assets = [graph.get(key).assets_def for key in graph.toposorted_asset_keys]
    fetching = [asset for asset in assets if "news_source" in asset.required_resource_keys]
    assert {asset.key.to_user_string() for asset in fetching} == {"raw_news", "source_ratings"}
    assert all(asset.op.retry_policy == FETCHING for asset in fetching)
    assert fetching_failed(Unreachable("broke off")).allow_retries
    assert not fetching_failed(NoAnswer("no route")).allow_retries
    assert not fetching_failed(NotFound("no such file")).allow_retries


def test_an_error_that_fetching_did_not_raise_is_not_tried_again() -> None:
    attempts = []

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=2))
    @not_retried_otherwise()
    def broken() -> None:
        attempts.append(1)
        raise KeyError("a fault of the program")

    assert not dg.materialize([broken], raise_on_error=False).success
    assert len(attempts) == 1


def test_no_package_has_downgraded_what_dagster_parses_selections_with() -> None:
    assert version("antlr4-python3-runtime").startswith("4.13.")


@pytest.mark.server
@pytest.mark.parametrize("module", ["dagster_gcp", "dagster_wandb"])
def test_the_integrations_import(module: str) -> None:
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True, capture_output=True)


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(described(), indent=2) + "\n")
