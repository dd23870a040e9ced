import getpass
import os

import pytest

from fakenews_assets.common.launching import current_user, launcher_of


@pytest.mark.parametrize(
    ("tags", "launcher"),
    [
        ({"user": "anna", "dagster/from_ui": "true"}, "anna"),
        ({"dagster/sensor_name": "retrain_on_drift"}, "the sensor retrain_on_drift"),
        ({"dagster/schedule_name": "nightly", "dagster/run_key": "x"}, "the schedule nightly"),
        ({"dagster/from_ui": "true"}, "somebody in Dagster's UI"),
        ({}, "an unknown caller"),
    ],
)
def test_a_run_tells_who_launched_it(tags: dict[str, str], launcher: str) -> None:
    assert launcher_of(tags) == launcher


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_entry() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", no_entry)
    assert current_user() == f"user {os.getuid()}"
