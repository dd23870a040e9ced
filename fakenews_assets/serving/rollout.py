"""Brings the champion into service on Cloud Run, step by step, and records which revision answers with which model.

The champion's image becomes a revision that first gets a share of the traffic: a trial. When the time of the trial is
over, the revision gets all of the traffic, or none if it failed more often or answered more slowly than the one before.
After a rollback, the revision of the earlier champion gets all of the traffic at once.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.common.records import StoredRecord
from fakenews_assets.registry.champion import Pointer
from fakenews_assets.serving.container import CONTEXT_FOLDER
from fakenews_assets.serving.settings import RolloutSettings, RolloutStep
from fakenews_resources.cloud_run import CloudRun, CloudRunFailed, Served
from fakenews_resources.storage.store import Store

Stage = Literal["trial", "all", "withdrawn"]
Step = Literal["none", "build", "judge", "back", "withdraw"]


class Revision(BaseModel):
    """A revision of the service, and the model in its image."""

    model_config = ConfigDict(frozen=True)

    name: str
    image: str
    bundle: str = Field(description="Sha of the bundle that it answers with.")
    context: str = Field(description="Version of `container_context` that it was built from.")
    build_log: str


class RolloutRecord(StoredRecord):
    """Which revision serves the champion, since when and why."""

    file: ClassVar[str] = "rollout.json"

    champion: int = Field(description="Sequence of the champion's pointer that this answers to.")
    stage: Stage
    revision: Revision
    before: str = Field(description="The revision that has the rest of the traffic, or had it.")
    shares: dict[str, int] = Field(description="Percent of the traffic by revision.")
    since: datetime
    look_at: datetime | None = Field(description="When the trial is judged; none: it is over.")
    reason: str
    served: tuple[Revision, ...] = Field(
        description="Revisions that have had all of the traffic, the last one last."
    )

    @property
    def named(self) -> dict[str, Any]:
        """What people want to know, for the metadata."""
        return {
            "stage": self.stage,
            "revision": self.revision.name,
            "model_id": self.revision.bundle,
            "traffic": self.shares,
            "since": f"{self.since:%Y-%m-%d %H:%M} UTC",
            "reason": self.reason,
            "image": self.revision.image,
        }


@dataclass(frozen=True)
class BuiltContext:
    """A container context in the storage."""

    version: str
    bundle: str
    """Sha of the bundle in it."""
    address: str


def context_in(store: Store) -> BuiltContext | None:
    """The newest container context; None if there is none."""
    if not store.exists("container_context"):
        return None
    found = store.current("container_context")
    return BuiltContext(
        found.version, found.meta.get("model_id", ""), f"{store.where(found)}/{CONTEXT_FOLDER}"
    )


def next_step(
    record: RolloutRecord | None, champion: Pointer, context: BuiltContext | None, now: datetime
) -> tuple[Step, str]:
    """What is to be done now, and why.

    Args:
        record: the last step; None: there was none.
        champion: the pointer in force.
        context: the newest container context; None: there is none.
        now: the time.
    """
    model = champion.bundle[:12]
    if record is not None and record.champion == champion.sequence:
        if record.look_at is None:
            return "none", f"{record.stage}: {record.reason}"
        if now < record.look_at:
            return (
                "none",
                f"{record.revision.name} is on trial until {record.look_at:%Y-%m-%d %H:%M} UTC. {record.reason}",
            )
        return "judge", f"The trial of {record.revision.name} is over."
    if _earlier(record, champion):
        return "back", f"{model} is the champion again."
    if (
        champion.action == "rollback"
        and record
        and record.stage == "trial"
        and champion.previous == record.champion
    ):
        return "withdraw", "The champion on trial was rolled back."
    if context is not None and context.bundle == champion.bundle:
        return "build", f"{model} is the new champion."
    return "none", f"{model} has no container context yet: the job build_bento makes it."


def take_step(
    record: RolloutRecord | None,
    champion: Pointer,
    context: BuiltContext | None,
    wish: RolloutStep,
    cloud: CloudRun,
    settings: RolloutSettings,
) -> RolloutRecord:
    """Do what `next_step` says, or what a person wishes.

    Raises:
        CloudRunFailed: nothing can be done now, or Google refused. The traffic is as before.
    """
    step, why = next_step(record, champion, context, datetime.now(UTC))
    if wish.again and step == "none" and context is not None and context.bundle == champion.bundle:
        step, why = "build", wish.reason
    if step == "build" and context is not None:
        return _build(record, champion, context, why, cloud, settings)
    if step == "back" and (earlier := _earlier(record, champion)) and record:
        cloud.route({earlier.name: 100})
        return _whole(record, champion, earlier, f"{why} {champion.reason}")
    if step == "withdraw" and record:
        return _withdrawn(record, champion, f"{why} {champion.reason}", cloud)
    if record is not None and record.stage == "trial" and record.champion == champion.sequence:
        if wish.finish:
            cloud.route({record.revision.name: 100})
            return _whole(record, champion, record.revision, wish.reason)
        if step == "judge":
            return _judge(record, champion, cloud, settings)
    raise CloudRunFailed(f"Nothing is to be done. {why}")


def _earlier(record: RolloutRecord | None, champion: Pointer) -> Revision | None:
    """The revision that served a champion which has come back."""
    if record is None or champion.action != "rollback":
        return None
    return next((one for one in reversed(record.served) if one.bundle == champion.bundle), None)


def _build(
    record: RolloutRecord | None,
    champion: Pointer,
    context: BuiltContext,
    why: str,
    cloud: CloudRun,
    settings: RolloutSettings,
) -> RolloutRecord:
    if not context.address.startswith("gs://"):
        raise CloudRunFailed(
            f"Cloud Build cannot read {context.address}: FAKENEWS_STORAGE has to name a bucket."
        )
    image = cloud.build(context.address)
    name = cloud.deploy(image.reference, f"{champion.bundle[:8]}-{image.build[:8]}")
    shares = cloud.shares()
    before = max(shares, key=lambda one: shares[one])
    revision = Revision(
        name=name, image=image.reference, bundle=champion.bundle, context=context.version, build_log=image.log
    )
    now = datetime.now(UTC)
    trial = RolloutRecord(
        champion=champion.sequence,
        stage="trial",
        revision=revision,
        before=before,
        shares={before: 100 - settings.share, name: settings.share},
        since=now,
        look_at=now + timedelta(minutes=settings.minutes),
        reason=why,
        served=record.served if record else (),
    )
    # Was champion before, by a decision of a person, and had its revision deployed by hand.
    if champion.action == "rollback":
        cloud.route({name: 100})
        return _whole(trial, champion, revision, f"{why} {champion.reason}")
    cloud.route(trial.shares)
    return trial


def _judge(
    record: RolloutRecord, champion: Pointer, cloud: CloudRun, settings: RolloutSettings
) -> RolloutRecord:
    new, old = (cloud.served(name, record.since) for name in (record.revision.name, record.before))
    if new.requests < settings.min_requests:
        reason = f"{new.requests:,} of {settings.min_requests:,} requests so far."
        look_at = datetime.now(UTC) + timedelta(minutes=settings.minutes)
        return record.model_copy(update={"reason": reason, "look_at": look_at})
    figures = compared(new, old)
    if fault := worse(new, old, settings):
        return _withdrawn(record, champion, f"{fault}: {figures}.", cloud)
    cloud.route({record.revision.name: 100})
    return _whole(record, champion, record.revision, f"The trial held: {figures}.")


def _withdrawn(record: RolloutRecord, champion: Pointer, reason: str, cloud: CloudRun) -> RolloutRecord:
    cloud.route({record.before: 100})
    return record.model_copy(
        update={
            "champion": champion.sequence,
            "stage": "withdrawn",
            "shares": {record.before: 100},
            "since": datetime.now(UTC),
            "look_at": None,
            "reason": reason,
        }
    )


def worse(new: Served, old: Served, settings: RolloutSettings) -> str | None:
    """What a revision on trial does worse than the other one; None: nothing. A comparison needs requests of both."""
    if new.failed_share > old.failed_share + settings.max_more_failures:
        return "More requests fail"
    if new.p95_ms and old.p95_ms and new.p95_ms > settings.max_slower * old.p95_ms:
        return "Answers are slower"
    return None


def compared(new: Served, old: Served) -> str:
    """The figures of two revisions."""

    def of(served: Served) -> str:
        time = f"{served.p95_ms:.0f} ms" if served.p95_ms else "no times"
        return f"{served.failed_share:.1%} of {served.requests:,} requests failed, 95 % within {time}"

    return f"{of(new)}; before {of(old)}"


def _whole(record: RolloutRecord, champion: Pointer, revision: Revision, reason: str) -> RolloutRecord:
    return record.model_copy(
        update={
            "champion": champion.sequence,
            "stage": "all",
            "revision": revision,
            "before": record.before if revision == record.revision else record.revision.name,
            "shares": {revision.name: 100},
            "since": datetime.now(UTC),
            "look_at": None,
            "reason": reason,
            "served": (*(one for one in record.served if one != revision), revision),
        }
    )
