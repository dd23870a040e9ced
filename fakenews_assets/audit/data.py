"""From raw bytes to the sides of the split, computed anew."""

import tempfile
from pathlib import Path

import polars as pl

from fakenews_assets.audit.trail import Trail, shown
from fakenews_assets.audit.versions import Versions
from fakenews_assets.data.cleaning import CleaningLimits, clean_batch
from fakenews_assets.data.clustering import assign_clusters
from fakenews_assets.data.corpus import CleanBatch, admitted
from fakenews_assets.data.near_duplicates import NearDuplicateConfig, find_links
from fakenews_assets.data.preparation import TextPreparation
from fakenews_assets.data.schema import article_id
from fakenews_assets.data.splitting import CLUSTERING_FILE, SIDES, SplitConfig, split
from fakenews_assets.selection.bundle import PREPARE_FILE, Manifest
from fakenews_resources.hashing import digest
from fakenews_resources.store import Artefact

_RAW, _CLEAN = "raw_news/", "clean_news/"


def audit_data(trail: Trail, manifest: Manifest, versions: Versions) -> None:
    """Hash the raw bytes, clean, cluster and split them again, and compare each step with what is stored.

    A step whose input is missing or damaged is left out: the link that says so is there already.
    """
    keys = [key for key in manifest.data_versions if key.startswith((_RAW, _CLEAN))]
    for key in sorted(keys, reverse=True):  # raw before clean
        artefact = versions.readable.get(key)
        if artefact is not None and key.startswith(_RAW):
            _audit_raw(trail, key, artefact)
        elif artefact is not None:
            _audit_ids(trail, key, artefact)
            raw = versions.readable.get(_RAW + key.removeprefix(_CLEAN))
            if raw is None:
                trail.not_checked.append(f"The cleaning of {key}: its raw bytes are missing or damaged.")
            else:
                _audit_cleaning(trail, key, raw, artefact, manifest)
    needed = [key for key in keys if key.startswith(_CLEAN)] + ["article_clusters", "splits"]
    lost = [key for key in needed if key not in versions.readable]
    if lost:
        trail.not_checked.append(f"Clusters and splits: {shown(lost)} missing or damaged.")
        return
    _audit_corpus(trail, versions)


def difference(stored: pl.DataFrame, computed: pl.DataFrame) -> str:
    """How a stored table differs from the same computed anew, with the first article; empty: not at all."""
    if stored.schema != computed.schema:
        return "other columns"
    if stored.height != computed.height:
        return f"{stored.height:,} rows stored, {computed.height:,} computed"
    faults = []
    for name in stored.columns:
        rows = stored[name].ne_missing(computed[name]).arg_true()
        if len(rows):
            row = rows[0]
            article = f", article {stored['article_id'][row]}" if "article_id" in stored.columns else ""
            values = f"{_short(stored[name][row])} stored, {_short(computed[name][row])} computed"
            faults.append(f"{name} differs in {len(rows):,} rows, first in row {row}{article}: {values}")
    return shown(faults)


def _audit_raw(trail: Trail, key: str, raw: Artefact) -> None:
    with trail.reading("raw bytes", key, recorded=str(raw.meta.get("sha256"))):
        found = digest(raw.path / raw.meta["file"])
        trail.compare("raw bytes", key, raw.meta["sha256"], found, "not the bytes that were received")


def _audit_ids(trail: Trail, key: str, clean: Artefact) -> None:
    """An article's id is the hash of its title and text, and needs no raw bytes to be checked."""
    with trail.reading("article ids", key):
        wrong: list[str] = []
        rows = 0
        for part in sorted(clean.path.glob("articles-*.parquet")):
            articles = pl.read_parquet(part, columns=["article_id", "title", "text"])
            rows += articles.height
            wrong += [
                found for found, title, text in articles.iter_rows() if found != article_id(title, text)
            ]
        trail.agree(
            "article ids",
            key,
            f"{rows:,} articles",
            f"not the hash of its text: {shown(wrong)}" if wrong else "",
        )


def _audit_cleaning(trail: Trail, key: str, raw: Artefact, clean: Artefact, manifest: Manifest) -> None:
    with trail.reading("cleaning", key), tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        limits = {
            name: value
            for name, value in manifest.config.get(key, {}).items()
            if name in CleaningLimits.model_fields
        }
        clean_batch(
            raw.path / raw.meta["file"],
            key.removeprefix(_CLEAN),
            folder,
            preparation=TextPreparation.model_validate_json((clean.path / PREPARE_FILE).read_bytes()),
            limits=CleaningLimits.model_validate(limits),
        )
        names = {file.name for place in (clean.path, folder) for file in place.glob("*.parquet")}
        faults = [
            f"{name}: {fault}"
            for name in sorted(names)
            if (fault := difference(pl.read_parquet(clean.path / name), pl.read_parquet(folder / name)))
        ]
        trail.agree("cleaning", key, f"{len(names)} tables", shown(faults))


def _audit_corpus(trail: Trail, versions: Versions) -> None:
    """Cluster and split the admitted batches again."""
    batches: list[CleanBatch] = []
    clusters = pl.DataFrame()
    with trail.reading("clusters", "article_clusters"):
        clean = {
            key.removeprefix(_CLEAN): one for key, one in versions.readable.items() if key.startswith(_CLEAN)
        }
        batches = admitted(clean)
        articles = pl.concat([batch.articles for batch in batches])
        stored = versions.readable["article_clusters"]
        settings = stored.read_json(CLUSTERING_FILE)
        sides = SplitConfig.model_validate(settings["sides"])
        links = find_links(
            articles,
            NearDuplicateConfig.model_validate(
                {name: settings[name] for name in NearDuplicateConfig.model_fields}
            ),
        )
        clusters = stored.scan("clusters").collect()
        computed = assign_clusters(articles, links, [batch.name for batch in batches], sides)
        trail.agree(
            "clusters", "article_clusters", f"{clusters.height:,} articles", difference(clusters, computed)
        )
    if clusters.is_empty():
        return
    with trail.reading("splits", "splits"):
        stored = versions.readable["splits"]
        sides = SplitConfig.model_validate(stored.read_json(CLUSTERING_FILE)["sides"])
        computed = split(pl.concat([batch.articles for batch in batches]), clusters, sides)
        for side in SIDES:
            table = stored.scan(side).collect()
            fault = difference(table, computed.sides[side].collect())
            trail.agree("splits", f"splits {side}", f"{table.height:,} articles", fault)
        excluded = stored.scan("excluded").collect()
        fault = difference(excluded, computed.excluded)
        trail.agree("splits", "splits excluded", f"{excluded.height:,} articles", fault)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
