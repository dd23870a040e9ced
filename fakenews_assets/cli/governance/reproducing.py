"""`fakenews reproduce`: a bundle retrained from its raw data in a scratch store, and the two compared."""

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from rich.console import Console

from fakenews_assets.automation.order import GraphOrder
from fakenews_assets.automation.runs import failure_reasons
from fakenews_assets.cli.errors import CommandCanceled, CommandFailed
from fakenews_assets.cli.executing import was_interrupted
from fakenews_assets.cli.running import load_graph
from fakenews_assets.cli.steps import shown_steps
from fakenews_assets.common import progress
from fakenews_assets.compression.partitions import CHOSEN
from fakenews_assets.governance.reproduce.recipe import RAW, CannotReproduce, Step, lay_out
from fakenews_assets.governance.reproduce.report import to_terminal
from fakenews_assets.governance.reproduce.reproduction import Reproduction, SeedSpread, compare, remarks
from fakenews_assets.registry.bundle import Bundle, BundleError, Manifest, open_bundle
from fakenews_assets.registry.bundles import find_bundle
from fakenews_assets.registry.champion import ChampionRegistry, RegistryError
from fakenews_resources.storage.io_manager import ArtifactIOManager, Storage, storage_from_environment
from fakenews_resources.storage.store import Store
from fakenews_resources.tracking.resource import Tracker

CHAMPION = "champion"

_INSTANCE = "telemetry: {enabled: false}\nnux: {enabled: false}\n"
"""As in the shipped dagster.yaml; its pools are for several runs at once."""


def reproduce(asked: str, keep: Path | None, json_file: Path | None) -> bool:
    """Retrain a bundle from its raw data and print the comparison.

    Args:
        asked: `champion`, or a bundle's sha or its beginning.
        keep: empty or missing folder that keeps the scratch store, as `store` and `dagster`; None: it is deleted.
        json_file: file to write the comparison to.

    Returns:
        Whether all data are equal and every metric is within its tolerance.

    Raises:
        CommandFailed: there is no such bundle, an input of its recipe is gone, or a step failed.
    """
    console = Console(file=sys.stdout)
    store = storage_from_environment().store
    started_at, start = datetime.now(UTC), time.monotonic()
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)  # now, not after the training
    try:
        bundle = _bundle(store, asked)
        with _workplace(keep) as work:
            scratch = Store(work / "store")
            with console.status("Loading the graph"):
                defs = load_graph()
            order = list(GraphOrder(defs.get_repository_def()).assets)
            steps = lay_out(store, scratch, bundle.manifest, order)
            _run(defs, scratch, steps, work, console)
            lines = compare(store, scratch, bundle, seed_spread(store, bundle.manifest))
    except (CannotReproduce, BundleError, RegistryError) as error:
        raise CommandFailed(str(error)) from error
    found = Reproduction(
        bundle=bundle.sha,
        candidate=bundle.manifest.candidate,
        started_at=started_at,
        seconds=time.monotonic() - start,
        lines=tuple(lines),
        notes=remarks(store, bundle, lines),
    )
    if json_file is not None:
        json_file.write_text(found.model_dump_json(indent=2) + "\n", encoding="utf-8")
    console.print(to_terminal(found))
    return found.reproduced


def _bundle(store: Store, asked: str) -> Bundle:
    if asked == CHAMPION:
        pointer = ChampionRegistry(store.bundles).champion()
        if pointer is None:
            raise CannotReproduce(
                f"No champion in {store.bundles.address}. Run `make demo` to train one, or give a bundle."
            )
        return open_bundle(store.bundle(pointer.bundle))
    return open_bundle(store.bundle(find_bundle(store.bundles, asked)))


@contextmanager
def _workplace(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="fakenews-reproduce-") as folder:
            yield Path(folder)
        return
    if keep.exists() and any(keep.iterdir()):
        raise CannotReproduce(f"{keep} is not empty. Give an empty folder, or one that does not exist.")
    keep.mkdir(parents=True, exist_ok=True)
    yield keep


def _run(defs: dg.Definitions, scratch: Store, steps: list[Step], work: Path, console: Console) -> None:
    """Make every value, one run each, on a Dagster instance of its own."""
    storage = Storage(root=str(scratch.root))
    resources = {
        **(defs.resources or {}),
        "storage": storage,
        "io_manager": ArtifactIOManager(storage=storage),
        "tracker": Tracker(storage=storage, mode="off"),  # these trainings are not experiments
    }
    assets = [one for one in defs.assets or () if isinstance(one, dg.AssetsDefinition)]
    require_candidates(assets, steps)
    home = work / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text(_INSTANCE, encoding="utf-8")
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        instance.add_dynamic_partitions("news_batches", sorted(scratch.partitions(RAW)))
        names = [step.key for step in steps]
        with shown_steps(console, names) as shown:
            for step in steps:
                shown.start(step.key)
                with progress.listening(lambda told, key=step.key: shown.show(replace(told, task=key))):
                    result = dg.materialize(
                        assets,
                        selection=[step.asset],
                        partition_key=step.partition,
                        run_config={
                            "ops": {step.asset: {"config": dict(step.config)}} if step.config else {},
                            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                        },
                        resources=resources,
                        instance=instance,
                        raise_on_error=False,
                    )
                if was_interrupted(instance, result.run_id):
                    raise CommandCanceled("The store was only read.")
                # A batch that its checks refuse was refused the first time too, and is stored all the same.
                made = scratch.exists(step.key) and _run_of(scratch, step.key) == result.run_id
                shown.finish(step.key, failed=not made)
                if not made:
                    reasons = "\n".join(failure_reasons(instance, result.run_id))
                    raise CannotReproduce(f"Could not make {step.key} again. {reasons}")


def _run_of(scratch: Store, key: str) -> str | None:
    record = scratch.current(key).record
    assert record is not None
    return record.run_id


def require_candidates(assets: Sequence[dg.AssetsDefinition], steps: Sequence[Step]) -> None:
    """Raise CannotReproduce if a step's candidate is no partition here."""
    known = {
        asset.key.to_user_string(): asset.partitions_def.get_partition_keys()
        for asset in assets
        if isinstance(asset.partitions_def, dg.StaticPartitionsDefinition)
    }
    missing = {
        step.partition for step in steps if step.partition not in known.get(step.asset, [step.partition])
    }
    if missing:
        names = " ".join(sorted(CHOSEN.union(filter(None, missing))))
        raise CannotReproduce(
            f'It was made with other candidates. Run it with FAKENEWS_CANDIDATES="{names}".'
        )


def seed_spread(store: Store, manifest: Manifest) -> SeedSpread | None:
    """How much the scores of a bundle's recipe vary with the seed, if `generalization` has measured it on these splits."""
    from fakenews_assets.evaluation.generalization.generalization import measures, read_spreads

    if not store.exists("generalization"):
        return None
    measured, candidate = store.current("generalization"), manifest.candidate
    assert measured.record is not None
    if not measures(candidate, measured.record.upstream, manifest.data_versions):
        return None
    for one in read_spreads(measured.path):
        if (one.protocol, one.held_out, one.model) == ("grouped", None, candidate) and one.sd:
            return SeedSpread(sd=one.sd, seeds=one.seeds)
    return None
