import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from fakenews_assets.governance.audit.answer import UnknownRequest
from fakenews_assets.governance.audit.audit_log import AuditLog
from fakenews_assets.governance.audit.chain import (
    HASHED_ONLY,
    NothingToAudit,
    audit_bundle,
    audit_champion,
    audit_request,
)
from fakenews_assets.governance.audit.summary import summary
from fakenews_assets.governance.audit.versions import audit_versions
from fakenews_assets.models.calibration import Calibration
from fakenews_assets.registry.bundle import MANIFEST_FILE, BundleRecord, Manifest
from fakenews_assets.registry.champion import HISTORY_FILE, POINTER_FILE, ChampionRegistry
from fakenews_resources.request_ids import new_request_id, time_of
from fakenews_resources.storage.hashing import digest
from fakenews_resources.storage.ledger import Ledger
from fakenews_resources.storage.sealing import seal_records
from fakenews_resources.storage.store import Store
from tests.governance.audit.conftest import Project, edit_json
from tests.support.watched import Watched, sample_articles


def test_the_champion_passes_with_every_step_computed(project: Project) -> None:
    audit = audit_champion(project.store)
    assert audit.faults == ()
    # Whether the code has a commit, and changes beside it, depends on where these tests run.
    found = [note for note in audit.not_checked if not note.startswith("The code")]
    assert found == list(HASHED_ONLY)
    steps = {check.what for check in audit.checks}
    assert steps >= {
        "bundle", "champion", "decision", "version", "record", "lineage", "model", "copy", "metrics", "decisions",
        "test split", "selection split", "predictions", "raw bytes", "article ids", "cleaning", "checks", "clusters", "splits",
    }  # fmt: skip
    keys = {check.name for check in audit.checks if check.what == "version"}
    assert keys >= {"raw_news/b1", "clean_news/b1", "article_clusters", "splits", "baseline_model"}
    assert audit.facts is not None
    assert set(audit.facts.runs) == keys - {"selected_model"}
    assert all(audit.facts.runs.values())
    assert audit.promotion is not None
    assert (audit.promotion.promoted_by, audit.promotion.reason) == ("selected_model", "first champion")
    assert audit.promotion.policy is not None
    assert audit.promotion.policy.max_loss_points == 0.5


def test_an_answer_whose_title_was_not_logged_is_audited_as_far_as_it_goes(project: Project) -> None:
    watched = Watched(project.root)
    (request_id,) = watched.answer(sample_articles(1, seed=9), datetime.now(UTC).date(), content="hash")
    audit = audit_request(project.store, project.service_log, request_id)
    assert audit.faults == ()  # the day was materialized before it came, and need not hold it
    assert any("holds no titles" in note for note in audit.not_checked)
    assert "probability" not in {check.what for check in audit.checks}
    assert audit.answer["request_id"] == request_id

    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    edit_json(project.record(f"prediction_log/{project.day}"), created_at=later)
    faults = audit_request(project.store, project.service_log, request_id).faults
    assert ("prediction log", "missing") in [(fault.what, fault.found) for fault in faults]


def test_an_answer_of_a_model_that_had_been_replaced_says_so(project: Project) -> None:
    came = time_of(project.request_id)
    registry = ChampionRegistry(project.models)
    moved = registry.promote(
        project.other_bundle, expected=project.bundle.name, reason="it is", run_id=None, promoted_by="test"
    )
    after = project.audit()
    assert after.promotion is not None
    assert after.promotion.replaced_at is None  # it answered before that

    earlier = moved.model_copy(update={"promoted_at": came - timedelta(milliseconds=1)})
    (project.models / POINTER_FILE).write_text(earlier.model_dump_json())
    history = project.models / HISTORY_FILE
    first = history.read_text().splitlines()[0]
    history.write_text(f"{first}\n{earlier.model_dump_json()}\n")
    stale = project.audit()
    assert stale.faults == ()  # a service may follow late
    assert stale.promotion is not None
    assert stale.promotion.replaced_at == earlier.promoted_at
    assert any(one.startswith("Stale: another model had taken its place") for one in summary(stale))
    assert not any(one.startswith("Stale") for one in summary(after))


def test_a_bundle_that_was_never_promoted_can_be_audited(project: Project) -> None:
    audit = audit_bundle(project.store, project.other_bundle)
    assert audit.faults == ()
    assert audit.promotion is None
    assert any("the history does not name it" in note for note in audit.not_checked)


def test_a_record_written_again_by_a_later_run_is_no_fault(project: Project) -> None:
    edit_json(
        project.record("splits"),
        created_at=datetime.now(UTC).isoformat(),
        upstream={"article_clusters": "0" * 32, "clean_news/b1": "1" * 32},
    )
    seal_records(project.store.backend)
    audit = audit_champion(project.store)
    assert audit.faults == ()
    assert any("record of splits is younger" in note for note in audit.not_checked)


@pytest.mark.parametrize("request_id", ["champion", "00000000-0000-4000-8000-000000000000"])
def test_what_is_no_request_id_is_refused(request_id: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownRequest, match="not a request id"):
        audit_request(Store(tmp_path), tmp_path / "service_log", request_id)


def test_a_request_that_no_log_holds_is_refused(project: Project) -> None:
    with pytest.raises(UnknownRequest, match="set FAKENEWS_LOG"):
        audit_request(project.store, project.service_log, new_request_id())
    with pytest.raises(UnknownRequest, match="row 2 of request"):
        audit_request(project.store, project.service_log, project.request_id, 2)


def test_without_a_champion_there_is_nothing_to_audit(tmp_path: Path) -> None:
    with pytest.raises(NothingToAudit, match="make demo"):
        audit_champion(Store(tmp_path))


class WarmStarted:
    """Two generations of an encoder, the second of which went on from the first; files without meaning."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root)
        self.store.bundles.root.mkdir(parents=True)
        self.first = self._train("first", {})
        bundle = self.manifest(self.first).model_dump_json()
        file = root / "first.json"
        file.write_text(bundle)
        self.origin = digest(file)
        (self.store.bundles.root / self.origin).mkdir()
        file.rename(self.store.bundles.root / self.origin / MANIFEST_FILE)
        record = BundleRecord(sha=self.origin, created_at=datetime.now(UTC), run_id=None)
        (self.store.bundles.root / f"{self.origin}.json").write_text(record.model_dump_json())
        self.second = self._train("second", {"bundle": self.origin, "finetuned_bert": self.first})

    def _train(self, weights: str, warm_start: dict[str, str]) -> str:
        draft = self.store.draft()
        (draft.path / "weights").write_text(weights)
        if warm_start:
            draft.meta["warm_start"] = warm_start
        config = {"warm_start": "champion" if warm_start else ""}
        return self.store.commit("finetuned_bert", draft, config=config).version

    def manifest(self, encoder: str, asked: str = "") -> Manifest:
        return Manifest(
            candidate="finetuned",
            encoder="minilm",
            runtime="torch",
            calibration=Calibration.identity(),
            data_versions={"finetuned_bert": encoder},
            config={"finetuned_bert": {"warm_start": asked}},
            git_commit=None,
            package_versions={},
        )

    def audit(self, asked: str = "champion") -> tuple[list[str], tuple[str, ...]]:
        """Names of the versions and warm starts that do not hold, and the bundles gone on from."""
        audit_log = AuditLog()
        manifest = self.manifest(self.second, asked)
        versions = audit_versions(audit_log, self.store, Ledger(), manifest, datetime.now(UTC))
        # No evaluation is behind these manifests, so no record names the encoder as an input.
        faults = [
            f"{check.what} {check.name}"
            for check in audit_log.checks
            if not check.ok and check.what != "lineage"
        ]
        return faults, versions.warm_start


def test_the_encoder_that_a_training_went_on_from_is_audited_too(tmp_path: Path) -> None:
    chain = WarmStarted(tmp_path)
    assert chain.audit() == ([], (chain.origin,))
    (tmp_path / "finetuned_bert" / chain.first / "weights").write_text("others")
    assert chain.audit() == (["version finetuned_bert"], (chain.origin,))


def test_a_changed_bundle_that_a_training_went_on_from_is_named(tmp_path: Path) -> None:
    chain = WarmStarted(tmp_path)
    edit_json(chain.store.bundles.root / chain.origin / MANIFEST_FILE, git_commit="c0ffee")
    assert chain.audit()[0] == [f"warm start {chain.origin}"]
    (chain.store.bundles.root / chain.origin / MANIFEST_FILE).unlink()
    assert chain.audit()[0] == [f"warm start {chain.origin}"]


def test_a_record_that_hides_its_warm_start_is_named(tmp_path: Path) -> None:
    chain = WarmStarted(tmp_path)
    record = tmp_path / "finetuned_bert" / f"{chain.second}.json"
    edit_json(record, meta=json.loads("{}"))
    assert chain.audit()[0] == ["warm start finetuned_bert"]


class SharedBatch(WarmStarted):
    """The two generations learnt from the same raw batch, and an evaluation is behind both of their manifests."""

    stray: ClassVar[dict[str, str]] = {}
    """What else the manifest of the first names."""

    def __init__(self, root: Path) -> None:
        self.judged: dict[str, str] = {}
        super().__init__(root)

    def _train(self, weights: str, warm_start: dict[str, str]) -> str:
        self.raw = self._commit("raw_news/b1", "bytes")
        encoder = super()._train(weights, warm_start)
        upstream = {"finetuned_bert": encoder, "raw_news/b1": self.raw}
        self.judged[encoder] = self._commit("evaluation/finetuned", weights, upstream)
        return encoder

    def _commit(self, key: str, content: str, upstream: dict[str, str] | None = None) -> str:
        draft = self.store.draft()
        (draft.path / "value").write_text(content)
        return self.store.commit(key, draft, upstream=upstream or {}).version

    def manifest(self, encoder: str, asked: str = "") -> Manifest:
        versions = {
            "evaluation/finetuned": self.judged[encoder],
            "finetuned_bert": encoder,
            "raw_news/b1": self.raw,
        }
        if encoder == self.first:
            versions |= self.stray
        return super().manifest(encoder, asked).model_copy(update={"data_versions": versions})

    def checks(self) -> tuple[list[str], list[str]]:
        """The lineage links with what is wrong with them, and what was not checked."""
        audit_log = AuditLog()
        audit_versions(
            audit_log, self.store, Ledger(), self.manifest(self.second, "champion"), datetime.now(UTC)
        )
        hashed = [check.name for check in audit_log.checks if check.what == "version"]
        assert len(hashed) == len(set(hashed)) + 2  # two encoders, two evaluations; the batch once
        return [check.fault for check in audit_log.checks if check.what == "lineage"], audit_log.not_checked


def test_the_lineage_of_an_origin_that_shares_a_batch_is_checked(tmp_path: Path) -> None:
    assert SharedBatch(tmp_path).checks() == (["", ""], [])


def test_a_stray_value_in_the_manifest_of_an_origin_is_named(tmp_path: Path) -> None:
    notes = Store(tmp_path).draft()
    (notes.path / "value").write_text("from nowhere")

    class Stray(SharedBatch):
        stray: ClassVar[dict[str, str]] = {"notes": Store(tmp_path).commit("notes", notes).version}

    assert Stray(tmp_path).checks()[0] == ["", "no record names it as an input: notes"]


def test_a_lineage_that_cannot_be_checked_is_said_so(tmp_path: Path) -> None:
    class Lost(SharedBatch):
        stray: ClassVar[dict[str, str]] = {"notes": "0" * 32}

    lineage, not_checked = Lost(tmp_path).checks()
    assert lineage == [""]
    assert not_checked == ["The completeness of the lineage of finetuned: notes missing or damaged."]
