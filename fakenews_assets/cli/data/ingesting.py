"""`fakenews ingest` and `fakenews admit`: one batch registered, received and cleaned, and with `--train` a champion made
of it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from pydantic import ValidationError
from rich.markup import escape

from fakenews_assets.cli.data.addresses import batch_name, local_files, sha256_of, typed
from fakenews_assets.cli.data.ingested import show_batch, show_next, untrainable
from fakenews_assets.cli.data.options import OPTIONS, as_options
from fakenews_assets.cli.errors import CommandFailed
from fakenews_assets.cli.running import GraphRunner
from fakenews_assets.data.admission.admission import OVERRULABLE, AdmissionSettings
from fakenews_assets.data.fields.mapping import faults_of
from fakenews_assets.data.partitions import corpus_batches, received_batches, registered_batches
from fakenews_assets.data.receiving.claims import Claims
from fakenews_assets.data.receiving.receiving import RawNewsSettings, repeats
from fakenews_assets.data.receiving.recipe_folders import with_recipe
from fakenews_resources.news.base import SourceError
from fakenews_resources.storage.store import Store


def ingest(
    addresses: Sequence[str],
    batch: str,
    *,
    given: Mapping[str, Any],
    rule: Mapping[str, float] | None,
    train: bool,
) -> None:
    """Ingest a batch and print what became of its rows, and what comes next.

    Args:
        addresses: files, or an address of a news source or of a recipe.
        batch: its name; empty for one made of the address.
        given: how the rows are read, as `RawNewsSettings` has it.
        rule: thresholds that label articles by their publisher's rating, as in `LabelRule`; None: no such labels.
        train: go on to a champion.

    Raises:
        CommandFailed: there is no such file, another batch holds its bytes, there are no ratings, a step failed, a
            blocking check refused the batch, or the corpus is not one to train on.
        typer.BadParameter: the batch cannot have this name.
    """
    settings = _settings([typed(address) for address in addresses], given)
    files = local_files(settings.uris)
    sha256 = sha256_of(files) if files else ""
    name = batch or batch_name(typed(addresses[0]), files, sha256)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@+=-]{0,99}", name):
        raise typer.BadParameter(
            "use letters, digits and . _ @ + = - only, 100 at most", param_hint="--batch"
        )
    given = settings.model_dump(exclude_defaults=True, exclude={"uri"}, mode="json")
    with GraphRunner() as runner:
        if rule and not runner.store.exists("source_ratings"):
            raise CommandFailed("There are no ratings yet. Store a table of them first: fakenews rate FILE")
        if files:
            _require_new_bytes(runner, name, settings.uris, sha256)
        if kept := _kept(runner, name, settings):
            runner.console.print(escape(kept), highlight=False, soft_wrap=True)
        with _registered(runner, name):
            runner.ingest(name, settings.uri, given, rule)
            if train:
                if why := untrainable(runner):
                    raise CommandFailed(why)
                runner.lifecycle(name, settings.uri, given=given)
        show_batch(runner, name, rated=bool(rule))
        if not train:
            show_next(runner)


def admit(batch: str, because: str, by: str) -> None:
    """Admit a batch that a check of its labels refused.

    Raises:
        CommandFailed: there is no such batch, it was not refused, or by a check that cannot be overruled.
    """
    with GraphRunner() as runner:
        refused = runner.store.refused(f"clean_news/{batch}")
        if refused is None or batch not in registered_batches(runner.instance):
            if batch in corpus_batches(runner.store, runner.instance):
                raise CommandFailed(f"Batch {batch} is part of the corpus already.")
            known = runner.store.refused_partitions("clean_news").intersection(
                registered_batches(runner.instance)
            )
            raise CommandFailed(
                f"No batch {batch} was refused by a check. Refused are: {', '.join(sorted(known)) or 'none'}."
            )
        assert refused.record is not None
        failed = refused.record.refused
        if firm := sorted(failed.keys() - set(OVERRULABLE)):
            raise CommandFailed(
                f"Batch {batch} cannot be admitted: {firm[0]}: {failed[firm[0]]}\nOnly {' and '.join(OVERRULABLE)} can be"
                " overruled."
            )
        settings = AdmissionSettings(because=because, by=by, checks=tuple(sorted(failed)))
        config = {"admission": settings.model_dump(mode="json"), "clean_news": refused.record.config}
        runner.run("admit_batch", batch, config, again=["admission"])
        show_batch(runner, batch)
        show_next(runner)


def _settings(addresses: Sequence[str], given: Mapping[str, Any]) -> RawNewsSettings:
    try:
        first, *more = addresses
        return with_recipe(RawNewsSettings(uri=first, more_uris=tuple(more), **given))
    except ValidationError as error:
        raise CommandFailed(faults_of(error, OPTIONS)) from error
    except SourceError as error:
        raise CommandFailed(str(error)) from error


def _require_new_bytes(runner: GraphRunner, name: str, uris: Sequence[str], sha256: str) -> None:
    received = received_batches(runner.store, runner.instance)
    first = None if name in received else Claims(runner.store).of(sha256)
    if first and first.batch in received:
        raise CommandFailed(repeats(" ".join(uris), first.batch))


def _kept(runner: GraphRunner, name: str, settings: RawNewsSettings) -> str:
    """A sentence about options of earlier runs that still count; empty: there are none."""
    key = f"raw_news/{name}"
    options = as_options(settings.kept(runner.store.current(key).meta)) if runner.store.exists(key) else []
    if not options:
        return ""
    return (
        f'Kept from before: {" ".join(options)}. To drop an option, give it empty, such as --labels ""; to change it, give'
        " it anew."
    )


def _is_older(store: Store, name: str) -> bool:
    """Whether the accepted version of a batch is not what its bytes and options last gave."""
    record = store.current(f"clean_news/{name}").record
    assert record is not None
    received = store.current(f"raw_news/{name}").version
    return store.refused(f"clean_news/{name}") is not None or record.upstream[f"raw_news/{name}"] != received


@contextmanager
def _registered(runner: GraphRunner, name: str) -> Iterator[None]:
    """The batch as a partition. One that was not received leaves none, and one that was refused is said to be stored."""
    known = name in registered_batches(runner.instance)
    runner.add_batch(name)
    try:
        yield
    except CommandFailed as error:
        if not runner.store.exists(f"raw_news/{name}"):
            raise
        if name in corpus_batches(runner.store, runner.instance):
            if not _is_older(runner.store, name):
                raise
            raise CommandFailed(
                f"{error}\nThe version of batch {name} that was accepted before still counts. Run the same command with the"
                " option that answers."
            ) from error
        raise CommandFailed(
            f"{error}\nBatch {name} is stored, but it is not part of the corpus. Run the same command with the option"
            f" that answers; or mend the file, ingest it, and delete this batch: fakenews retire-batch {name} --reason"
            " REASON"
        ) from error
    finally:
        if not known and not runner.store.exists(f"raw_news/{name}"):
            runner.instance.delete_dynamic_partition("news_batches", name)
