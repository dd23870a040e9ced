"""The asset of the group data that a person makes: the admission of a refused batch."""

from datetime import UTC, datetime
from functools import partial

import dagster as dg

from fakenews_assets.common.assets import asset
from fakenews_assets.common.config import plain_config
from fakenews_assets.data.admission.admission import FILE, Admission, AdmissionSettings
from fakenews_assets.data.partitions import news_batches
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.io_manager import Storage

_asset = partial(asset, group_name="data", owners=["team:data"])


@_asset(partitions_def=news_batches, kinds={"json"}, code_version="1")
@plain_config
def admission(config: AdmissionSettings, storage: Storage) -> dg.MaterializeResult[Artifact]:
    """A person's decision to admit a batch that a check of its labels refused: who, when and why. Optional."""
    made = Admission(**config.model_dump(), at=datetime.now(UTC))
    draft = storage.draft()
    (draft.path / FILE).write_text(made.model_dump_json(), encoding="utf-8")
    return dg.MaterializeResult(value=draft, metadata=made.model_dump(mode="json"))
