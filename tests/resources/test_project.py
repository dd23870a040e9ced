"""Where relative paths start."""

from pathlib import Path

import pytest

from fakenews_resources.news.file import receive_file
from fakenews_resources.project import find_project, project_path
from fakenews_resources.storage.store import Store


def test_paths_of_a_subfolder_are_the_projects(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = project / "a" / "b"
    below.mkdir(parents=True)
    (project / "news.csv").write_text("title\n")
    monkeypatch.chdir(below)
    assert Store(".fakenews").root == project / ".fakenews"
    assert receive_file("news.csv", below / "into").path.read_text() == "title\n"
    assert project_path(project / "x") == project / "x"


def test_dagster_home_names_the_project_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, elsewhere = tmp_path / "project" / ".dagster", tmp_path / "elsewhere"
    for folder in (home, elsewhere):
        folder.mkdir(parents=True)
    (home.parent / "dagster.yaml").touch()
    (home / "dagster.yaml").symlink_to("../dagster.yaml")
    monkeypatch.chdir(elsewhere)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    assert find_project() is None
    assert project_path("x") == elsewhere / "x"
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    assert project_path("x") == home.parent / "x"
