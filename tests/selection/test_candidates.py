"""Which evaluations take part in a selection, and which rows of theirs are of unseen publishers."""

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from fakenews_assets.evaluation.reports.reporting import EVALUATION_FILE
from fakenews_assets.selection.candidates import eligible_candidates
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.store import Store

UNSEEN = 40
"""The last rows are of publishers that are held out."""


def commit(
    store: Store, key: str, content: str, upstream: Mapping[str, Artifact], **tables: pl.DataFrame
) -> Artifact:
    draft = store.draft()
    (draft.path / EVALUATION_FILE).write_text(content)
    for name, table in tables.items():
        table.write_parquet(draft.path / f"{name}.parquet")
    if "model" in upstream:
        draft.meta["model"] = upstream["model"].version
    versions = {str(one.record and one.record.key): one.version for one in upstream.values()}
    return store.commit(key, draft, upstream=versions)


def test_held_out_rows_are_apart_and_what_is_of_other_versions_is_left_out(
    tmp_path: Path, make_candidate: Callable, make_predictions: Callable
) -> None:
    store = Store(tmp_path)
    told = make_candidate("told", range(10))
    rows = told.predictions.height
    held_out = make_predictions(range(5), rows=UNSEEN)
    predictions = pl.concat([told.predictions, held_out])
    selection = pl.DataFrame({"unseen_publisher": [False] * rows + [True] * UNSEEN})
    old = commit(store, "splits", "old", {}, selection=selection)
    evaluations, models = {}, {}
    for name in ("old_splits", "old_model", "current"):
        splits = old if name == "old_splits" else commit(store, "splits", "new", {}, selection=selection)
        models[name] = f"{name}_model"
        model = commit(store, models[name], "weights", {"splits": splits})
        made_of = {"splits": splits, "model": model}
        content = told.evaluation.model_dump_json()
        evaluations[name] = commit(store, f"evaluation/{name}", content, made_of, selection=predictions)
    commit(store, "old_model_model", "other weights", {"splits": splits})

    eligible, left_out = eligible_candidates(store, evaluations, models, splits)
    assert left_out == {
        "old_splits": "evaluated on other splits",
        "old_model": "its model has changed since it was evaluated",
    }
    (candidate,) = (one.candidate for one in eligible.values())
    assert candidate.predictions.equals(told.predictions)
    assert candidate.unseen.equals(held_out)
