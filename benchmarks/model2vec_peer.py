"""model2vec's own classifier, distilled from an encoder and fine-tuned: the peer of the static student.

    <environment>/bin/python benchmarks/model2vec_peer.py FOLDER ENCODER DISTILLED SEED

It needs older versions of other libraries, so it has an environment of its own:

    python -m venv model2vec && model2vec/bin/pip install "model2vec[distill,train]==0.10.0" polars

FOLDER holds the rows as `train.parquet`, `val.parquet` and others. Of each other table, the probabilities of fake are
written beside it, as `<name>-<seed>.npy`. DISTILLED keeps the encoder's embeddings for the next call. All settings are model2vec's own.
"""

import sys
from pathlib import Path

import numpy as np
import polars as pl


def texts_of(table: pl.DataFrame) -> list[str]:
    """Title and text of each article as one."""
    return [f"{title}\n{text}".strip() for title, text in table.select("title", "text").iter_rows()]


def main(folder: Path, encoder: str, distilled: Path, seed: int) -> None:
    """Train, and predict every table that was not trained on."""
    from model2vec.distill import distill  # pyright: ignore[reportMissingImports]
    from model2vec.train import StaticModelForClassification  # pyright: ignore[reportMissingImports]

    tables = {file.stem: pl.read_parquet(file) for file in sorted(folder.glob("*.parquet"))}
    train, val = tables.pop("train"), tables.pop("val")
    if not distilled.is_dir():
        distill(encoder).save_pretrained(distilled)
    model = StaticModelForClassification.from_pretrained(str(distilled))
    model.fit(
        texts_of(train),
        train["label"].to_list(),
        X_val=texts_of(val),
        y_val=val["label"].to_list(),
        random_seed=seed,
    )
    fake = model.classes_.index(1)
    for name, table in tables.items():
        np.save(folder / f"{name}-{seed}.npy", model.predict_proba(texts_of(table))[:, fake])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
