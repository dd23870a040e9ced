"""Where trials are remembered."""

from pathlib import Path

import polars as pl
import pytest

from fakenews_assets.models.settings import EncoderSpec
from fakenews_assets.training.search.settings import SearchSettings
from fakenews_assets.training.search.study import open_study, study_name
from fakenews_assets.training.settings import FinetuneSettings
from tests.support.models import separable_articles

TRAIN, VAL = separable_articles(128, seed=1), separable_articles(48, seed=2)


@pytest.fixture
def base(tiny_bert: Path) -> FinetuneSettings:
    return FinetuneSettings(encoder=EncoderSpec(name=str(tiny_bert), max_tokens=64), max_tokens=32)


def test_a_study_is_named_by_what_decides_its_values(base: FinetuneSettings, tmp_path: Path) -> None:
    settings = SearchSettings(base=base)
    name = study_name(TRAIN, VAL, settings)

    def around(base: FinetuneSettings) -> SearchSettings:
        return SearchSettings(base=base)

    others = {
        study_name(TRAIN.reverse(), VAL, settings),
        study_name(TRAIN, VAL.head(40), settings),
        study_name(TRAIN.with_columns(label=1 - pl.col("label")), VAL, settings),
        study_name(TRAIN, VAL, around(base.model_copy(update={"seed": 1}))),
        study_name(TRAIN, VAL, SearchSettings(base=base, warmup=[0.0, 0.6])),
        study_name(TRAIN, VAL, SearchSettings(base=base, epochs=2)),
    }
    weights = Path(base.encoder.name)
    changed = tmp_path / "other"
    changed.mkdir()
    for file in weights.iterdir():
        (changed / file.name).write_bytes(file.read_bytes())
    moved = around(base.model_copy(update={"encoder": EncoderSpec(name=str(changed), max_tokens=64)}))
    before = study_name(TRAIN, VAL, moved)
    (changed / "config.json").write_text((changed / "config.json").read_text() + " ")
    others |= {before, study_name(TRAIN, VAL, moved)}

    assert len(others) == 8
    assert name not in others
    assert name == study_name(TRAIN.clone(), VAL, SearchSettings(base=base, trials=9, minutes=5.0))
    assert name == study_name(TRAIN, VAL, around(base.model_copy(update={"resume": False})))


def test_a_line_torn_by_a_crash_is_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "study.journal"
    with open_study(file, SearchSettings()) as study:
        study.tell(study.ask(), 0.5)
    written = file.read_bytes()
    file.write_bytes(written[:-1] + b',"half"')

    with open_study(file, SearchSettings()) as study:
        assert [trial.state.name for trial in study.trials] == ["RUNNING"]
        study.tell(0, 0.5)
    with open_study(file, SearchSettings()) as study:
        assert [trial.value for trial in study.trials] == [0.5]
