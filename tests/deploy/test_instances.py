"""The instance files are what Dagster can load, and choose as the laptop's does."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.ref import InstanceRef
from dagster._serdes import ConfigurableClassData
from gcp_storage_emulator.server import create_server

from fakenews_resources.processes import free_port
from tests.deploy.conftest import Postgres
from tests.deploy.files import REPOSITORY, read

FILES = ("dagster.gcp.yaml", "compose/dagster.yaml")
SHARED = ("concurrency", "run_coordinator", "run_monitoring", "run_retries", "telemetry", "nux")

ENVIRONMENT = {
    "DAGSTER_GCS_BUCKET": "logs",
    "DAGSTER_PG_HOST": "127.0.0.1",
    "DAGSTER_PG_DB": "postgres",
    "DAGSTER_PG_USERNAME": "dagster",
    "DAGSTER_PG_PASSWORD": "of no account",
    "DAGSTER_K8S_NAMESPACE": "dagster",
    "DAGSTER_K8S_SERVICE_ACCOUNT": "dagster",
    "DAGSTER_K8S_INSTANCE_CONFIG_MAP": "dagster-instance",
    "DAGSTER_K8S_PG_PASSWORD_SECRET": "dagster-postgresql-secret",
}


@dg.asset
def greeting() -> None:
    """Runs in a moment."""
    print("hello from the run")  # noqa: T201


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    port = free_port()
    server = create_server(
        "127.0.0.1", port, in_memory=False, data_dir=str(tmp_path / "gcs"), default_bucket="logs"
    )
    server.start()
    try:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        yield
    finally:
        server.stop()


def names_of_environment(config: Any) -> set[str]:
    if isinstance(config, dict):
        if set(config) == {"env"}:
            return {config["env"]}
        return set().union(*map(names_of_environment, config.values()))
    return set()


@pytest.mark.parametrize("name", FILES)
def test_limits_and_retries_are_the_laptops(name: str):
    laptop = yaml.safe_load((REPOSITORY / "dagster.yaml").read_text())
    assert {key: read(name).get(key) for key in SHARED} == {key: laptop[key] for key in SHARED}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.usefixtures("environment")
def test_dagster_accepts_every_setting(name: str, tmp_path: Path):
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(read(name)))
    ref = InstanceRef.from_dir(str(tmp_path))
    classes = [value for value in vars(ref).values() if isinstance(value, ConfigurableClassData)] or [
        value for value in ref if isinstance(value, ConfigurableClassData)
    ]
    assert len(classes) >= 7
    for found in classes:
        module = __import__(found.module_name, fromlist=[found.class_name])
        schema = resolve_to_config_type(getattr(module, found.class_name).config_type())
        result = process_config(schema, found.config_dict)
        assert result.success, (found.class_name, result.errors)


def test_no_secret_and_no_address_stands_in_the_file_for_google_cloud():
    config = read("dagster.gcp.yaml")
    assert names_of_environment(config) == set(ENVIRONMENT)
    assert names_of_environment(config["storage"]["postgres"]["postgres_db"]) == {
        name for name in ENVIRONMENT if name.startswith("DAGSTER_PG")
    }


@pytest.mark.usefixtures("environment", "bucket")
def test_a_run_keeps_its_history_in_postgres_and_its_output_in_the_bucket(tmp_path: Path, postgres: Postgres):
    """The file as it is but for the launcher, which needs a cluster, and the server's port."""
    config = read("dagster.gcp.yaml")
    del config["run_launcher"]
    config["storage"]["postgres"]["postgres_db"]["port"] = postgres.port
    config["compute_logs"]["config"]["local_dir"] = str(tmp_path / "staged")
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(config))

    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        result = dg.materialize([greeting], instance=instance)
        instance.add_dynamic_partitions("news_batches", ["b"])

    # A process that comes later.
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert type(instance.run_storage).__name__ == "PostgresRunStorage"
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        assert run.is_success
        assert instance.get_latest_materialization_event(greeting.key) is not None
        assert list(instance.get_dynamic_partitions("news_batches")) == ["b"]
        assert instance.global_op_concurrency_default_limit == 1
        assert instance.run_retries_enabled
        (event,) = [
            entry.dagster_event.event_specific_data
            for entry in instance.all_logs(result.run_id)
            if entry.dagster_event and entry.dagster_event.event_type_value == "LOGS_CAPTURED"
        ]
        captured = instance.compute_log_manager.get_log_data([result.run_id, "compute_logs", event.file_key])  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]
    assert b"hello from the run" in (captured.stdout or b"")
    assert [path for path in (tmp_path / "gcs").rglob("*") if "compute-logs" in str(path) and path.is_file()]


def test_the_workspace_of_compose_names_the_code_server():
    (server,) = read("compose/workspace.yaml")["load_from"]
    command = read("compose.yaml")["services"]
    assert server["grpc_server"]["host"] in command
    dockerfile = (REPOSITORY / "deploy" / "Dockerfile.dagster").read_text()
    assert f'"--port", "{server["grpc_server"]["port"]}"' in dockerfile


@pytest.mark.skipif(shutil.which("pg_dump") is None, reason="PostgreSQL's programs are not on the path")
def test_a_restored_copy_of_postgres_has_the_history(
    tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
):
    """By the commands of the page, into another database. A migration finds nothing to do."""
    page = (
        (REPOSITORY / "docs" / "how-to" / "back-up.md")
        .read_text()
        .split("\n## Postgres\n")[1]
        .split("\n## ")[0]
    )
    copy, restore = re.findall(r"^```bash\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", "of no account")
    environment = {
        "BACKUP": str(tmp_path),
        "DAGSTER_PG_HOST": "127.0.0.1",
        "PGPORT": str(postgres.port),
        "PATH": os.environ["PATH"],
    }

    def run(commands: str) -> None:
        subprocess.run(["bash", "-euc", commands], env=environment, check=True)

    def home(database: str) -> Path:
        config = read("compose/dagster.yaml")
        storage = config["storage"]["postgres"]["postgres_db"]
        storage |= {"hostname": "127.0.0.1", "port": postgres.port, "db_name": database}
        folder = tmp_path / database
        folder.mkdir()
        own = {"storage": config["storage"], "telemetry": config["telemetry"]}
        (folder / "dagster.yaml").write_text(yaml.safe_dump(own))
        return folder

    run("createdb --host $DAGSTER_PG_HOST --username dagster dagster")
    with dg.DagsterInstance.from_config(str(home("dagster"))) as instance:
        result = dg.materialize([greeting], instance=instance)
        instance.add_dynamic_partitions("news_batches", ["b"])
    run(copy)
    run("createdb --host $DAGSTER_PG_HOST --username dagster restored")
    run(restore.partition("\n")[2].replace("--dbname dagster", "--dbname restored"))
    folder = home("restored")
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        run_ = instance.get_run_by_id(result.run_id)
        assert run_ is not None
        assert run_.is_success
        assert list(instance.get_dynamic_partitions("news_batches")) == ["b"]
    migrated = subprocess.run(
        [sys.executable, "-m", "dagster", "instance", "migrate"],
        env=os.environ | {"DAGSTER_HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert migrated.returncode == 0, migrated.stderr


def test_a_run_waits_for_a_code_server_that_starts_again(tmp_path: Path):
    """As long as compose lets it wait for its runs and a minute more: without a wait the run fails for ever."""
    config = read("compose/dagster.yaml")
    elsewhere = {"storage", "local_artifact_storage", "compute_logs"}
    own = {name: value for name, value in config.items() if name not in elsewhere}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(own))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        queue = instance.get_concurrency_config().run_queue_config
    assert queue is not None
    grace = read("compose.yaml")["services"]["code"]["stop_grace_period"]
    assert grace == "5m"
    assert queue.max_user_code_failure_retries * queue.user_code_failure_retry_delay >= 5 * 60 + 60
    assert queue.max_concurrent_runs == config["concurrency"]["runs"]["max_concurrent_runs"]
