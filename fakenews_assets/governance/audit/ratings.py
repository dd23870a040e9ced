"""Recomputes publishers' labels from their ratings, and the ratings from the files as received."""

from typing import Final

from fakenews_assets.data.ratings.labelling import RULE_FILE, TABLE, LabelRule, label_publishers
from fakenews_assets.data.ratings.reading import RatingsSettings, read_ratings, received_files
from fakenews_assets.governance.audit.audit_log import AuditLog
from fakenews_assets.governance.audit.data import difference
from fakenews_assets.governance.audit.versions import Versions
from fakenews_assets.registry.bundle import Manifest
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.hashing import hash_file

RATINGS: Final = "source_ratings"
LABELS: Final = "publisher_labels/"
"""Keys of the store, the second one without the batch."""


def audit_ratings(audit_log: AuditLog, manifest: Manifest, versions: Versions) -> None:
    """Read the ratings again, and label the publishers again by the recorded rules."""
    ratings = versions.readable.get(RATINGS)
    if ratings is not None:
        with audit_log.reading("ratings", RATINGS):
            _audit_files(audit_log, ratings)
    for key in sorted(key for key in manifest.data_versions if key.startswith(LABELS)):
        labels = versions.readable.get(key)
        if labels is None or ratings is None:
            audit_log.not_checked.append(f"The labels of {key}: they or the ratings are missing or damaged.")
            continue
        with audit_log.reading("publisher labels", key):
            rule = LabelRule.model_validate(manifest.config.get(key, {}))
            audit_log.compare(
                "labelling rule",
                key,
                rule.model_dump_json(),
                LabelRule.model_validate(labels.read_json(RULE_FILE)).model_dump_json(),
                "not the rule that was asked for",
            )
            stored = labels.scan(TABLE).collect()
            fault = difference(stored, label_publishers(ratings.scan("ratings").collect(), rule))
            audit_log.agree("publisher labels", key, f"{stored.height:,} publishers", fault)


def _audit_files(audit_log: AuditLog, ratings: Artifact) -> None:
    assert ratings.record is not None
    for told, path in zip(ratings.meta["files"], received_files(ratings), strict=True):
        found = hash_file(path).sha256
        name = f"{RATINGS} {path.name}"
        audit_log.compare("raw bytes", name, told["sha256"], found, "not the bytes that were received")
    settings = RatingsSettings.model_validate(ratings.record.config)
    stored = ratings.scan("ratings").collect()
    fault = difference(stored, read_ratings(received_files(ratings), settings).table)
    audit_log.agree("ratings", RATINGS, f"{stored.height:,} publishers", fault)
