"""Writes the model card in Markdown."""

import json
from collections.abc import Mapping
from datetime import date

from fakenews_assets.common import markdown
from fakenews_assets.compression.settings import STATIC
from fakenews_assets.ensembling.partitions import CASCADES, ENSEMBLES
from fakenews_assets.evaluation.evaluating import Evaluation
from fakenews_assets.evaluation.reports.reporting import to_markdown
from fakenews_assets.models.calibration import Calibration
from fakenews_assets.registry.bundle import SBOM_FILE, Manifest
from fakenews_assets.selection.card.corpus import Corpus, SplitFacts
from fakenews_assets.selection.card.header import About, header, usage
from fakenews_assets.selection.policy import Choice, Verdict

_USES = """\
It is meant for:

- ranking English news articles, so that people read the doubtful ones first;
- estimating the share of dubious articles in a collection, with the error rates below in mind;
- research on how publishers write.

It is not meant for:

- removing, hiding or labelling articles that nobody has read;
- judging a claim, an author or a publisher: it checks no facts and knows no sources;
- other languages, satire, social media posts, or texts that are not news."""

_LIMITS = """\
- The labels say who published an article, not whether its claims were checked. The model has learnt how
  publishers write. It may call a true story in a sensational tone fake, and a sober lie real.
- It was trained on past news. It is less accurate on new topics, publishers and styles: measure it again on recent articles.
- It reads English titles and texts as text. It knows no images, no links and no author's reputation.
- Anyone can write a text that it calls real. The more depends on its answers, the more people will."""


def model_card(
    manifest: Manifest,
    evaluation: Evaluation,
    choice: Choice,
    corpus: Corpus,
    note: str | None,
    about: About,
) -> str:
    """Write the card as Markdown; equal input gives an equal card.

    Args:
        manifest: what the bundle is, with or without `files`.
        evaluation: of the selected candidate on the test split.
        choice: how it was selected.
        corpus: the articles behind it.
        note: the warning that belongs beside every score, such as the one on generated data.
        about: further facts for its head.

    Raises:
        ValueError: the manifest or the evaluation is not the winner's.
    """
    winner = next(verdict for verdict in choice.verdicts if verdict.name == choice.winner)
    if (manifest.candidate, evaluation.selection_macro_f1) != (winner.name, winner.macro_f1):
        raise ValueError(
            f"The manifest is of {manifest.candidate} and the evaluation of {evaluation.candidate}, but"
            f" {winner.name} was selected; pass the winner's."
        )
    parts = [f"# Model card: {markdown.cell(manifest.candidate)}"]
    if note:
        parts.append(f"> **{note}**")
    parts += [
        *header(about, evaluation, corpus),
        "## Limits",
        _LIMITS,
        "## What it is",
        _what_it_is(manifest, evaluation),
        "## What it is for",
        _USES,
        "## What it answers",
        _answers(manifest.calibration),
        "## When it abstains",
        *_abstention(manifest.calibration, evaluation),
        "## Use it",
        *usage(),
        "## Data",
        *_data(corpus),
        "## Splits",
        *_splits(corpus),
        # The note stands at the top already.
        to_markdown(evaluation.model_copy(update={"note": None})),
        "## How it was chosen",
        how_chosen(choice),
        "## How to reproduce it",
        *_how_to_reproduce(manifest),
    ]
    return "\n\n".join(parts) + "\n"


def _what_it_is(manifest: Manifest, evaluation: Evaluation) -> str:
    origin = f"fine-tuned from {_code(manifest.encoder)}" if manifest.encoder else "trained from scratch"
    if "frozen_encoder" in manifest.data_versions:
        origin = (
            f"a linear head on the embeddings of {_code(manifest.encoder or '')}, which was not fine-tuned"
        )
    if manifest.candidate == STATIC:
        origin = f"word embeddings distilled from an encoder that was {origin}"
    if manifest.candidate in ENSEMBLES:
        origin += " and combined with a linear model"
    if manifest.candidate in CASCADES:
        origin += (
            ", behind a linear model that answers what it is sure of and is combined with it for the rest"
        )
    parameters = "" if evaluation.parameters is None else f", {evaluation.parameters:,} parameters"
    return (
        f"A classifier of English news articles, real or fake, {origin}. It runs on {_code(manifest.runtime)} and takes"
        f" {evaluation.bytes_on_disk / 1e6:,.1f} MB{parameters}."
    )


def _answers(calibration: Calibration) -> str:
    temperature = (
        "The probability is the model's own."
        if calibration.temperature == 1
        else f"The probability is calibrated: the log odds are divided by {calibration.temperature:.3f}."
    )
    decision = f"The decision threshold is {calibration.threshold:.3f}."
    return f"The probability that an article is fake. {temperature} {decision}"


def _abstention(calibration: Calibration, evaluation: Evaluation) -> list[str]:
    uncertain = "It always answers, however uncertain it is."
    if calibration.abstain_low < calibration.abstain_high:
        uncertain = (
            f"**When it is uncertain:** it abstains between {calibration.abstain_low:.3f} and "
            f"{calibration.abstain_high:.3f}. On validation it answers {calibration.answered_share:.1%} "
            "of the articles."
        )
    if calibration.confidence is not None:
        promised = [
            f"{value:.1%} of the answers {name}"
            for name, value in (("real", calibration.promised_real), ("fake", calibration.promised_fake))
            if value is not None
        ]
        uncertain += (
            f" On new articles like those of the validation split at least {' and '.join(promised)} are right, with"
            f" {calibration.confidence:.0%} confidence. This is no promise for other publishers or later times."
        )
    out_of_distribution = "It does not detect out-of-distribution articles."
    if evaluation.ood_limits is not None:
        share = evaluation.out_of_distribution / evaluation.rows
        out_of_distribution = (
            "**When the article is out of distribution:** it abstains on articles unlike its training "
            f"articles, in language or in kind. On the test split these were {evaluation.out_of_distribution:,} ({share:.2%})."
        )
    answered = 1 - evaluation.abstained / evaluation.rows
    right = (
        ""
        if evaluation.answered is None
        else f"; {evaluation.answered.accuracy:.1%} of the answers were right"
    )
    return [uncertain, out_of_distribution, f"It answered {answered:.1%} of the test articles{right}."]


def _data(corpus: Corpus) -> list[str]:
    batches = markdown.table(
        ("batch", "from", "received", "rows", "rejected", "real", "fake", "unlabelled"),
        [
            (
                markdown.cell(one.name),
                markdown.cell(one.origin),
                f"{one.received}",
                *(f"{count:,}" for count in (one.rows_in, one.rejected, one.real, one.fake, one.unlabelled)),
            )
            for one in corpus.batches
        ],
    )
    if not corpus.sources:
        return [batches, "The sources of the articles are unknown."]
    shown = len(corpus.sources)
    more = (
        f"The {shown} largest of {corpus.sources_known:,} sources"
        if shown < corpus.sources_known
        else "Sources"
    )
    return [
        batches,
        f"{more}, by articles in a split. The source of {corpus.unsourced:,} articles is unknown.",
        markdown.table(
            ("source", "real", "fake"),
            [(markdown.cell(one.name), f"{one.real:,}", f"{one.fake:,}") for one in corpus.sources],
        ),
    ]


def _splits(corpus: Corpus) -> list[str]:
    return [
        "Near-duplicates are in one split, and no article ever changes its split. Some publishers are held out for"
        " selection and some for test: all their articles are there. The model was trained on train; its checkpoint,"
        " temperature, threshold and abstention band were chosen on val; it was chosen among the candidates on"
        " selection; every score below is of test, which decided nothing.",
        markdown.table(
            ("split", "articles", "real", "fake", "near-duplicate clusters", "published"),
            [
                (
                    one.name,
                    *(f"{count:,}" for count in (one.real + one.fake, one.real, one.fake, one.clusters)),
                    _period(one),
                )
                for one in corpus.splits
            ],
        ),
    ]


def _period(split: SplitFacts) -> str:
    if split.first is None or split.last is None:
        return "not known"
    return f"{_day(split.first)} to {_day(split.last)}"


def _day(day: date) -> str:
    return day.isoformat()


def how_chosen(choice: Choice) -> str:
    """The policy's limits, and its verdict on each candidate, in Markdown."""
    policy = choice.policy
    limits = [f"at most {policy.max_loss_points:g} points of macro-F1 below the best, {_code(choice.best)}"]
    if any(verdict.unseen_roc_auc is not None for verdict in choice.verdicts):
        limits.append(
            f"at most {policy.max_unseen_loss_points:g} points of ROC AUC on unseen publishers below it"
        )
    limits.append(f"not significantly worse than it (paired bootstrap, {policy.significance_level:.0%})")
    if policy.max_megabytes is not None:
        limits.append(f"at most {policy.max_megabytes:g} MB")
    if policy.max_latency_ms is not None:
        limits.append(f"at most {policy.max_latency_ms:g} ms for one article")
    table = markdown.table(
        (
            "candidate",
            "ROC AUC, unseen publishers",
            "macro-F1",
            "points lost",
            "interval",
            "articles/s",
            "ms for one",
            "MB",
            "verdict",
        ),
        [_row(verdict, choice) for verdict in choice.verdicts],
    )
    return (
        f"The fastest of the candidates that are {'; '.join(limits)}. All figures here are of the selection"
        f" split.\n\n{table}"
    )


def _row(verdict: Verdict, choice: Choice) -> tuple[str, ...]:
    outcome = "**chosen**" if verdict.name == choice.winner else "eligible" if verdict.eligible else "refused"
    # The record holds candidate minus best; a reader of "points lost" expects the opposite sign.
    low, high = -100 * verdict.difference.high, -100 * verdict.difference.low
    return (
        markdown.cell(verdict.name),
        "" if verdict.unseen_roc_auc is None else f"{verdict.unseen_roc_auc:.4f}",
        f"{verdict.macro_f1:.4f}",
        f"{verdict.loss_points:.2f}",
        "" if verdict.name == choice.best else f"{low:.2f} to {high:.2f}",
        f"{verdict.rows_per_second:,.0f}",
        f"{verdict.latency_p50_ms:.2f}",
        f"{verdict.megabytes:.1f}",
        markdown.cell(f"{outcome}: {'; '.join(verdict.reasons)}"),
    )


def _how_to_reproduce(manifest: Manifest) -> list[str]:
    return [
        f"Check out commit {_code(manifest.git_commit or 'unknown')}, install the packages below"
        f" ({_code(SBOM_FILE)} lists all that were installed) and run `fakenews reproduce SHA` where the batches are"
        " stored, with the name of this bundle's folder for SHA. It remakes everything below in a scratch "
        "store and compares.",
        _pairs(("value", "version"), manifest.data_versions),
        "Settings of each asset:",
        f"```json\n{json.dumps(manifest.config, indent=2, sort_keys=True, ensure_ascii=False)}\n```",
        _pairs(("package", "version"), manifest.package_versions),
    ]


def _pairs(head: tuple[str, str], values: Mapping[str, str]) -> str:
    return markdown.table(head, [(markdown.cell(key), _code(values[key])) for key in sorted(values)])


def _code(text: str) -> str:
    return f"`{markdown.cell(text)}`"
