"""Commands of deploy/README.md and of the way to Google Cloud exist, as far as that can be seen offline.

Make targets, files and the options of `fakenews` are looked up where they are defined, kubectl parses its own, and where
`gcloud` is installed, its table of commands and options is asked. Of `docker` and `helm`, and of `gcloud` elsewhere, there is only
a list here of subcommands and options that their documentation names: it catches a slip of the pen, not a change on their side.
"""

import re
import shlex
import subprocess
from collections.abc import Iterator
from itertools import pairwise

import pytest
from dagster_dg_cli.cli.launch import launch_command
from typer.main import get_command

from fakenews_assets.cli import app
from fakenews_assets.definitions import defs
from tests.deploy import gcloud
from tests.deploy.files import DEPLOY, KUBECTL, REPOSITORY

README = (DEPLOY / "README.md").read_text()
WAY = (REPOSITORY / "docs" / "how-to" / "google-cloud.md").read_text()
COPIES = (REPOSITORY / "docs" / "how-to" / "back-up.md").read_text()

KNOWN = {
    "git rev-parse": set(),
    "docker compose up": {"--build", "--detach"},
    "docker compose down": set(),
    "docker compose exec": set(),
    "docker compose logs": {"--follow"},
    "gcloud storage buckets create": {"--location", "--uniform-bucket-level-access"},
    "gcloud auth login": set(),
    "gcloud auth application-default login": set(),
    "gcloud config set": set(),
    "gcloud services enable": set(),
    "gcloud secrets versions access": {"--secret"},
    "gcloud storage cat": set(),
    "gcloud storage cp": set(),
    "gcloud artifacts repositories create": {"--repository-format", "--location"},
    "gcloud secrets create": {"--data-file"},
    "gcloud builds submit": {"--config", "--gcs-source-staging-dir", "--substitutions"},
    "gcloud run services describe": {"--region"},
    "gcloud run services add-iam-policy-binding": {"--region", "--member", "--role"},
    "gcloud config get": set(),
    "gcloud auth print-identity-token": set(),
    "gcloud ai custom-jobs create": {"--region", "--display-name", "--config"},
    "helm repo add": set(),
    "helm upgrade": {"--install", "--namespace", "--version", "--values"},
}
OF_COMPOSE = {"--file"}
PLAIN = {"cp", "mkdir", "sed", "openssl", "tr", "curl", "export"}


def commands() -> Iterator[list[str]]:
    """The words of each command of the pages, the parts of a pipe and of `$(...)` on their own."""
    for block in re.findall(r"^```sh\n(.*?)^```", README + WAY, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            inner = re.findall(r"\$\((.*?)\)", line)
            for text in [re.sub(r"^\w+=\$\(.*?\)$", "", line), *inner]:
                words = shlex.split(text, comments=True)
                while "|" in words:
                    yield words[: words.index("|")]
                    words = words[words.index("|") + 1 :]
                if words:
                    yield words


ALL = list(commands())


def fault(words: list[str]) -> str | None:
    """What is wrong with a command."""
    program = words[0]
    if program == "make":
        targets = re.findall(r"^([a-z-]+):.*##", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
        return None if words[1] in targets else f"no target {words[1]}"
    if program.startswith(".venv/bin/"):
        program = program.removeprefix(".venv/bin/")
    if program == "dg":
        return _fault_of_dg(words[1:])
    if program == "fakenews":
        return _fault_of_ours(words[1:])
    if program == "kubectl":
        return _fault_of_kubectl(words[1:])
    if program == "gcloud" and gcloud.table():
        return gcloud.fault(words[1:])
    if program in PLAIN or program.startswith("deploy/"):
        return None
    subcommand = next(
        (known for size in range(4, 1, -1) if (known := " ".join(_without_options(words)[:size])) in KNOWN),
        None,
    )
    if subcommand is None:
        return f"{' '.join(words[:4])} is not on the list"
    allowed = KNOWN[subcommand] | (OF_COMPOSE if program == "docker" else set())
    inside = words.index("exec") if "exec" in words else len(words)
    wrong = {word for word in words[:inside] if word.startswith("--")} - allowed
    if wrong:
        return f"{subcommand} has no {sorted(wrong)}"
    if "exec" in words:
        return fault(words[inside + 2 :])
    return None


def _without_options(words: list[str]) -> list[str]:
    """`docker --file x compose` and the like: the words that are no options of `docker compose`."""
    if words[:2] == ["docker", "compose"] and words[2] == "--file":
        return [*words[:2], *words[4:]]
    return words


def _fault_of_ours(words: list[str]) -> str | None:
    command = get_command(app)
    found = command.commands.get(words[0])  # pyright: ignore[reportAttributeAccessIssue]
    if found is None:
        return f"fakenews has no {words[0]}"
    options = {name for parameter in found.params for name in parameter.opts}
    wrong = [word for word in words[1:] if word.startswith("--") and word not in options]
    return f"fakenews {words[0]} has no {wrong}" if wrong else None


def _fault_of_kubectl(words: list[str]) -> str | None:
    """It parses the options before it shows its help. A subcommand that it does not know is an argument to it."""
    asked = subprocess.run([KUBECTL, *words, "--help"], capture_output=True, text=True, check=False)
    if asked.returncode or asked.stderr:
        return asked.stderr
    plain = [word for before, word in pairwise(["", *words]) if "--" not in (before[:2], word[:2])]
    if "Available Commands:" in asked.stdout and len(plain) > 1:
        return f"kubectl {plain[0]} has no {plain[1]}"
    folder = words[words.index("--kustomize") + 1] if "--kustomize" in words else ""
    return None if (REPOSITORY / folder).is_dir() else f"there is no folder {folder}"


def _fault_of_dg(words: list[str]) -> str | None:
    named = dict(zip(words[1::2], words[2::2], strict=True))
    options = {option for parameter in launch_command.params for option in parameter.opts}
    jobs = {job.name for job in defs.resolve_all_job_defs()}
    if words[0] != "launch" or named.keys() - options or named["--job"] not in jobs:
        return f"dg {' '.join(words)} is no launch of a job"
    return None


def test_the_page_has_commands():
    assert len(ALL) > 25


def test_a_bucket_is_copied_by_a_command_that_there_is():
    calls = re.findall(r"^gcloud .*", COPIES, re.MULTILINE)
    assert len(calls) == 4
    if gcloud.table() is None:
        pytest.skip("gcloud is not installed here")
    assert [found for call in calls if (found := gcloud.fault(shlex.split(call)[1:]))] == []


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_a_command_exists(words: list[str]):
    assert fault(words) is None


@pytest.mark.parametrize(
    "wrong",
    [
        "make damo",
        ".venv/bin/dg launch --job build_bentoo",
        "fakenews demmo",
        "fakenews audit --rows 1",
        "docker compose --file deploy/compose.yaml exec code fakenews audti",
        "docker compose --file deploy/compose.yaml upp",
        "kubectl apply --file x",
        "kubectl aply --filename x",
        "kubectl create secrets generic x",
        "kubectl apply --kustomize deploy/kubernetes/gkee",
        "gcloud run service describe fakenews",
        "gcloud run services describe fakenews --regoin r1",
        "podman ps",
    ],
)
def test_a_slip_of_the_pen_is_noticed(wrong: str):
    assert fault(shlex.split(wrong))


def test_files_that_the_page_names_exist():
    named = set(re.findall(r"(?<![\w/$])deploy/[\w./-]+\w", "\n".join(" ".join(words) for words in ALL)))
    named -= {"deploy/.env"}  # made by the command before
    assert "deploy/compose.yaml" in named
    assert {name for name in named if not (REPOSITORY / name).exists()} == set()
    links = set(re.findall(r"\]\(([^)#:]+)\)", README))
    assert {link for link in links if not (DEPLOY / link).exists()} == set()


def test_every_file_has_its_place_on_the_page():
    """Somebody who finds a file here can find what it is for."""
    for file in DEPLOY.rglob("*"):
        if file.is_file() and file.name not in ("README.md", ".env"):
            text = README + "".join(
                (DEPLOY / other).read_text()
                for other in ("compose.yaml", "cloudbuild.yaml")
                if other != file.name
            )
            folders = [folder.relative_to(DEPLOY) for folder in file.parents if folder.is_relative_to(DEPLOY)]
            linked = any(f"]({folder})" in text for folder in folders)
            assert file.name in text or linked or file.parent.name in ("datasources", "dashboards"), file


def test_blanks_that_the_commands_fill_are_those_of_the_files():
    for line in README.splitlines():
        if line.startswith("sed "):
            filled = set(re.findall(r"s/([A-Z_]+)/\$\1/g", line))
            source = re.search(r"(deploy/\S+\.yaml) >", line)
            assert source is not None
            text = (REPOSITORY / source[1]).read_text()
            body = "\n".join(row.split("#")[0] for row in text.splitlines())
            blanks = set(re.findall(r"(?<![\w$])(?:PROJECT|REGION|TAG|POSTGRES_HOST)(?![\w])", body))
            assert blanks == filled, source[1]
