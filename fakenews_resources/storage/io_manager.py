"""The artifact store as a Dagster resource and IO manager."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, get_args, get_origin
from urllib.parse import quote

import dagster as dg
from pydantic import Field, PrivateAttr

from fakenews_resources.project import project_path
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.backend import Backend, FolderBackend
from fakenews_resources.storage.inventory import existing_partitions
from fakenews_resources.storage.keys import is_usable_name
from fakenews_resources.storage.store import LOG_FOLDER, Store, StoreError, ValueMissing

SHOWN_FILES: Final = (".png", ".html")
"""Endings of the files that people look at in a browser."""

STORAGE_TAG: Final = "fakenews/storage"
"""The address of the storage that a run is meant for, where a command has asked Dagster's daemon for it."""

_reads: dict[tuple[str, str], dict[str, str]] = {}
"""Versions read by the steps in progress: version by key, by run and op. It is a module variable because Dagster
copies the resource for the asset and for the IO manager."""


class Storage(dg.ConfigurableResource):
    """Opens the artifact store, and records which versions each step has read.

    Drafts that a failed step left behind are removed at the end of the run.
    """

    root: str = Field(
        default=".fakenews",
        description="Where every value of the graph is stored: a folder, or gs://bucket/prefix. Relative paths start at the"
        " project's folder.",
    )
    log: str | None = Field(
        default=None,
        description="Folder of the service's log; null: `service_log` in the storage.",
    )
    _drafts: list[Artifact] = PrivateAttr(default_factory=list)

    @property
    def store(self) -> Store:
        """The artifact store."""
        return Store(self.root)

    def log_backend(self, store: Store) -> Backend:
        """The storage backend of the prediction log; for a bucket, what services have uploaded so far.

        Args:
            store: this one, or as `afresh` gives it.
        """
        return FolderBackend(project_path(self.log)) if self.log else store.backend.below(LOG_FOLDER)

    @contextmanager
    def afresh(self) -> Iterator[Store]:
        """The store without local copies of a bucket, so that an audit reads the bucket itself."""
        with TemporaryDirectory(prefix="fakenews-") as work:
            yield self.store.afresh(Path(work))

    def draft(self) -> Artifact:
        """An empty folder for an asset's output."""
        draft = self.store.draft()
        self._drafts.append(draft)
        return draft

    def read(self, context: dg.AssetExecutionContext, key: str) -> Artifact:
        """The current version of a key, recorded as an input of the step.

        Use it for inputs that depend on the partition: the asset names them all in `deps` and reads the one that it
        needs.

        Raises:
            dg.Failure: nothing is stored there.
        """
        try:
            artifact = self.store.current(key)
        except ValueMissing as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        _note_read((context.run.run_id, context.op_execution_context.op.name), artifact)
        return artifact

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        meant = context.run.tags.get(STORAGE_TAG) if context.run else None
        if meant not in (None, self.store.backend.address):
            raise dg.Failure(
                f"The command that asked for this run stores in {meant}, but Dagster's daemon in"
                f" {self.store.backend.address}. Set the same FAKENEWS_STORAGE for both.",
                allow_retries=False,
            )

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        for step in [step for step in _reads if context.run and step[0] == context.run.run_id]:
            del _reads[step]
        while self._drafts:
            shutil.rmtree(self._drafts.pop().path, ignore_errors=True)


def storage_from_environment() -> Storage:
    """The storage that FAKENEWS_STORAGE and FAKENEWS_LOG name, as the service reads them too."""
    return Storage(
        root=os.environ.get("FAKENEWS_STORAGE", ".fakenews"), log=os.environ.get("FAKENEWS_LOG") or None
    )


def key_of(asset_key: dg.AssetKey, partition: str | None) -> str:
    """The store key of an asset's value: its path, then its partition if it has one.

    Raises:
        StoreError: nothing can be stored under the partition's name.
    """
    if partition is not None and not is_usable_name(partition):
        raise StoreError(
            f"Nothing can be stored under the partition name {partition!r}: it must not start with a dot, contain a"
            " slash, or be longer than some 200 characters. Delete that partition and add one with another name."
        )
    return "/".join([*asset_key.path, *([partition] if partition is not None else [])])


def checked(
    value: Artifact, checks: Sequence[dg.AssetCheckResult], metadata: Mapping[str, Any] | None = None
) -> dg.MaterializeResult[Artifact]:
    """Combine a draft with the results of its checks into an asset's return value.

    If a blocking check failed, the draft is stored as refused, and readers keep the last accepted version.
    """
    for check in checks:
        objects = not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
        value.objections[check.check_name or ""] = (check.description or "failed") if objects else ""
    return dg.MaterializeResult(value=value, metadata=metadata, check_results=checks)


def reads_if_stored(declared: dg.DagsterType) -> bool:
    """Whether an input of this type, `Artifact | None`, is None where nothing is stored."""
    return type(None) in get_args(declared.typing_type)


def reads_every_partition(declared: dg.DagsterType) -> bool:
    """Whether an input of this type, `dict[str, Artifact]`, gets every stored partition."""
    return get_origin(declared.typing_type) is dict


class ArtifactIOManager(dg.ConfigurableIOManager):
    """Commits the `Artifact` that an asset returns, and loads the current version for downstream assets.

    A version that failed a blocking check is stored as refused, and readers keep the last accepted one. Assets with
    blocking checks therefore run them in their own step, and return the result of `checked`.

    The store's version becomes Dagster's data version, so that the marks in the UI follow what readers get.

    A downstream asset declares its input by annotation: `Artifact`, `Artifact | None` if it can do without, or
    `dict[str, Artifact]` for every stored partition of a partitioned asset. The versions that a step has read are written into the record of its output.
    """

    storage: dg.ResourceDependency[Storage]

    def handle_output(self, context: dg.OutputContext, obj: Artifact) -> None:
        if not isinstance(obj, Artifact):
            raise dg.DagsterInvariantViolationError(
                f"{context.asset_key.to_user_string()} returned {type(obj).__name__}; assets return an Artifact."
            )
        step = context.step_context
        config = step.op_config
        key = _key(context)
        store = self.storage.store
        stored = store.commit(
            key,
            obj,
            run_id=context.run_id,
            code_version=step.job_def.asset_layer.get(context.asset_key).code_version,
            config=config if isinstance(config, Mapping) else None,
            upstream=_reads.pop((context.run_id, step.op.name), {}),
            refused=_failed_blocking_checks(context, obj),
        )
        assert stored.record is not None
        in_force = store.current(key) if stored.record.refused and store.exists(key) else stored
        step.set_data_version(context.asset_key, dg.DataVersion(in_force.version))
        # As metadata of the asset it comes after what the asset says of itself, and stands in one event.
        step.add_asset_metadata(metadata_of(store, stored), context.asset_key)

    def load_input(self, context: dg.InputContext) -> Artifact | dict[str, Artifact] | None:
        if context.has_asset_partitions and reads_every_partition(context.dagster_type):
            return self._load_all(context)
        key = _key(context)
        try:
            return self._load(context, key)
        except ValueMissing as error:
            if reads_if_stored(context.dagster_type):
                return None
            raise dg.Failure(str(error), allow_retries=False) from error

    def _load_all(self, context: dg.InputContext) -> dict[str, Artifact]:
        registered = context.asset_partition_keys
        asset = context.asset_key.to_user_string()
        existing = existing_partitions(self.storage.store, asset, registered)
        if missing := len(registered) - len(existing):
            context.log.info(f"{asset} has no value yet for {missing} of {len(registered)} partitions.")
        found = self.storage.store.current_of(f"{asset}/{name}" for name in registered if name in existing)
        for artifact in found.values():
            self._note(context, artifact)
        return {key.removeprefix(f"{asset}/"): artifact for key, artifact in found.items()}

    def _load(self, context: dg.InputContext, key: str) -> Artifact:
        artifact = self.storage.store.current(key)
        self._note(context, artifact)
        return artifact

    def _note(self, context: dg.InputContext, artifact: Artifact) -> None:
        _note_read((context.step_context.run_id, context.step_context.op.name), artifact)


def _key(context: dg.InputContext | dg.OutputContext) -> str:
    try:
        return key_of(
            context.asset_key, context.asset_partition_key if context.has_asset_partitions else None
        )
    except StoreError as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def monitor_url() -> str:
    """Where `fakenews monitor` answers people."""
    return os.environ.get("FAKENEWS_MONITOR_URL", "http://127.0.0.1:3002").rstrip("/")


def metadata_of(store: Store, stored: Artifact) -> dict[str, Any]:
    """What the UI shows of any stored version: where its files are, and whether it was refused."""
    assert stored.record is not None
    return {
        "version": stored.version,
        "path": dg.MetadataValue.path(store.where(stored)),
        **_pages(stored),
        "size_bytes": sum(entry.bytes for entry in stored.record.files.values()),
        **({"refused": dict(stored.record.refused)} if stored.record.refused else {}),
    }


def _pages(stored: Artifact) -> dict[str, dg.UrlMetadataValue]:
    """Where `fakenews monitor` shows the plots and pages of a version, by file name."""
    assert stored.record is not None
    home = f"{monitor_url()}/stored/{quote(stored.record.key)}/{stored.version}"
    return {
        name: dg.MetadataValue.url(f"{home}/{quote(name)}")
        for name in sorted(stored.record.files)
        if name.endswith(SHOWN_FILES) and "/" not in name
    }


def _failed_blocking_checks(context: dg.OutputContext, value: Artifact) -> dict[str, str]:
    """Blocking checks that a draft failed, with the reason.

    Raises:
        DagsterInvariantViolationError: one of them was not made before the value was returned.
    """
    asset = context.step_context.job_def.asset_layer.get(context.asset_key).assets_def
    blocking = [
        spec.name for spec in asset.check_specs if spec.asset_key == context.asset_key and spec.blocking
    ]
    if unasked := [name for name in blocking if name not in value.objections]:
        raise dg.DagsterInvariantViolationError(
            f"{context.asset_key.to_user_string()} did not make its blocking checks {unasked} before it returned. Return"
            " what `checked(draft, results)` gives."
        )
    return {name: value.objections[name] for name in blocking if value.objections[name]}


def _note_read(step: tuple[str, str], artifact: Artifact) -> None:
    assert artifact.record is not None
    _reads.setdefault(step, {})[artifact.record.key] = artifact.version
