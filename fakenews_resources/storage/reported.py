"""Events of values that no step of Dagster reports: stored before the instance knew of them, or made by an op."""

from collections.abc import Collection, Mapping
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_TAG,
    DEFAULT_DATA_VERSION,
    NULL_EVENT_POINTER,
    extract_data_version_from_entry,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)

from fakenews_resources.storage.artifact import Artifact


def materialization(
    key: dg.AssetKey,
    stored: Artifact,
    *,
    partition: str | None = None,
    inputs: Mapping[str, str],
    description: str | None = None,
    metadata: Mapping[str, Any],
) -> dg.AssetMaterialization:
    """The event of a stored value, with the tags that Dagster derives its stale mark from.

    Args:
        inputs: of `tags_of_inputs`, of all inputs of the asset; none: Dagster marks the value as stale.
    """
    assert stored.record is not None
    code = stored.record.code_version
    versions = {DATA_VERSION_TAG: stored.version, **({CODE_VERSION_TAG: code} if code else {})}
    return dg.AssetMaterialization(
        key, description=description, metadata=metadata, partition=partition, tags={**versions, **inputs}
    )


def tags_of_inputs(instance: dg.DagsterInstance, inputs: Collection[dg.AssetKey]) -> dict[str, str]:
    """Tags by which a value was made of what the instance knows of its inputs now."""
    events = {
        found.asset_entry.asset_key: found.asset_entry.last_materialization_record
        for found in instance.get_asset_records(list(inputs))
    }
    tags: dict[str, str] = {}
    for key in inputs:
        event = events.get(key)
        version = extract_data_version_from_entry(event.event_log_entry) if event else None
        tags[get_input_data_version_tag(key)] = (version or DEFAULT_DATA_VERSION).value
        tags[get_input_event_pointer_tag(key)] = str(event.storage_id) if event else NULL_EVENT_POINTER
    return tags
