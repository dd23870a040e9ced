"""Partitions of the data group: one per batch of articles, named when it arrives."""

from collections.abc import Sequence

import dagster as dg

from fakenews_resources.storage.inventory import existing_partitions
from fakenews_resources.storage.store import Store

news_batches = dg.DynamicPartitionsDefinition(name="news_batches")

_NAMED = 5


def registered_batches(instance: dg.DagsterInstance) -> list[str]:
    """The partitions of `news_batches`, whatever is stored of them."""
    return list(news_batches.get_partition_keys(dynamic_partitions_store=instance))


def received_batches(store: Store, instance: dg.DagsterInstance) -> set[str]:
    """The batches whose bytes are stored: registered and received."""
    return existing_partitions(store, "raw_news", registered_batches(instance))


def corpus_batches(store: Store, instance: dg.DagsterInstance) -> set[str]:
    """The batches of the corpus: registered, and accepted by their checks."""
    return existing_partitions(store, "clean_news", registered_batches(instance))


def unregistered_batches(store: Store, instance: dg.DagsterInstance) -> list[str]:
    """The stored batches that do not count, because Dagster's database lists no partition for them."""
    return sorted(store.partitions("raw_news").difference(registered_batches(instance)))


def some_of(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")


def note_on_unregistered(store: Store, instance: dg.DagsterInstance) -> str | None:
    """A sentence about `unregistered_batches`, and what to do; None: there are none."""
    names = unregistered_batches(store, instance)
    if not names:
        return None
    subject, them = ("batches do", "them") if len(names) > 1 else ("batch does", "it")
    return (
        f"{len(names):,} stored {subject} not count, because this Dagster instance lists no partition for {them}:"
        f" {some_of(names)}. Register {them} (`fakenews register`), or delete {them} (`fakenews retire-batch`)."
    )
