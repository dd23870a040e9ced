"""The page of settings names every environment variable of the code, with the default that the code has."""

import re
import subprocess
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from bentos.fakenews.settings import ServiceSettings
from fakenews_assets.automation.limits import RetrainSettings
from fakenews_assets.serving.settings import RolloutSettings

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "settings.md").read_text()
ROWS = {
    name: default.strip("`")
    for name, default in re.findall(r"^\| `(FAKENEWS_[A-Z_]+)` \| ([^|]+?) \|", PAGE, re.MULTILINE)
}
"""Default as the page shows it, by variable."""


@pytest.mark.parametrize("settings", [ServiceSettings, RetrainSettings, RolloutSettings])
def test_settings_classes_are_documented_with_their_defaults(settings: type[BaseSettings]) -> None:
    prefix = settings.model_config["env_prefix"]  # pyright: ignore[reportTypedDictNotRequiredAccess]
    for name, field in settings.model_fields.items():
        documented = ROWS[f"{prefix}{name}".upper()]
        if field.default is not None:
            default = list(field.default) if isinstance(field.default, tuple) else field.default
            assert documented == str(default).replace("True", "true").replace("False", "false")


def test_the_variables_of_code_and_page_are_the_same() -> None:
    code = "\n".join(
        path.read_text()
        for path in map(
            REPOSITORY.joinpath,
            subprocess.check_output(
                ["git", "ls-files", "*.py", "Makefile", ":!tests", ":!benchmarks"], cwd=REPOSITORY, text=True
            ).splitlines(),
        )
    )
    read = set(re.findall(r"\bFAKENEWS_[A-Z_]*[A-Z]\b", code))
    classes = {
        f"{settings.model_config['env_prefix']}{name}".upper()  # pyright: ignore[reportTypedDictNotRequiredAccess]
        for settings in (ServiceSettings, RetrainSettings, RolloutSettings)
        for name in settings.model_fields
    }
    assert set(ROWS) == (read - {"FAKENEWS_BENCH_NEWS", "FAKENEWS_RETRAIN", "FAKENEWS_ROLLOUT"}) | classes
