"""An additional node of a multi-node training. It computes its share of each batch and stores nothing.

    MASTER_ADDR=node-0 MASTER_PORT=29500 NODE_RANK=1 python -m fakenews_assets.training.peer run.yaml

It waits for the other nodes, ends with the training, and takes the asset's configuration.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from fakenews_assets.data.splits.splitting import training_rows
from fakenews_assets.training.finetuning.finetuning import finetune
from fakenews_assets.training.finetuning.result import FinetuneResult
from fakenews_assets.training.settings import FinetunedBertSettings
from fakenews_resources.storage.io_manager import storage_from_environment
from fakenews_resources.storage.store import Store


def join(config: FinetunedBertSettings, store: Store) -> FinetuneResult:
    """Join the training of the first node, on the current splits and in its work folder.

    Raises:
        ValueError: the configuration is for one node, or leaves open what the training begins with.
    """
    if config.num_nodes == 1:
        raise ValueError("num_nodes is 1: there is no training to join.")
    if config.use_search or config.warm_start:
        raise ValueError(
            "use_search and warm_start name values that may change meanwhile: write the settings out."
        )
    train, val = training_rows(store.current("splits"))
    with TemporaryDirectory() as folder:
        work = store.workspace("finetuned_bert")
        return finetune(train, val, config.training(), Path(folder) / "model", work)


if __name__ == "__main__":
    run = yaml.safe_load(Path(sys.argv[1]).read_text(encoding="utf-8"))
    join(
        FinetunedBertSettings.model_validate(run["ops"]["finetuned_bert"]["config"]),
        storage_from_environment().store,
    )
