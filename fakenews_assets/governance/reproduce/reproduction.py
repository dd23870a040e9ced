"""Compares a bundle with its reproduction."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, computed_field
from scipy import stats

from fakenews_assets.evaluation.evaluating import Evaluation
from fakenews_assets.evaluation.metrics.speed import processor_name, thread_count
from fakenews_assets.evaluation.reports.reporting import PREDICTIONS_FILE, read_evaluation
from fakenews_assets.governance.audit.audit_log import shown
from fakenews_assets.governance.audit.data import difference
from fakenews_assets.governance.reproduce.recipe import GIVEN
from fakenews_assets.models.bootstrap import MetricName
from fakenews_assets.registry.bundle import Bundle
from fakenews_assets.selection.bundling import git_commit
from fakenews_assets.selection.sbom import installed_packages, read_sbom
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.hashing import compare_files
from fakenews_resources.storage.store import Store, StoreError
from fakenews_resources.storage.tombstones import Tombstones

Verdict = Literal["equal", "within", "outside", "different", "not comparable"]

_DATA: Final = ("publisher_labels", "clean_news", "article_clusters", "splits")

_TRAINING_FILE: Final = "training.json"
"""The training record beside the weights: times and history."""

_ROUNDING: Final = 1e-9
"""Smaller differences come from the order of summation."""


_CURVES: Final[tuple[MetricName, ...]] = ("accuracy", "macro_f1", "roc_auc", "pr_auc", "log_loss", "brier")


class SeedSpread(BaseModel):
    """Spread of macro-F1 over seeds."""

    model_config = ConfigDict(frozen=True)

    sd: float = Field(gt=0, description="Standard deviation over seeds.")
    seeds: int = Field(ge=2)

    @property
    def reach(self) -> float:
        """Two results of one recipe differ by more than this in one of twenty cases.

        The reproducibility limit of ISO 5725-6, by Student's t for a standard deviation estimated from few seeds.
        """
        return float(stats.t.ppf(0.975, self.seeds - 1)) * 2**0.5 * self.sd


class Line(BaseModel):
    """One recorded value and its reproduction."""

    model_config = ConfigDict(frozen=True)

    what: str = Field(description="Kind: data, model, metric, predictions, recipe or environment.")
    name: str
    recorded: str
    found: str
    verdict: Verdict
    note: str = Field(default="", description="What differs, or what was allowed.")

    @computed_field
    @property
    def fails(self) -> bool:
        """Whether this difference fails the reproduction."""
        return self.verdict == "outside" or (self.what == "data" and self.verdict != "equal")


class Reproduction(BaseModel):
    """Result of a reproduction."""

    model_config = ConfigDict(frozen=True)

    bundle: str
    candidate: str
    started_at: datetime
    seconds: float
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = Field(description="Remarks on the comparison.")

    @computed_field
    @property
    def reproduced(self) -> bool:
        """Whether all data are equal and every metric is within its tolerance."""
        return not any(line.fails for line in self.lines)


def compare(store: Store, scratch: Store, bundle: Bundle, spread: SeedSpread | None) -> list[Line]:
    """Compare every remade value with the bundle's records.

    Args:
        store: the values behind the bundle, as far as they are still there.
        scratch: holds every value of the recipe, made again.
        bundle: the bundle.
        spread: of this recipe on these splits, if it was measured; else macro-F1, like the other metrics, is compared
            with the bootstrap interval of the recorded evaluation.
    """
    manifest = bundle.manifest
    judged = f"evaluation/{manifest.candidate}"
    evaluation = scratch.current(judged)
    recorded = read_evaluation(bundle.path)
    made = [key for key in sorted(manifest.data_versions) if _asset_of(key) not in GIVEN]
    data = [key for key in made if _asset_of(key) in _DATA]
    models = [key for key in made if key not in data and key != judged]
    versions = manifest.data_versions
    lines = [_version(store, key, versions[key], scratch.current(key), "data") for key in data]
    lines += [_version(store, key, versions[key], scratch.current(key), "model") for key in models]
    lines += _metrics(recorded, read_evaluation(evaluation.path), spread)
    lines.append(_predictions(store, judged, manifest.data_versions[judged], evaluation))
    lines += [line for key in made for line in _recipe(store, key, bundle, scratch.current(key))]
    return [*lines, *_environment(bundle, recorded)]


def remarks(store: Store, bundle: Bundle, lines: Sequence[Line]) -> tuple[str, ...]:
    """Remarks that may explain a difference."""
    found = []
    changed = [line.name for line in lines if line.what == "recipe"]
    if changed:
        commit = (bundle.manifest.git_commit or "").removesuffix("-dirty") or "of the time"
        found.append(
            f"The code of these assets has changed, so this is another recipe: {shown(changed)}. To repeat it exactly,"
            f" check out commit {commit} and run this again."
        )
    if erased := len(Tombstones(store).read().done):
        found.append(f"{erased} articles were erased from the store. Values that were made from them differ.")
    return tuple(found)


def _asset_of(key: str) -> str:
    return key.partition("/")[0]


def _version(store: Store, key: str, version: str, found: Artifact, what: str) -> Line:
    """Equal versions are equal bytes: a version is named by the hashes of its files."""
    verdict, note = _equality(store, key, version, found)
    return Line(what=what, name=key, recorded=version, found=found.version, verdict=verdict, note=note)


def _equality(store: Store, key: str, version: str, found: Artifact) -> tuple[Verdict, str]:
    if found.version == version:
        return "equal", ""
    try:
        changes = _changes(store.get(key, version), found)
    except StoreError:
        return "different", "which file is unknown: the recorded version is no longer stored"
    if changes == [_TRAINING_FILE]:
        return "equal", f"but for {_TRAINING_FILE}, which tells how long it took"
    return "different", shown(changes)


def _changes(recorded: Artifact, found: Artifact) -> list[str]:
    """The files that differ; of tables, what differs in them."""
    assert recorded.record is not None
    assert found.record is not None
    changes = []
    for name in compare_files(recorded.record.files, found.record.files):
        files = recorded.path / name, found.path / name
        fault = ""
        if name.endswith(".parquet") and all(file.is_file() for file in files):
            stored, computed = map(pl.read_parquet, files)
            fault = f": {difference(stored, computed) or 'the same rows, encoded differently'}"
        changes.append(name + fault)
    return changes


def _metrics(recorded: Evaluation, found: Evaluation, spread: SeedSpread | None) -> Iterator[Line]:
    was, now = _flat(recorded), _flat(found)
    for name, value in was.items():
        other = now.get(name)
        if value is None or other is None:
            verdict: Verdict = "equal" if value is other else "not comparable"
            note = "undefined"
        elif abs(value - other) <= _ROUNDING:
            verdict, note = "equal", ""
        elif (allowed := _allowed(name, recorded, spread)) is None:
            verdict, note = "not comparable", "unknown how much of it is chance"
        else:
            low, high, note = allowed
            verdict = "within" if low <= other <= high else "outside"
        yield Line(
            what="metric",
            name=name,
            recorded=_number(value),
            found=_number(other),
            verdict=verdict,
            note=note,
        )


def _allowed(name: str, recorded: Evaluation, spread: SeedSpread | None) -> tuple[float, float, str] | None:
    """Tolerance of a metric, and its origin."""
    value = recorded.metrics.macro_f1
    if name == "macro_f1" and spread is not None and value is not None:
        low, high = value - spread.reach, value + spread.reach
        return low, high, f"{low:.4f} to {high:.4f}: {spread.sd:.4f} sd over {spread.seeds} seeds"
    interval = next((recorded.intervals.get(one) for one in _CURVES if one == name), None)
    if interval is None:
        return None
    return interval.low, interval.high, f"{interval.low:.4f} to {interval.high:.4f}: bootstrap interval"


def _flat(evaluation: Evaluation) -> dict[str, float | None]:
    """Every score of the test split, by name."""
    metrics = evaluation.metrics
    scores: dict[str, float | None] = {name: getattr(metrics, name) for name in (*_CURVES, "ece")}
    for split, found in (("real", metrics.real), ("fake", metrics.fake)):
        scores |= {f"{split} {name}": getattr(found, name) for name in ("precision", "recall", "f1")}
    scores["answered share"] = 1 - evaluation.abstained / evaluation.rows
    scores["accuracy of the answers"] = evaluation.answered.accuracy if evaluation.answered else None
    if evaluation.calibration is not None:
        scores["temperature"] = evaluation.calibration.temperature
        scores["threshold"] = evaluation.calibration.threshold
    return scores


def _predictions(store: Store, key: str, version: str, found: Artifact) -> Line:
    """Differences between the predictions of the two models."""
    line = Line(what="predictions", name=key, recorded="", found="", verdict="not comparable")
    try:
        was = pl.read_parquet(store.get(key, version).path / PREDICTIONS_FILE)
    except (StoreError, OSError) as error:
        return line.model_copy(update={"note": f"the recorded ones are not there: {error}"})
    now = pl.read_parquet(found.path / PREDICTIONS_FILE)
    if not was["article_id"].equals(now["article_id"]):
        return line.model_copy(update={"note": "of other articles"})
    gap = (was["probability"] - now["probability"]).abs().to_numpy().max()
    same = (was["predicted_label"] == now["predicted_label"]).mean()
    update = {
        "recorded": f"{was.height:,} articles",
        "found": f"{same:.2%} decided alike",
        "verdict": "equal" if gap <= _ROUNDING else "different",
        "note": f"largest difference of a probability: {gap:.2g}",
    }
    return line.model_copy(update=update)


def _recipe(store: Store, key: str, bundle: Bundle, found: Artifact) -> Iterator[Line]:
    """Assets whose code or settings have changed."""
    assert found.record is not None
    now, was = found.record, None
    with suppress(StoreError):
        was = store.get(key, bundle.manifest.data_versions[key]).record
    if was is not None and was.code_version != now.code_version:
        yield _same("recipe", f"code of {key}", str(was.code_version), str(now.code_version))
    known = bundle.manifest.config.get(key, {})
    for name, value in now.config.items():
        if name not in known:
            yield _same("recipe", f"{name} of {key}", "no such setting", str(value), "today's default")


def _environment(bundle: Bundle, recorded: Evaluation) -> Iterator[Line]:
    """Differences in code, packages and processor."""
    manifest = bundle.manifest
    yield _same("environment", "git commit", manifest.git_commit or "unknown", git_commit() or "unknown")
    yield _same("environment", "processor", recorded.speed.processor, processor_name())
    yield _same("environment", "threads", str(recorded.speed.threads), str(thread_count()))
    known, _ = read_sbom(bundle.path)
    here = {name: package.version for name, package in installed_packages().items()}
    equal = [name for name, version in known.items() if here.get(name) == version]
    yield _same(
        "environment", "packages", f"{len(known)}", f"{len(equal)}", f"{len(equal)} in the recorded version"
    )
    for name in sorted(known.keys() - set(equal)):
        yield _same("environment", name, known[name], here.get(name, "not installed"))


def _same(what: str, name: str, recorded: str, found: str, note: str = "") -> Line:
    verdict: Verdict = "equal" if recorded == found else "different"
    return Line(what=what, name=name, recorded=recorded, found=found, verdict=verdict, note=note)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.6f}"
