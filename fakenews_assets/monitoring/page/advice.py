"""What to do about what the reports of a day have found."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from fakenews_assets.monitoring.page.history import Day

_RETRAIN = (
    "Label articles of these days, by <code>POST /feedback</code> or as a file for <code>fakenews ingest FILE</code>.",
    "While <code>make ui</code> runs, <code>drift_sensor</code> retrains once there are enough new ones;"
    " <code>fakenews ingest FILE --train</code> does so now.",
)


@dataclass(frozen=True)
class Advice:
    """Steps after one finding."""

    finding: str
    """A sentence; HTML."""
    steps: tuple[str, ...]
    """HTML."""


def advise(days: Sequence[Day]) -> list[Advice]:
    """What to do about the newest report of each kind.

    Args:
        days: in order of time.
    """
    drift = next((day for day in reversed(days) if day.drift), None)
    quality = next((day for day in reversed(days) if day.performance), None)
    if drift is None and quality is None:
        return [
            Advice(
                "There is no report yet.",
                (
                    "Run <code>fakenews report</code> after the service has answered; <code>make ui</code> does so every"
                    " night.",
                    "<code>fakenews monitor --demo</code> shows generated days.",
                ),
            )
        ]
    found = [
        *(_on_drift(drift) if drift else []),
        *(_on_abstentions(drift) if drift else []),
        *(_on_quality(quality) if quality else []),
    ]
    alarm = (
        drift and drift.drift and (drift.drift.drifted or drift.drift.abstains_more),
        quality and quality.performance and quality.performance.dropped,
    )
    return [*found, Advice("Then retrain.", _RETRAIN)] if any(alarm) else found


def _on_drift(day: Day) -> list[Advice]:
    assert day.drift
    if day.drift.drifted is None and day.drift.rows:
        again = f"fakenews report {day.day} --last-rows {max(day.drift.min_rows, 500)}"
        return [Advice(escape(day.drift.summary), (f"Take earlier days in: <code>{again}</code>.",))]
    if not day.drift.drifted:
        return []
    report = f'<a href="reports/{day.day}/drift_tests.html">tests of {day.day:%-d %B}</a>'
    return [
        Advice(
            "The articles have drifted.",
            (
                f"Look at the {report}: which features moved, and where to.",
                "If these articles do not belong here (a test, a crawler, another language), stop them at their source.",
            ),
        )
    ]


def _on_abstentions(day: Day) -> list[Advice]:
    found = day.drift.abstentions if day.drift else None
    if found is None or not found.risen:
        return []
    if 2 * found.out_of_distribution >= found.abstained:
        cause = (
            "Most are out of distribution. Look at some in the log (<code>FAKENEWS_LOG_CONTENT=text</code>): another"
            " language, posts of social media, no article at all?"
        )
    else:
        cause = (
            "Most are uncertain. Does the client send titles without their texts? Send both. Else the topics are"
            " new to the model."
        )
    return [Advice("The model abstains too often.", (cause,))]


def _on_quality(day: Day) -> list[Advice]:
    found = day.performance
    assert found
    if found.standing is None and found.model_id:
        missing = found.min_labels - found.rows
        if missing <= 0:
            return []
        return [
            Advice(
                "Too few labels to judge the quality.",
                (
                    f"Send {missing:,} more true labels, by <code>POST /feedback</code> or in a labelled file.",
                ),
            )
        ]
    if found.dropped:
        return [
            Advice(
                "The quality has dropped.",
                (
                    "Audit a wrong answer: <code>fakenews audit REQUEST_ID</code>.",
                    "If the champion is new, launch the job <code>rollback_champion</code> in the UI.",
                ),
            )
        ]
    if found.lower:
        return [
            Advice(
                f"The quality is {found.standing}.",
                ("This is no alarm. More labels narrow the interval; watch the next days.",),
            )
        ]
    return []
