"""Recomputes the data from the raw bytes to the splits."""

import tempfile
from collections.abc import Mapping, Set
from pathlib import Path

import polars as pl

from fakenews_assets.data.admission.admission import Admission
from fakenews_assets.data.cleaning.cleaning import CleaningLimits, clean_batch
from fakenews_assets.data.corpus import CleanBatch, admitted
from fakenews_assets.data.dedup.near_duplicates import NearDuplicateSettings, find_links
from fakenews_assets.data.fields.dates import DayOrder
from fakenews_assets.data.fields.mapping import BatchMapping
from fakenews_assets.data.ratings.labelling import PublisherLabels
from fakenews_assets.data.receiving.raw_files import MAPPING_FILE, raw_files, read_mapping
from fakenews_assets.data.receiving.receiving import RawNewsSettings, decided, digest_of
from fakenews_assets.data.schema import CLUSTER_SCHEMA, article_id
from fakenews_assets.data.splits.clusters import assign_clusters
from fakenews_assets.data.splits.inheritance import Inherited
from fakenews_assets.data.splits.splitting import CLUSTERING_FILE, SPLITS, SplitSettings, split_articles
from fakenews_assets.data.text.preparation import TextPreparation
from fakenews_assets.governance.audit.admission import audit_admission, other_counts
from fakenews_assets.governance.audit.audit_log import AuditLog, shown
from fakenews_assets.governance.audit.versions import Versions, tell_erasures
from fakenews_assets.registry.bundle import PREPARE_FILE, Manifest
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.hashing import hash_file
from fakenews_resources.storage.ledger import Ledger

RAW, CLEAN, CLUSTERS = "raw_news/", "clean_news/", "article_clusters"
"""Keys of the store, the first two without the batch."""


def audit_data(audit_log: AuditLog, manifest: Manifest, versions: Versions) -> None:
    """Hash, clean, check, cluster and split the raw bytes again, and compare each step with the stored result.

    A step whose input is missing or damaged is skipped, because another check has failed already.
    """
    keys = [key for key in manifest.data_versions if key.startswith((RAW, CLEAN))]
    clean = {key: one for key, one in versions.readable.items() if key.startswith(CLEAN)}
    for key in sorted(keys, reverse=True):  # raw before clean
        artifact = versions.readable.get(key)
        if artifact is not None and key.startswith(RAW):
            _audit_raw(audit_log, key, artifact, versions.ledger)
        elif artifact is not None:
            _audit_ids(audit_log, key, artifact, versions.ledger)
            others = [CleanBatch(k.removeprefix(CLEAN), v) for k, v in clean.items() if k != key]
            batch = CleanBatch(key.removeprefix(CLEAN), artifact)
            stored = versions.readable.get(f"admission/{batch.name}")
            admission = Admission.read(stored) if stored else None
            audit_admission(audit_log, key, batch, others, manifest.config.get(key, {}), admission)
            raw = versions.readable.get(RAW + key.removeprefix(CLEAN))
            rated = f"publisher_labels/{key.removeprefix(CLEAN)}"
            if rated in manifest.data_versions.keys() - versions.readable.keys():
                audit_log.not_checked.append(f"The cleaning of {key}: {rated} is missing or damaged.")
            elif raw is None:
                audit_log.not_checked.append(f"The cleaning of {key}: its raw bytes are missing or damaged.")
            else:
                labels = (
                    PublisherLabels.read(versions.readable[rated]) if rated in versions.readable else None
                )
                _audit_cleaning(audit_log, key, raw, artifact, labels, manifest, versions.ledger)
    needed = [key for key in keys if key.startswith(CLEAN)] + [CLUSTERS, "splits"]
    lost = [key for key in needed if key not in versions.readable]
    if lost:
        audit_log.not_checked.append(f"Clusters and splits: {shown(lost)} missing or damaged.")
        return
    _audit_corpus(audit_log, versions)


def difference(stored: pl.DataFrame, computed: pl.DataFrame) -> str:
    """How a stored table differs from the recomputed one, with the first article; empty: not at all."""
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
            faults.append(
                f"{name} differs in {len(rows):,} rows, first in row {row + 1:,}{article}: {values}"
            )
    return shown(faults)


def _audit_raw(audit_log: AuditLog, key: str, raw: Artifact, ledger: Ledger) -> None:
    with audit_log.reading("raw bytes", key, recorded=str(raw.meta.get("sha256"))):
        hashes = {path.name: hash_file(path) for path in raw_files(raw)}
        before = ledger.undo(key, raw.version, hashes)[0]
        found = digest_of([before[name].sha256 for name in hashes])
        audit_log.compare("raw bytes", key, raw.meta["sha256"], found, "not the bytes that were received")
        _audit_mapping(audit_log, key, raw)


def _audit_mapping(audit_log: AuditLog, key: str, raw: Artifact) -> None:
    """Check what was given for the batch: its settings, its manifest and the file that the cleaning reads agree."""
    assert raw.record is not None
    manifest = BatchMapping.model_validate(raw.meta["mapping"])
    asked = RawNewsSettings.model_validate(raw.record.config).mapping.over(manifest)
    read = read_mapping(raw)
    said = {name: raw.meta["recognised"][name] for name in ("columns", "labels")}
    used = decided(asked, DayOrder.model_validate(raw.meta["dates"]), **said)
    fault = "" if asked == manifest and used == read else f"not what was given for the batch: {MAPPING_FILE}"
    audit_log.add(
        "batch mapping",
        key,
        used.model_dump_json(exclude_defaults=True),
        read.model_dump_json(exclude_defaults=True),
        fault,
    )


def _audit_ids(audit_log: AuditLog, key: str, clean: Artifact, ledger: Ledger) -> None:
    """Check that every article's id is the hash of its title and text."""
    with audit_log.reading("article ids", key):
        wrong: list[str] = []
        erased, blank = ledger.erased, set[str]()
        rows = 0
        for part in sorted(clean.path.glob("articles-*.parquet")):
            articles = pl.read_parquet(part, columns=["article_id", "title", "text"])
            rows += articles.height
            for found, title, text in articles.iter_rows():
                if found in erased and not title and not text:
                    blank.add(found)
                elif found != article_id(title, text):
                    wrong.append(found)
        audit_log.agree(
            "article ids",
            key,
            f"{rows:,} articles",
            f"not the hash of its text: {shown(wrong)}" if wrong else "",
        )
        tell_erasures(audit_log, ledger, blank)
        audit_log.values_not_checked += len(blank)


def _audit_cleaning(
    audit_log: AuditLog,
    key: str,
    raw: Artifact,
    clean: Artifact,
    labels: PublisherLabels | None,
    manifest: Manifest,
    ledger: Ledger,
) -> None:
    with audit_log.reading("cleaning", key), tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        limits = {
            name: value
            for name, value in manifest.config.get(key, {}).items()
            if name in CleaningLimits.model_fields
        }
        stored = clean.scan("articles").select("article_id", "title", "text").collect()
        blank = set(stored.filter(title="", text="")["article_id"]) & ledger.erased
        summary = clean_batch(
            raw_files(raw),
            key.removeprefix(CLEAN),
            folder,
            preparation=TextPreparation.model_validate_json((clean.path / PREPARE_FILE).read_bytes()),
            limits=CleaningLimits.model_validate(limits),
            mapping=read_mapping(raw),
            labels=labels,
            # Of the others nothing was stored, for they had been erased before.
            erased=ledger.erased - blank,
        )
        names = {file.name for parent in (clean.path, folder) for file in parent.glob("*.parquet")}
        out_of_raw = ledger.blanked_rows(RAW + key.removeprefix(CLEAN))
        faults = [
            f"{name}: {fault}"
            for name in sorted(names)
            if (
                fault := difference(
                    *_without_erased(
                        pl.read_parquet(clean.path / name),
                        pl.read_parquet(folder / name),
                        blank,
                        out_of_raw,
                        muted=ledger.rewrote(key, clean.version, name),
                    )
                )
            )
        ]
        if out_of_raw:
            audit_log.not_checked.append(f"The counts of {key}: records are blanked in its raw bytes.")
        elif fault := other_counts(CleanBatch(key.removeprefix(CLEAN), clean).summary, summary):
            faults.append(fault)
        audit_log.agree("cleaning", key, f"{len(names)} tables and the counts", shown(faults))


def _without_erased(
    stored: pl.DataFrame, computed: pl.DataFrame, blank: Set[str], out_of_raw: Set[int], *, muted: bool
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A stored table and the recomputed one, both without the differences that tombstones explain.

    Args:
        stored: articles, or quarantined rows.
        computed: the same.
        blank: ids of the erased articles that stand in the stored articles without their text.
        out_of_raw: numbers of the records that were blanked in the raw bytes.
        muted: whether something was erased from the stored table.
    """
    if "article_id" not in stored.columns:
        # A row that quoted an article, of whichever batch, quotes nothing now; one that was blanked in the raw bytes has no title.
        left = ~pl.col("row").is_in(list(out_of_raw))
        mute = stored.filter(pl.lit(muted), record="")["row"]
        record = pl.when(pl.col("row").is_in(mute.implode())).then(pl.lit("")).otherwise("record")
        return stored.filter(left), computed.filter(left).with_columns(record=record)
    mine = pl.col("article_id").is_in(list(blank))
    if out_of_raw:
        lost = list(blank - set(computed["article_id"]))
        stored = stored.filter(~pl.col("article_id").is_in(lost))
    return stored, computed.with_columns(
        pl.when(mine).then(pl.lit("")).otherwise(name).alias(name) for name in ("title", "text")
    )


def _audit_corpus(audit_log: AuditLog, versions: Versions) -> None:
    """Cluster and split the accepted batches again."""
    batches: list[CleanBatch] = []
    clusters = pl.DataFrame()
    with audit_log.reading("clusters", CLUSTERS):
        clean = {
            key.removeprefix(CLEAN): one for key, one in versions.readable.items() if key.startswith(CLEAN)
        }
        batches = admitted(clean)
        stored, ledger = versions.readable[CLUSTERS], versions.ledger
        clusters = stored.scan("clusters").collect()
        computed = clusters_anew(clean, stored, ledger)
        if len(computed) == len(clusters) and (lost := ledger.unsettled(stored.version)):
            of_them = clusters["article_id"].is_in(list(lost))
            computed = computed.with_columns(
                computed[name].zip_with(~of_them, clusters[name]) for name in CLUSTER_SCHEMA
            )
            audit_log.skip(f"The clusters of {len(lost)} articles that an erased article linked.", len(lost))
        if kept := int(clusters["article_id"].is_in(list(ledger.kept_articles)).sum()):
            audit_log.skip(
                f"The splits in which {kept} articles were before others left the corpus or came back; tombstones name them.",
                kept,
            )
        audit_log.agree("clusters", CLUSTERS, f"{clusters.height:,} articles", difference(clusters, computed))
    if clusters.is_empty():
        return
    with audit_log.reading("splits", "splits"):
        stored = versions.readable["splits"]
        computed = split_articles(pl.concat([batch.articles for batch in batches]), clusters)
        for split in SPLITS:
            table = stored.scan(split).collect()
            fault = difference(table, computed.splits[split].collect())
            audit_log.agree("splits", f"splits {split}", f"{table.height:,} articles", fault)
        excluded = stored.scan("excluded").collect()
        fault = difference(excluded, computed.excluded)
        audit_log.agree("splits", "splits excluded", f"{excluded.height:,} articles", fault)


def clusters_anew(clean: Mapping[str, Artifact], stored: Artifact, ledger: Ledger) -> pl.DataFrame:
    """Cluster the accepted batches again.

    Args:
        clean: versions of `clean_news` by batch.
        stored: the version of `article_clusters` whose settings are taken.
        ledger: the tombstones, which record what the clusters inherit.
    """
    batches = admitted(clean)
    articles = pl.concat([batch.articles for batch in batches])
    settings = stored.read_json(CLUSTERING_FILE)
    config = NearDuplicateSettings.model_validate(
        {name: settings[name] for name in NearDuplicateSettings.model_fields}
    )
    return assign_clusters(
        articles,
        find_links(articles, config),
        [batch.name for batch in batches],
        SplitSettings.model_validate(settings["splits"]),
        Inherited.of(ledger),
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
