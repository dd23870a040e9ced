"""What arrives: each file one batch and one run, whatever was interrupted."""

from pathlib import Path

import dagster as dg
import pytest

from fakenews_assets.automation.jobs import ingest_batch
from fakenews_assets.automation.runs import failure_reasons
from fakenews_assets.automation.sensors import ingestion
from fakenews_assets.automation.sensors.ingestion import new_batch_sensor
from fakenews_assets.data.admission.assets import admission
from fakenews_assets.data.assets import clean_news
from fakenews_assets.data.ratings.assets import publisher_labels, source_ratings
from fakenews_assets.data.receiving.assets import raw_news
from fakenews_assets.data.receiving.claims import Claim, Claims
from fakenews_resources import landing
from fakenews_resources.engine.resource import Engine
from fakenews_resources.landing import Landing
from fakenews_resources.news.base import Refused
from fakenews_resources.news.resource import NewsSource
from fakenews_resources.storage.backend import FolderBackend
from fakenews_resources.storage.io_manager import ArtifactIOManager, Storage
from tests.support.kinds import READ, REFUSED


class Backend:
    """A landing folder, an instance, and the sensor between them."""

    def __init__(self, root: Path, settle_seconds: float = 0) -> None:
        self.folder = root / "landing"
        self.folder.mkdir()
        self.storage = Storage(root=str(root / "store"))
        self.landing = Landing(root=str(self.folder), settle_seconds=settle_seconds)
        self.instance = dg.DagsterInstance.ephemeral()
        self.defs = dg.Definitions(
            assets=[raw_news, source_ratings, publisher_labels, admission, clean_news],
            jobs=[ingest_batch],
            sensors=[new_batch_sensor],
            resources={
                "landing": self.landing,
                "storage": self.storage,
                "io_manager": ArtifactIOManager(storage=self.storage),
                "news_source": NewsSource(),
                "engine": Engine(),
            },
        )

    def drop(self, name: str, content: str = "A") -> None:
        (self.folder / name).write_text(f"title,label\n{content},1\n")

    def context(self, instance: dg.DagsterInstance) -> dg.SensorEvaluationContext:
        return dg.build_sensor_context(
            instance=instance,
            # An ephemeral instance has no reference; without one Dagster does not resolve new partitions.
            instance_ref=instance.get_ref() if instance.is_persistent else None,
            repository_def=self.defs.get_repository_def(),
            resources={"landing": self.landing, "storage": self.storage},
        )

    def tick(self) -> dg.SensorResult:
        with self.context(self.instance) as context:
            found = new_batch_sensor(context)
        assert isinstance(found, dg.SensorResult)
        return found

    def asked(self) -> list[str]:
        found = self.tick()
        requests = found.run_requests or []
        partitions = [
            key for added in found.dynamic_partitions_requests or [] for key in added.partition_keys
        ]
        assert partitions == [request.partition_key for request in requests]
        return partitions

    def reason(self) -> str:
        found = self.tick()
        assert not found.run_requests
        assert not found.dynamic_partitions_requests
        assert found.skip_reason
        return found.skip_reason.skip_message or ""

    def create_run(
        self, request: dg.RunRequest, status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTING
    ) -> dg.DagsterRun:
        """As the daemon does for a request."""
        assert request.partition_key
        self.instance.add_dynamic_partitions("news_batches", [request.partition_key])
        return self.instance.create_run_for_job(
            self.defs.resolve_job_def("ingest_batch"),
            status=status,
            tags={"dagster/partition": request.partition_key, "dagster/run_key": request.run_key or ""},
        )

    def execute(self, request: dg.RunRequest) -> None:
        """Run what was asked for, to its end."""
        assert request.partition_key
        self.instance.add_dynamic_partitions("news_batches", [request.partition_key])
        self.defs.resolve_job_def("ingest_batch").execute_in_process(
            instance=self.instance,
            partition_key=request.partition_key,
            run_config=request.run_config,
            tags={"dagster/run_key": request.run_key or ""},
            raise_on_error=False,
        )

    def request(self) -> dg.RunRequest:
        (request,) = self.tick().run_requests or []
        return request


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    return Backend(tmp_path)


def test_nothing_there(backend: Backend) -> None:
    assert backend.reason() == f"No new files in {backend.folder}."


def test_landed_files_that_are_refused_are_named_with_the_words_of_the_command(backend: Backend) -> None:
    kinds = {kind.name: kind for kind in REFUSED}
    for name in ("image.csv", "two.zip"):
        (backend.folder / name).write_bytes(kinds[name].content)
    for request in backend.tick().run_requests or []:
        backend.execute(request)
    reason = backend.reason()
    assert "2 refused, hence not part of the corpus: image-" in reason
    assert "(clean_news: image.csv: the file is an image (PNG), not a table)" in reason
    assert (
        "(clean_news: two.zip: the file is a ZIP archive with several tables: it holds 'True.csv', 'Fake.csv'"
        in reason
    )


def test_landed_files_of_several_kinds_are_read(backend: Backend) -> None:
    kinds = {kind.name: kind for kind in READ}
    for name in ("excel.csv", "windows.csv", "workbook.xlsx", "pandas_columns.json", "kaggle.zip"):
        (backend.folder / name).write_bytes(kinds[name].content + b"\n" * name.endswith(".csv"))
    requests = backend.tick().run_requests or []
    assert len(requests) == 5
    for request in requests:
        backend.execute(request)
    store = backend.storage.store
    read = {store.current(f"raw_news/{one.partition_key}").meta["files"][0]["read_as"] for one in requests}
    assert read == {
        "CSV in UTF-8 with BOM, delimited by `;`",
        "CSV in Windows-1252, delimited by `,`",
        "spreadsheet",
        "JSON in UTF-8",
        "CSV in UTF-8, delimited by `,`, from news.csv in a ZIP archive",
    }
    assert {store.current(f"raw_news/{one.partition_key}").meta["rows"] for one in requests} == {12}


def test_a_partition_without_a_source_asks_for_one(backend: Backend) -> None:
    backend.instance.add_dynamic_partitions("news_batches", ["by-hand"])
    result = backend.defs.resolve_job_def("ingest_batch").execute_in_process(
        instance=backend.instance, partition_key="by-hand", raise_on_error=False
    )
    failure = result.failure_data_for_node("raw_news")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert failure.user_failure_data.description == (
        "Batch 'by-hand' has no source yet. Set `uri` in the configuration of raw_news, or run"
        " `fakenews ingest FILE --batch by-hand`."
    )
    assert backend.storage.store.all_keys() == []


def test_bytes_of_another_batch_are_refused_with_its_name(backend: Backend) -> None:
    backend.drop("news.csv")
    for name in ("first", "second"):
        backend.execute(
            dg.RunRequest(
                partition_key=name,
                run_config={"ops": {"raw_news": {"config": {"uri": str(backend.folder / "news.csv")}}}},
            )
        )
    assert backend.storage.store.partitions("raw_news") == {"first"}
    run = backend.instance.get_runs(limit=1)[0]
    (said,) = failure_reasons(backend.instance, run.run_id)
    assert "holds the same bytes as batch 'first'" in said


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE])
def test_bytes_that_another_run_is_receiving_are_refused_until_it_has_failed(
    backend: Backend, status: dg.DagsterRunStatus
) -> None:
    backend.drop("news.csv")
    first = backend.request()
    other = backend.create_run(first, status)
    config = first.run_config["ops"]["raw_news"]["config"]
    claim = Claim(batch=first.partition_key or "", run_id=other.run_id)
    Claims(backend.storage.store).claim(config["sha256"], claim, lambda _: True)
    backend.execute(dg.RunRequest(partition_key="second", run_config=first.run_config))
    taken = status == dg.DagsterRunStatus.FAILURE
    assert backend.storage.store.partitions("raw_news") == ({"second"} if taken else set())


def test_a_batch_is_compared_with_those_before_it_without_fetching_their_articles(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    original = FolderBackend.fetch
    monkeypatch.setattr(
        FolderBackend, "fetch", lambda self, name="": fetched.append(name) or original(self, name)
    )
    for name in ("first", "second"):
        (backend.folder / name).with_suffix(".csv").write_text(
            "title,label\n"
            + "".join(f"{name} headline number {row} of a site,{row % 2}\n" for row in range(40))
        )
        config = {"uri": str(backend.folder / f"{name}.csv")}
        backend.execute(
            dg.RunRequest(partition_key=name, run_config={"ops": {"raw_news": {"config": config}}})
        )
    assert backend.storage.store.partitions("clean_news") == {"first", "second"}
    balance = backend.storage.store.current("clean_news/second").read_json("checks.json")
    assert "the batches before it have 50.0%" in str(balance)
    assert not [name for name in fetched if name.startswith("clean_news/first")]


def test_a_file_is_ingested_once(backend: Backend) -> None:
    backend.drop("news.csv")
    request = backend.request()
    assert request.partition_key
    assert request.partition_key.startswith("news-")
    backend.execute(request)
    manifest = backend.storage.store.current(f"raw_news/{request.partition_key}").meta
    assert manifest["source_uri"] == (backend.folder / "news.csv").as_uri()
    assert request.run_key == f"raw_news/{request.partition_key}:{manifest['sha256']}"
    for _ in range(3):
        assert backend.reason() == f"No new files in {backend.folder}."


def test_a_run_that_was_created_is_not_asked_for_again(backend: Backend) -> None:
    backend.drop("news.csv")
    request = backend.request()
    backend.create_run(request)
    for _ in range(3):
        assert backend.reason() == (
            f"No new files in {backend.folder}. 1 in progress: {request.partition_key}."
        )


def test_a_tick_that_was_cut_short_is_made_good(backend: Backend) -> None:
    backend.drop("news.csv")
    first = backend.request()
    assert backend.request() == first, "nothing happened"
    assert first.partition_key
    backend.instance.add_dynamic_partitions("news_batches", [first.partition_key])
    assert backend.request() == first, "the partition was added"
    # With the same run key, hence Dagster launches the run that is there.
    backend.create_run(first, dg.DagsterRunStatus.NOT_STARTED)
    assert backend.request() == first, "the run was created, but not launched"


def test_a_stored_batch_needs_no_run(backend: Backend) -> None:
    backend.drop("news.csv")
    draft = backend.storage.store.draft()
    (draft.path / "news.csv").write_bytes((backend.folder / "news.csv").read_bytes())
    batch = backend.request().partition_key or ""
    backend.storage.store.commit(f"raw_news/{batch}", draft)
    backend.instance.add_dynamic_partitions("news_batches", [batch])
    assert backend.reason() == f"No new files in {backend.folder}."


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
def test_what_failed_waits_for_a_person(backend: Backend, status: dg.DagsterRunStatus) -> None:
    backend.drop("news.csv")
    request = backend.request()
    backend.create_run(request, status)
    assert backend.reason() == (
        f"No new files in {backend.folder}. 1 failed before; see their runs: {request.partition_key}."
    )
    backend.drop("other.csv", "B")
    assert len(backend.asked()) == 1, "nothing else is held up"


def test_a_failed_batch_that_was_run_again(backend: Backend) -> None:
    backend.drop("news.csv")
    request = backend.request()
    backend.create_run(request, dg.DagsterRunStatus.FAILURE)
    backend.execute(request)
    assert backend.reason() == f"No new files in {backend.folder}."


def test_a_changed_file_is_another_batch(backend: Backend) -> None:
    backend.drop("news.csv", "A")
    first = backend.request()
    backend.execute(first)
    backend.drop("news.csv", "B")
    second = backend.request()
    assert second.partition_key != first.partition_key
    backend.execute(second)
    assert backend.storage.store.partitions("raw_news") == {first.partition_key, second.partition_key}
    backend.drop("news.csv", "A")
    assert backend.reason() == f"No new files in {backend.folder}.", "its first content is a batch already"


def test_one_content_twice(backend: Backend) -> None:
    backend.drop("a.csv")
    backend.drop("b.csv")
    backend.drop("b.copy.csv")  # the same stem, hence the same batch
    (request,) = backend.tick().run_requests or []
    first = request.partition_key or ""
    assert first.startswith("a-")
    backend.execute(request)
    (backend.folder / "a.csv").unlink()  # the others are copies of what is stored
    assert backend.reason() == (
        f"No new files in {backend.folder}. 1 with the same bytes as an earlier batch: b.copy.csv ({first})."
    )
    backend.instance.delete_dynamic_partition("news_batches", first)
    assert backend.asked()[0].startswith("b-"), "what was taken out of the corpus holds up no copy"


def test_stored_batches_without_a_partition_are_named(backend: Backend) -> None:
    backend.drop("news.csv")
    request = backend.request()
    backend.execute(request)
    backend.instance.delete_dynamic_partition("news_batches", request.partition_key or "")
    assert backend.reason().endswith(
        f"1 stored batch does not count, because this Dagster instance lists no partition for it: {request.partition_key}."
        " Register it (`fakenews register`), or delete it (`fakenews retire-batch`)."
    )


def test_dagster_takes_the_result(backend: Backend) -> None:
    for name in ("a.csv", "b.csv", "b.copy.csv"):
        backend.drop(name, name)
    with dg.instance_for_test() as instance, backend.context(instance) as context:
        found = new_batch_sensor.evaluate_tick(context)
    assert [request.tags["dagster/partition"] for request in found.run_requests or []] == backend.asked()


def test_what_is_not_complete_is_named(tmp_path: Path) -> None:
    backend = Backend(tmp_path, settle_seconds=3600)
    for number in range(7):
        backend.drop(f"{number}.csv")
    backend.drop("notes.docx")
    backend.drop("half.csv.part")
    assert backend.reason() == (
        f"No new files in {backend.folder}. "
        "7 still being written: 0.csv, 1.csv, 2.csv, 3.csv, 4.csv and 2 more. "
        "1 of no known format: notes.docx."
    )


def test_many_files_come_in_portions(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(45):
        backend.drop(f"{number}.csv", str(number))
    hashed: list[Path] = []
    digest = landing.digest
    monkeypatch.setattr(landing, "digest", lambda path: hashed.append(path) or digest(path))
    queries: list[object] = []
    get_runs = backend.instance.get_runs
    monkeypatch.setattr(
        backend.instance, "get_runs", lambda filters: queries.append(filters) or get_runs(filters)
    )
    seen: set[str] = set()
    for portion in (20, 20, 5):
        requests = backend.tick().run_requests or []
        assert len(requests) == portion
        seen |= {backend.create_run(request).tags["dagster/partition"] for request in requests}
    assert len(seen) == 45
    assert "45 in progress" in backend.reason()
    assert (len(hashed), len(queries)) == (45, 4)
    monkeypatch.setattr(ingestion, "_KEYS_PER_QUERY", 10)
    assert "45 in progress" in backend.reason()
    assert len(queries) == 4 + 5


def test_a_place_that_cannot_be_read_fails_the_tick(backend: Backend) -> None:
    backend.folder.rmdir()
    backend.folder.touch()
    with pytest.raises(Refused, match="make it a folder"):
        backend.tick()


def test_a_mapping_beside_a_file_says_how_it_is_read_and_a_new_one_is_tried(backend: Backend) -> None:
    (backend.folder / "claims.csv").write_text("Statement,Label\nA,true\nB,false\n")
    mapping = backend.folder / "claims.mapping.toml"
    mapping.write_text("[columns\n")
    assert "with a mapping that cannot be read: claims.csv" in backend.reason()
    mapping.write_text('[columns]\ntitle = "Statement"\n')
    backend.execute(backend.request())
    assert backend.storage.store.partitions("clean_news") == set(), "its labels are unclear"
    assert backend.reason().startswith("No new files")
    mapping.write_text('[columns]\ntitle = "Statement"\n[labels]\ntrue = "real"\nfalse = "fake"\n')
    backend.execute(backend.request())
    assert len(backend.storage.store.partitions("clean_news")) == 1
    (backend.folder / "mapping.toml").write_text('label = "fake"\n')
    backend.drop("news.csv")
    assert backend.request().run_config["ops"]["raw_news"]["config"]["file_labels"] == ["fake"]
