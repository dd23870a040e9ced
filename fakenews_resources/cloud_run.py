"""The prediction service on Cloud Run: builds its images, deploys revisions, and divides the traffic between them.

Requests go through Google's API client, which carries the descriptions of the APIs: Cloud Build v1, Cloud Run v2 and
Cloud Monitoring v3.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any, Final

import dagster as dg
import yaml
from pydantic import Field

BUILD_FILE: Final = Path(__file__).with_name("cloudbuild.yaml")
"""A link to the file in `deploy/`, which a wheel holds as a file. It also builds the graph's image and deploys."""
_STEPS: Final = ("context", "service")
"""Those of its steps that build the service's image."""
_ENDED_BADLY: Final = ("FAILURE", "INTERNAL_ERROR", "TIMEOUT", "CANCELLED", "EXPIRED")
_SERVICE: Final = re.compile(
    r"projects/(?P<project>[^/]+)/locations/(?P<region>[^/]+)/services/(?P<name>[^/]+)"
)
_RETRIES: Final = 3
"""Of a request that Google answers with 429 or 5xx, with exponential backoff."""


class CloudRunFailed(RuntimeError):
    """Google refused, or a build or a revision failed; the message says what to do next."""


@dataclass(frozen=True)
class BuiltImage:
    """An image that Cloud Build has pushed."""

    reference: str
    """Its name with its digest."""
    build: str
    """Id of the build."""
    log: str
    """Address of the build's log."""


@dataclass(frozen=True)
class Served:
    """What a revision has answered since some time."""

    requests: int
    failed: int
    """With status 5xx."""
    p95_ms: float | None
    """None: no request."""

    @property
    def failed_share(self) -> float:
        """Failed requests of all, 0 if there were none."""
        return self.failed / self.requests if self.requests else 0.0


class CloudRun(dg.ConfigurableResource):
    """One service on Cloud Run. Every method raises CloudRunFailed if Google refuses."""

    service: str | None = Field(
        default=None,
        description="projects/PROJECT/locations/REGION/services/NAME; null: there is none, and champions are not rolled out.",
    )
    poll_seconds: float = Field(
        default=5, gt=0, description="Between two questions whether something has ended."
    )
    build_seconds: float = Field(default=3600, gt=0, description="Longest wait for a build.")
    ready_seconds: float = Field(default=600, gt=0, description="Longest wait for a revision.")
    api: str | None = Field(
        default=None,
        description="Address of another server that answers as Google's, without credentials; for tests.",
    )

    def build(self, context: str) -> BuiltImage:
        """Build and push the service's image.

        Args:
            context: address of a container context in a bucket.
        """
        place = self._place()
        with _telling("Cloud Build"):
            builds = self._client("cloudbuild", "v1").projects().locations().builds()
            parent = f"projects/{place['project']}/locations/{place['region']}"
            started = builds.create(parent=parent, body=build_request(context, place["region"])).execute()
            build = started["metadata"]["build"]

            def ended() -> dict[str, Any] | None:
                # No name: the answer to `create` has it only where the API is regional.
                now = builds.get(name=f"{parent}/builds/{build['id']}").execute(num_retries=_RETRIES)
                return now if now["status"] in ("SUCCESS", *_ENDED_BADLY) else None

            now = self._wait(ended, self.build_seconds, f"build {build['id']}; its log: {build['logUrl']}")
        if now["status"] != "SUCCESS":
            said = now.get("statusDetail") or now.get("failureInfo", {}).get("detail") or now["status"]
            raise CloudRunFailed(
                f"Build {now['id']} ended as {now['status']} ({said}). Its log: {now['logUrl']}"
            )
        (image,) = now["results"]["images"]
        return BuiltImage(f"{image['name'].rpartition(':')[0]}@{image['digest']}", now["id"], now["logUrl"])

    def deploy(self, image: str, suffix: str) -> str:
        """Make a revision with another image, otherwise as the last one, and wait until it is ready. It gets no traffic.

        Args:
            image: its reference.
            suffix: of the revision's name, which must be new.

        Returns:
            The revision's name.
        """
        name = f"{self._place()['name']}-{suffix}"
        service = self._get()
        template = dict(service["template"], revision=name)
        template["containers"] = [
            {**one, "image": image} if one.get("ports") or len(template["containers"]) == 1 else one
            for one in template["containers"]
        ]
        # Traffic to "the latest revision" would follow at once.
        self._patch(service, template=template, traffic=_targets(service, _shares(service)))
        return name

    def shares(self) -> dict[str, int]:
        """Percent of the traffic by revision."""
        return _shares(self._get())

    def route(self, shares: Mapping[str, int]) -> None:
        """Divide the traffic.

        Args:
            shares: percent by revision, 100 together.
        """
        service = self._get()
        self._patch(service, traffic=_targets(service, shares))

    def served(self, revision: str, since: datetime) -> Served:
        """What a revision has answered. The last minutes are missing: Cloud Monitoring is told of them later."""
        found = self._measured(
            "request_count", "REDUCE_SUM", revision, since, "metric.labels.response_code_class"
        )
        counts = {one["metric"]["labels"]["response_code_class"]: _value(one) for one in found}
        latencies = self._measured("request_latencies", "REDUCE_PERCENTILE_95", revision, since)
        return Served(
            requests=round(sum(counts.values())),
            failed=round(counts.get("5xx", 0)),
            p95_ms=_value(latencies[0]) if latencies else None,
        )

    def _measured(
        self, metric: str, reducer: str, revision: str, since: datetime, *by: str
    ) -> list[dict[str, Any]]:
        place, now = self._place(), datetime.now(UTC)
        wanted = {
            "metric.type": f"run.googleapis.com/{metric}",
            "resource.labels.location": place["region"],
            "resource.labels.service_name": place["name"],
            "resource.labels.revision_name": revision,
        }
        with _telling("Cloud Monitoring"):
            series = self._client("monitoring", "v3").projects().timeSeries()
            answer = series.list(
                name=f"projects/{place['project']}",
                filter=" AND ".join(f'{name} = "{value}"' for name, value in wanted.items()),
                interval_startTime=since.isoformat(),
                interval_endTime=now.isoformat(),
                # One value for the whole time. A minute is the least that is allowed.
                aggregation_alignmentPeriod=f"{max(60, ceil((now - since).total_seconds()))}s",
                aggregation_perSeriesAligner="ALIGN_DELTA",
                aggregation_crossSeriesReducer=reducer,
                aggregation_groupByFields=["resource.labels.revision_name", *by],
            ).execute(num_retries=_RETRIES)
        return answer.get("timeSeries", [])

    def _get(self) -> dict[str, Any]:
        with _telling("Cloud Run"):
            return self._services().get(name=self.service).execute(num_retries=_RETRIES)

    def _patch(self, before: Mapping[str, Any], **changes: Any) -> None:
        """Change fields of a service that is still as it was, and wait until the change is in force."""
        with _telling("Cloud Run"):
            self._services().patch(
                name=self.service, updateMask=",".join(changes), body={**changes, "etag": before["etag"]}
            ).execute()

        def settled() -> dict[str, Any] | None:
            now = self._get()
            newer = int(now["generation"]) > int(before["generation"])
            seen = now.get("observedGeneration") == now["generation"] and not now.get("reconciling")
            return now if newer and seen else None

        now = self._wait(settled, self.ready_seconds, f"the change of {self.service}")
        condition = now.get("terminalCondition", {})
        if condition.get("state") == "CONDITION_FAILED":
            raise CloudRunFailed(f"Cloud Run did not take the change: {condition.get('message', condition)}")

    def _wait(self, look: Callable[[], dict[str, Any] | None], seconds: float, what: str) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while (found := look()) is None:
            if time.monotonic() > deadline:
                raise CloudRunFailed(f"After {seconds:.0f} s there is no end of {what}.")
            time.sleep(self.poll_seconds)
        return found

    def _place(self) -> dict[str, str]:
        found = _SERVICE.fullmatch(self.service or "")
        if found is None:
            raise CloudRunFailed(
                f"FAKENEWS_ROLLOUT_SERVICE is {self.service!r}; it has the form"
                " projects/PROJECT/locations/REGION/services/NAME."
            )
        return found.groupdict()

    def _services(self) -> Any:
        self._place()
        return self._client("run", "v2").projects().locations().services()

    def _client(self, name: str, version: str) -> Any:
        from google.auth.credentials import AnonymousCredentials
        from googleapiclient import discovery

        own = (
            {"credentials": AnonymousCredentials(), "client_options": {"api_endpoint": self.api}}
            if self.api
            else {}
        )
        return discovery.build(name, version, static_discovery=True, cache_discovery=False, **own)


def build_request(context: str, region: str) -> dict[str, Any]:
    """The body that asks Cloud Build for the service's image, of the steps in BUILD_FILE.

    Args:
        context: address of the container context.
        region: of the registry that takes the image.
    """
    config = yaml.safe_load(BUILD_FILE.read_text(encoding="utf-8"))
    steps = [one for one in config["steps"] if one["id"] in _STEPS]
    tag = next(one["args"][one["args"].index("--tag") + 1] for one in steps if one["id"] == "service")
    values = config["substitutions"] | {"_CONTEXT": context, "_REGION": region}
    request = {"steps": steps, "images": [tag]} | {
        name: config[name] for name in ("serviceAccount", "options", "timeout")
    }
    # Cloud Build refuses a value that nothing uses.
    used = set(re.findall(r"\$\{(_\w+)\}", json.dumps(request)))
    used |= {name for one in used for name in re.findall(r"\$\{(_\w+)\}", values[one])}
    return request | {"substitutions": {name: values[name] for name in sorted(used)}}


def _shares(service: Mapping[str, Any]) -> dict[str, int]:
    latest = service.get("latestReadyRevision", "").rpartition("/")[2]
    shares: dict[str, int] = {}
    for target in service.get("traffic", []):
        if target.get("percent"):
            revision = target.get("revision") or latest
            shares[revision] = shares.get(revision, 0) + target["percent"]
    return shares or {latest: 100}


def _targets(service: Mapping[str, Any], shares: Mapping[str, int]) -> list[dict[str, Any]]:
    """Of the old targets those stay that are only an address with a tag."""
    tagged = [one for one in service.get("traffic", []) if one.get("tag") and not one.get("percent")]
    kind = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"
    return tagged + [
        {"type": kind, "revision": name, "percent": share} for name, share in shares.items() if share
    ]


def _value(series: Mapping[str, Any]) -> float:
    (point,) = series["points"]
    return float(point["value"].get("int64Value", point["value"].get("doubleValue", 0)))


@contextmanager
def _telling(api: str) -> Iterator[None]:
    """Turn errors of Google's client into CloudRunFailed."""
    import httplib2
    from google.auth.exceptions import GoogleAuthError
    from googleapiclient.errors import Error, HttpError

    try:
        yield
    except HttpError as error:
        raise CloudRunFailed(
            f"{api} answered {error.status_code}: {error.reason}. `deploy/iam.sh PROJECT REGION rollout` grants what is"
            " needed; the service has to exist."
        ) from error
    except GoogleAuthError as error:
        raise CloudRunFailed(
            f"{api} refused ({error}). Run `gcloud auth application-default login`."
        ) from error
    except (Error, httplib2.HttpLib2Error, OSError) as error:
        raise CloudRunFailed(f"{api} could not be reached ({error}). Run again.") from error
