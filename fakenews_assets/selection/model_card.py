"""The model card: what a reader must know of a selected model before using it."""

import json
from collections.abc import Mapping
from pathlib import Path

from fakenews_assets import markdown
from fakenews_assets.evaluation.calibration import Calibration
from fakenews_assets.evaluation.evaluating import Evaluation
from fakenews_assets.evaluation.reporting import to_markdown
from fakenews_assets.selection.bundle import MODEL_CARD_FILE, Manifest
from fakenews_assets.selection.policy import Choice, Verdict

_LIMITS = """\
- The labels say who published an article, not whether its claims were checked. The model has learnt to tell
  publishers' ways of writing apart; a true story in a sensational tone can be called fake, and a sober lie real.
- It was trained on past news. New topics, publishers and ways of writing wear it out: measure it again on recent articles.
- It reads English titles and texts as text. It knows no images, no links and no author's reputation.
- Use it to order articles for people to read, not to remove them unread."""


def model_card(manifest: Manifest, evaluation: Evaluation, choice: Choice, note: str | None) -> str:
    """Write the card as Markdown; equal input gives an equal card.

    Args:
        manifest: what the bundle is, with or without `files`.
        evaluation: of the selected candidate on the test split.
        choice: how it was selected.
        note: the warning that belongs beside every score, such as the one on generated data.

    Raises:
        ValueError: the manifest or the evaluation is not the winner's.
    """
    winner = next(verdict for verdict in choice.verdicts if verdict.name == choice.winner)
    if (manifest.candidate, evaluation.metrics.macro_f1) != (winner.name, winner.macro_f1):
        raise ValueError(
            f"The manifest is of {manifest.candidate} and the evaluation of {evaluation.candidate}, but"
            f" {winner.name} was selected; pass the winner's."
        )
    parts = [f"# Model card: {markdown.cell(manifest.candidate)}"]
    if note:
        parts.append(f"> **{note}**")
    parts += [
        "## What it is",
        _what_it_is(manifest, evaluation),
        "## What it answers",
        _answers(manifest.calibration),
        "## Data",
        f"Scored on {evaluation.rows:,} test articles, of which {evaluation.metrics.fake_share:.0%} are labelled fake."
        " No near-duplicate of a training article is among them. Everything it was made from, with its version:",
        _pairs(("value", "version"), manifest.data_versions),
        # The note stands at the top already.
        to_markdown(evaluation.model_copy(update={"note": None})),
        "## Limits",
        _LIMITS,
        "## How it was chosen",
        _how_chosen(choice),
        "## How to reproduce it",
        f"Check out commit {_code(manifest.git_commit or 'unknown')}, install the packages below, ingest the batches"
        " named under Data and materialize the assets with these settings:",
        f"```json\n{json.dumps(manifest.config, indent=2, sort_keys=True, ensure_ascii=False)}\n```",
        _pairs(("package", "version"), manifest.package_versions),
    ]
    return "\n\n".join(parts) + "\n"


def write_model_card(card: str, folder: Path) -> None:
    """Write `model_card.md`."""
    (folder / MODEL_CARD_FILE).write_text(card, encoding="utf-8")


def _what_it_is(manifest: Manifest, evaluation: Evaluation) -> str:
    origin = f"fine-tuned from {_code(manifest.encoder)}" if manifest.encoder else "trained from scratch"
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
    decision = f"From {calibration.threshold:.3f} on an article is called fake, below it real."
    if calibration.abstain_low < calibration.abstain_high:
        abstain = (
            f"Between {calibration.abstain_low:.3f} and {calibration.abstain_high:.3f} the model gives no answer and"
            f" says so; on validation it answered {calibration.answered_share:.1%} of the articles."
        )
    else:
        abstain = "It always answers."
    return f"The probability that an article is fake. {temperature} {decision} {abstain}"


def _how_chosen(choice: Choice) -> str:
    policy = choice.policy
    limits = [f"at most {policy.max_loss_points:g} points of macro-F1 below the best, {_code(choice.best)}"]
    limits.append(f"not significantly worse than it (paired bootstrap, {policy.significance_level:.0%})")
    if policy.max_megabytes is not None:
        limits.append(f"at most {policy.max_megabytes:g} MB")
    if policy.max_latency_ms is not None:
        limits.append(f"at most {policy.max_latency_ms:g} ms for one article")
    table = markdown.table(
        ("candidate", "macro-F1", "points lost", "interval", "articles/s", "ms for one", "MB", "verdict"),
        [_row(verdict, choice) for verdict in choice.verdicts],
    )
    return f"The fastest of the candidates that are {'; '.join(limits)}.\n\n{table}"


def _row(verdict: Verdict, choice: Choice) -> tuple[str, ...]:
    outcome = "**chosen**" if verdict.name == choice.winner else "eligible" if verdict.eligible else "refused"
    # The record holds candidate minus best; a reader of "points lost" expects the opposite sign.
    low, high = -100 * verdict.difference.high, -100 * verdict.difference.low
    return (
        markdown.cell(verdict.name),
        f"{verdict.macro_f1:.4f}",
        f"{verdict.loss_points:.2f}",
        "" if verdict.name == choice.best else f"{low:.2f} to {high:.2f}",
        f"{verdict.rows_per_second:,.0f}",
        f"{verdict.latency_p50_ms:.2f}",
        f"{verdict.megabytes:.1f}",
        markdown.cell(f"{outcome}: {'; '.join(verdict.reasons)}"),
    )


def _pairs(head: tuple[str, str], values: Mapping[str, str]) -> str:
    return markdown.table(head, [(markdown.cell(key), _code(values[key])) for key in sorted(values)])


def _code(text: str) -> str:
    return f"`{markdown.cell(text)}`"
