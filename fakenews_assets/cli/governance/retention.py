"""`fakenews prune`, `erase` and `retire-batch`: deletion, with a tombstone for each."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fakenews_assets.automation.runs import runs_in_progress
from fakenews_assets.cli.errors import CommandFailed
from fakenews_assets.cli.executing import code_location
from fakenews_assets.cli.running import GraphRunner
from fakenews_assets.cli.steps import shown_step
from fakenews_assets.common.launching import current_user
from fakenews_assets.common.progress import report
from fakenews_assets.data.partitions import registered_batches, some_of
from fakenews_assets.data.readers.table import UnreadableFile
from fakenews_assets.governance.erasure.erasure import Erased, erase
from fakenews_assets.governance.erasure.finding import UnknownArticle, articles_titled, holders
from fakenews_assets.governance.erasure.quoting import TELLING_CHARS
from fakenews_assets.governance.pruning.pruning import MODELS, plan_pruning, prune
from fakenews_assets.governance.pruning.retiring import BatchInUse, retire_batch, trained_on
from fakenews_assets.monitoring.log.sealing import seal_and_publish
from fakenews_assets.registry.bundle import BundleError
from fakenews_assets.registry.champion import RegistryError
from fakenews_resources.storage.backend import Backend
from fakenews_resources.storage.io_manager import storage_from_environment
from fakenews_resources.storage.ledger import Erasure, Ledger, Removed
from fakenews_resources.storage.store import Store, StoreError
from fakenews_resources.storage.tombstones import Tombstones

_REFUSALS: Final = (
    BatchInUse,
    BundleError,
    RegistryError,
    StoreError,
    UnknownArticle,
    UnreadableFile,
)


def prune_store(keep_bundles: int, older_than: float, *, dry_run: bool, yes: bool, by: str) -> None:
    """Show what is no longer needed, and delete it once that is confirmed.

    Raises:
        CommandFailed: a run is in progress, or damage keeps it from finding what is needed.
    """
    with _graph_at_rest() as (runner, store), _refusals():
        console = runner.console
        with shown_step(console, "finding what is still needed"):
            gone = plan_pruning(store, keep_bundles, timedelta(days=older_than))
        if not gone:
            console.print("Nothing to prune: everything is needed or too recent.")
            return
        console.print(_removed_table(gone))
        if dry_run or not _confirmed(yes, "Delete all of these?"):
            console.print("Nothing was deleted.")
            return
        _require_rest(runner)
        reason = f"not needed by the champion, the {keep_bundles} before it and the current values"
        with shown_step(console, "deleting"):
            prune(store, gone, by=by or current_user(), reason=reason)
            seal_and_publish(store.backend, storage_from_environment().log_backend(store))
        console.print(
            f"Deleted {_size(gone)}; recorded in {Tombstones(store).backend.address}.", soft_wrap=True
        )


def erase_article(article_id: str, title: str, reason: str, *, raw: bool, yes: bool, by: str) -> None:
    """Erase an article, then print where it may remain.

    Raises:
        CommandFailed: no file holds it, several have this title, or a run is in progress.
    """
    if bool(article_id) == bool(title):
        raise CommandFailed("Name the article: give its id, or --title with the whole title.")
    storage = storage_from_environment()
    with _graph_at_rest() as (runner, store), _refusals():
        console = runner.console
        if title:
            article_id = _id_of(store, storage.log_backend(store), title)
        if not _confirmed(yes, f"Erase {article_id}? This cannot be undone."):
            console.print("Nothing was erased.")
            return
        _require_rest(runner)
        # From the bucket itself: an erasure that was killed may have changed the local copy.
        with shown_step(console, "erasing"), storage.afresh() as fresh:
            log = storage.log_backend(fresh)
            erased = erase(
                fresh,
                log,
                article_id,
                by=by or current_user(),
                reason=reason,
                raw=raw,
            )
            seal_and_publish(fresh.backend, log)
            report(note="looking for its title elsewhere")
            ledger = Tombstones(fresh).read()
            elsewhere = _elsewhere(fresh, log, erased)
            # Bundles hold no article, and a service may be reading one from the same copy.
            store.backend.forget(but=[MODELS])
        _show_erased(console, erased)
        for file, count in erased.unreadable.items():
            console.print(
                f"[yellow]Blanked as a whole:[/] {count} lines of {escape(file)} that cannot be parsed"
                " and may have contained it.",
                highlight=False,
                soft_wrap=True,
            )
        for line in _still_held(store, ledger, erased.tombstone, elsewhere, erased.titles):
            console.print(f"[yellow]Not erased:[/] {escape(line)}", highlight=False, soft_wrap=True)
        batches = [key.partition("/")[2] for key in erased.tombstone.raw_rows]
        if batches:
            console.print(
                f"Next: materialize clean_news of {', '.join(batches)} and everything downstream, now without it.",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )


def retire(batch: str, reason: str, *, yes: bool, by: str) -> None:
    """Delete a batch that no kept bundle was trained on, and its partition.

    Raises:
        CommandFailed: a kept bundle was trained on it, it does not exist, or a run is in progress.
    """
    with _graph_at_rest() as (runner, store), _refusals():
        known = batch in registered_batches(runner.instance)
        if not known and not store.exists(f"raw_news/{batch}"):
            stored = some_of(sorted(store.partitions("raw_news"))) or "none"
            raise CommandFailed(f"No batch {batch!r}. Stored are: {stored}.")
        if not trained_on(store, batch) and not _confirmed(yes, f"Delete batch {batch} and its raw bytes?"):
            runner.console.print("Nothing was deleted.")
            return
        _require_rest(runner)
        tombstone = retire_batch(store, batch, by=by or current_user(), reason=reason)
        runner.instance.delete_dynamic_partition("news_batches", batch)
        seal_and_publish(store.backend, storage_from_environment().log_backend(store))
        runner.console.print(_removed_table(tombstone.removed))
        runner.console.print(
            f"Deleted batch {batch}. Next: materialize article_clusters and everything downstream.",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


@contextmanager
def _graph_at_rest() -> Iterator[tuple[GraphRunner, Store]]:
    """The graph while no run is at work."""
    with GraphRunner() as runner:
        _require_rest(runner)
        yield runner, runner.store


def _require_rest(runner: GraphRunner) -> None:
    """Raise CommandFailed while a run is at work, which may hold versions that no record names yet, or waits for its turn.

    Called again once a person has confirmed: runs start in the meantime.
    """
    origin = code_location()
    repository = runner.defs.get_repository_def()
    runs = runs_in_progress(runner.instance, repository, origin.location_name if origin else None)
    if runs:
        names = ", ".join(f"{run.job_name} ({run.run_id[:8]}, {run.status.value.lower()})" for run in runs)
        raise CommandFailed(
            f"Runs in progress: {names}. Wait until they end, or terminate or delete them, then try again."
        )


def _id_of(store: Store, log: Backend, title: str) -> str:
    """Id of the one article with this title. Raises CommandFailed where there is none, or several."""
    found = articles_titled(store, log.fetch(), title)
    if len(found) != 1:
        listed = "".join(f"\n  {article_id}  {text}" for article_id, text in found.items())
        raise CommandFailed(
            f"Several articles have this title. Erase each by its id:{listed}"
            if found
            else f"No article in {store.address}, and none in the service's log, has this title. Give all of its words."
        )
    return next(iter(found))


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except _REFUSALS as error:
        raise CommandFailed(str(error)) from error


def _confirmed(yes: bool, question: str) -> bool:
    return yes or typer.confirm(question)


def _removed_table(gone: Sequence[Removed]) -> Table:
    """Versions by key, and bundles by sha."""
    table = Table("what", "versions", "MB", title="To delete", title_justify="left", show_footer=True)
    for key in dict.fromkeys(one.key for one in gone):
        mine = [one for one in gone if one.key == key]
        names = ", ".join(one.version[:8] for one in mine)
        table.add_row(
            "bundles" if key == MODELS else escape(key), names, f"{sum(one.bytes for one in mine) / 1e6:,.1f}"
        )
    table.columns[0].footer, table.columns[2].footer = "all", f"{sum(one.bytes for one in gone) / 1e6:,.1f}"
    return table


def _size(gone: Sequence[Removed]) -> str:
    return f"{len(gone)} versions and bundles, {sum(one.bytes for one in gone) / 1e6:,.1f} MB"


def _show_erased(console: Console, erased: Erased) -> None:
    tombstone = erased.tombstone
    if not erased.anew:
        console.print(
            f"{tombstone.article_id} was erased on {tombstone.at:%Y-%m-%d %H:%M} UTC by {tombstone.by};"
            " there was nothing left to erase.",
            markup=False,
            soft_wrap=True,
        )
        return
    table = Table("key", "version", "file", title="Rewritten without the article", title_justify="left")
    for one in tombstone.files:
        table.add_row(escape(one.key), one.version[:12], one.file)
    console.print(table)


def _elsewhere(store: Store, log: Backend, erased: Erased) -> list[str]:
    """Addresses of the files, raw ones left out, that still contain its title."""
    backends = [store.backend] if log.root.is_relative_to(store.root) else [store.backend, log]
    raw = store.root / "raw_news"
    return [
        f"{backend.address}/{path.relative_to(backend.root)}"
        for backend in backends
        for path in holders(backend.root, erased.titles, but=raw)
    ]


def _still_held(
    store: Store, ledger: Ledger, erasure: Erasure, elsewhere: Sequence[str], titles: Sequence[str]
) -> Iterator[str]:
    """Where an article may remain after its erasure."""
    if not ledger.is_out_of_raw(erasure):
        for key, rows in erasure.raw_rows.items():
            shown = ", ".join(map(str, rows))
            yield f"the raw bytes of {key}, record {shown} (from 0). Erase it there with --raw."
    for key in erasure.raw_rows:
        if store.exists(key):
            yield f"the source of the batch, {store.current(key).meta['source_uri']}, which is outside the store."
    if erasure.heirs:
        yield f"near-duplicates, articles of their own: {', '.join(sorted(erasure.heirs))}. Erase each by its id."
    if elsewhere:
        yield f"files with another article of this title, or that quote it: {', '.join(elsewhere)}."
    if any(len(title) < TELLING_CHARS for title in titles):
        yield f"quotations of its title, which is too short to search for (under {TELLING_CHARS} characters)."
    if store.backend.is_bucket:
        yield "log lines that a running service has not uploaded yet. Erase again after FAKENEWS_LOG_SEND_SECONDS."
    if erasure.bundles:
        yield f"the weights of models that were trained on it: bundles {', '.join(erasure.bundles)}."
    yield "backups, and Dagster's own log in .dagster, which may quote a refused batch."
