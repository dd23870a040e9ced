"""Asset checks of the group data."""

import dagster as dg
import polars as pl

from fakenews_assets.common.metadata import partitioned_check_spec
from fakenews_assets.data.batch_checks import CheckOutcome
from fakenews_assets.data.partitions import news_batches
from fakenews_assets.data.profile.composition import LARGEST_SHARE
from fakenews_assets.data.profile.profile import CorpusProfile
from fakenews_assets.data.splits.largest import LargestCluster
from fakenews_assets.data.splits.splitting import CLUSTERING_FILE, SPLITS, ClusteringSettings
from fakenews_assets.data.splits.verification import (
    Crossings,
    Shares,
    moved_articles,
    split_table,
    verify_clusters,
    verify_contents,
    verify_publishers,
    verify_shares,
)
from fakenews_resources.storage.artifact import Artifact

_CHANCE_Z = 4.0

BATCH_CHECKS = {
    "schema": "The batch has the columns, types and required values of ARTICLE_SCHEMA.",
    "label_values": "Every label is 0 (real), 1 (fake) or missing.",
    "label_balance": "The share of fakes is near that of the corpus.",
    "label_semantics": "The articles' style agrees with their labels; a flipped batch fails.",
    "duplicates": "Not too many rows repeat an earlier row of the batch.",
}


def batch_check_specs() -> list[dg.AssetCheckSpec]:
    """The blocking checks that `clean_news` makes of every batch, in the step that cleans it."""
    return [
        partitioned_check_spec(name, "clean_news", description, news_batches, blocking=True)
        for name, description in BATCH_CHECKS.items()
    ]


def to_result(outcome: CheckOutcome, asset: str = "clean_news") -> dg.AssetCheckResult:
    """Convert a check result to Dagster's."""
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=outcome.name,
        passed=outcome.passed and not outcome.warns,
        severity=dg.AssetCheckSeverity.WARN if outcome.passed else dg.AssetCheckSeverity.ERROR,
        description=outcome.description,
        metadata=outcome.numbers,
    )


CORPUS_CHECKS = {
    "no_publisher_dominates": "No publisher wrote more than half of a label's articles.",
    "publishers_are_known": "The publisher of most articles is known.",
}


def corpus_check_specs() -> list[dg.AssetCheckSpec]:
    """The checks that `corpus_profile` makes; they warn."""
    return [
        dg.AssetCheckSpec(name, asset="corpus_profile", description=text)
        for name, text in CORPUS_CHECKS.items()
    ]


def corpus_checks(profile: CorpusProfile) -> list[dg.AssetCheckResult]:
    """Check whether a model can learn more from the corpus than what its largest publishers look like."""
    labels, rows = profile.composition.labels, profile.total.rows
    dominant = [one for one in labels if one.largest_share > LARGEST_SHARE]
    told = [f"{one.largest_share:.1%} of the {one.kind} articles are from {one.largest}" for one in dominant]
    unknown = profile.without_source / rows
    return [
        dg.AssetCheckResult(
            check_name="no_publisher_dominates",
            passed=not dominant,
            severity=dg.AssetCheckSeverity.WARN,
            description=(
                f"{'; '.join(told)}: a model may learn to recognize this publisher. Ingest other publishers."
                if told
                else "No publisher wrote more than half of a label's articles."
            ),
            metadata={one.kind: one.largest_share for one in labels},
        ),
        dg.AssetCheckResult(
            check_name="publishers_are_known",
            passed=unknown <= LARGEST_SHARE,
            severity=dg.AssetCheckSeverity.WARN,
            description=(
                f"The publisher of {unknown:.1%} of the articles is unknown."
                + (" Scores on unseen publishers cannot be measured." if unknown > LARGEST_SHARE else "")
            ),
            metadata={"unknown_share": unknown},
        ),
    ]


CLUSTER_CHECKS = {"no_giant_cluster": "No near-duplicate cluster holds more than 1 % of the articles."}


def cluster_check_specs() -> list[dg.AssetCheckSpec]:
    """The check that `article_clusters` makes; it warns."""
    return [
        dg.AssetCheckSpec(name, asset="article_clusters", description=text)
        for name, text in CLUSTER_CHECKS.items()
    ]


def cluster_checks(largest: LargestCluster) -> list[dg.AssetCheckResult]:
    """Check that no cluster is so large that it distorts the shares of the splits."""
    found = f"The largest cluster has {largest.rows:,} articles, {largest.share:.1%} of all."
    if largest.is_giant:
        found += (
            f" What they share: {largest.made_by!r}. If that is boilerplate, remove it (`extra_boilerplate` of"
            " clean_news), or lower max_titles_per_text."
        )
    return [
        dg.AssetCheckResult(
            check_name="no_giant_cluster",
            passed=not largest.is_giant,
            severity=dg.AssetCheckSeverity.WARN,
            description=found,
            metadata={"rows": largest.rows, "share": largest.share, "made_by": largest.made_by},
        )
    ]


SPLIT_CHECKS = {
    "no_cluster_crosses": "No near-duplicate cluster lies in two splits.",
    "no_content_crosses": "No title and no text is in two splits, case and punctuation aside. The check does "
    "not use the clusters.",
    "no_unseen_publisher_trains": "No held-out publisher has an article outside its split.",
    "every_article_keeps_its_split": "No article has changed its split since the last accepted version, so "
    "no test article trains.",
    "shares_as_agreed": "Above 5,000 rows, the splits are within one point of their shares.",
}


def split_check_specs() -> list[dg.AssetCheckSpec]:
    """The checks that `splits` makes in its own step.

    The check of the shares does not block, because a hash meets them on average only.
    """
    return [
        dg.AssetCheckSpec(name, asset="splits", description=text, blocking=name != "shares_as_agreed")
        for name, text in SPLIT_CHECKS.items()
    ]


def split_checks(splits: Artifact, accepted: Artifact | None) -> list[dg.AssetCheckResult]:
    """Check a new split against its own rows and the last accepted split.

    Args:
        splits: the new split, still a draft.
        accepted: the last split that passed; None: there is none yet.
    """
    clustering = ClusteringSettings.model_validate(splits.read_json(CLUSTERING_FILE))
    rows = _splits(splits)
    table = split_table(rows)
    contents = verify_contents(rows, clustering)
    return [
        _crossing_result("no_cluster_crosses", verify_clusters(table), "clusters"),
        _crossing_result("no_content_crosses", contents, "titles or texts"),
        _crossing_result("no_unseen_publisher_trains", verify_publishers(rows), "held-out publishers"),
        _moves_result(table, accepted),
        _shares_result(verify_shares(table, clustering.splits)),
    ]


def _splits(splits: Artifact) -> dict[str, pl.LazyFrame]:
    return {split: splits.scan(split) for split in SPLITS}


def _crossing_result(check: str, crossings: Crossings, what: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=check,
        passed=crossings.passed,
        description=f"{crossings.count} {what} are in more than one split.",
        metadata={"count": crossings.count, "examples": list(crossings.examples)},
    )


def _moves_result(table: pl.DataFrame, accepted: Artifact | None) -> dg.AssetCheckResult:
    if accepted is None:
        return dg.AssetCheckResult(
            check_name="every_article_keeps_its_split", passed=True, description="This is the first split."
        )
    moves = moved_articles(split_table(_splits(accepted)), table)
    return dg.AssetCheckResult(
        check_name="every_article_keeps_its_split",
        passed=moves.passed,
        description=f"{moves.moved} articles changed their split, {moves.gone} are no longer in any."
        + (
            ""
            if moves.passed
            else " Materialize article_clusters with the settings of the last accepted splits: other shares, another salt or"
            " other publishers to hold out move articles."
        ),
        metadata={"moved": moves.moved, "gone": moves.gone, "examples": list(moves.examples)},
    )


def _shares_result(shares: Shares) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="shares_as_agreed",
        passed=shares.within_tolerance,
        # A split is drawn by hash, so a small corpus may miss its shares by chance; the hash is not at fault then.
        severity=dg.AssetCheckSeverity.WARN if shares.z_score < _CHANCE_Z else dg.AssetCheckSeverity.ERROR,
        description=(
            f"The furthest split is {shares.deviation_points:.2f} points off its share "
            f"({shares.z_score:.1f} standard deviations of a draw by cluster)."
        ),
        metadata={
            **shares.rows,
            "deviation_points": shares.deviation_points,
            "largest_cluster": shares.largest_cluster,
        },
    )
