"""The documentation builds without a warning, and the commands it shows are there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from fakenews_assets.cli import app

REPOSITORY = Path(__file__).parents[2]
PAGES = sorted(page for page in (REPOSITORY / "docs").rglob("*.md") if page.stem != "google-cloud")
"""Without the page whose commands tests/deploy/test_readme.py checks."""


@pytest.mark.server
def test_the_site_builds_strictly_and_refers_to_every_package(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=REPOSITORY,
        env={"NO_MKDOCS_2_WARNING": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    text = (tmp_path / "reference" / "fakenews_assets.registry" / "index.html").read_text()
    assert "open_bundle" in text
    assert "Verify every file of a bundle" in text
    assert 'src="data:image/png' in (tmp_path / "explore" / "index.html").read_text()
    # Nothing on a page is fetched from another host.
    for page in tmp_path.rglob("*.html"):
        text = page.read_text()
        assert not re.findall(r'<(?:script|img|link rel="stylesheet")[^>]+(?:src|href)="https?:', text)
        assert not re.findall(r"""https?:[^"'\s]+\.m?js\b""", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_of_a_page_exist(page: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    targets = re.findall(r"^([a-z-]+):.*##", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    ours = get_command(app).commands  # pyright: ignore[reportAttributeAccessIssue]
    for line in "\n".join(blocks).splitlines():
        words = line.split("#")[0].split()
        if words[:1] == ["make"]:
            assert words[1] in targets, line
        elif words[:1] == ["curl"]:
            assert words[1].startswith("http://127.0.0.1:3001/"), line  # where `make serve` listens
        elif words:
            assert words[0] == ".venv/bin/fakenews", line
            options = {option for parameter in ours[words[1]].params for option in parameter.opts}
            assert {word for word in words[2:] if word.startswith("--")} <= options, line
