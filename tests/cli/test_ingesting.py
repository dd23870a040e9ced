"""What `fakenews ingest` says of a batch that its checks refuse, however often it is asked."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from fakenews_assets.cli import app

REFUSAL = "check label_balance of clean_news: 100.0% of the labelled rows are fake"


@pytest.fixture
def refused(project: Path) -> Path:
    """A file that is refused, for all of its rows have one label."""
    file = project / "fakes.csv"
    file.write_text("title,label\n" + "".join(f"Headline number {n} of one site,1\n" for n in range(400)))
    return file


@pytest.mark.daemon
@pytest.mark.parametrize("scheme", ["", "file://"], ids=["path", "address"])
def test_a_refused_batch_is_refused_again(refused: Path, scheme: str) -> None:
    said = []
    for options in ([], [], ["--train"], []):
        result = CliRunner().invoke(app, ["ingest", f"{scheme}{refused}", *options])
        assert result.exit_code == 1, result.output
        assert isinstance(result.exception, SystemExit)
        assert "Ingested" not in result.output
        said.append(result.stderr)
    assert said[0].startswith(f"Failed: {REFUSAL}")
    assert said == said[:1] * 4
