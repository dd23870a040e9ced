"""The drills start what compose.yaml says, and nothing else."""

from pathlib import Path

import yaml

from benchmarks.composed import DEPLOY, Stack

SERVICES = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


def test_parts_are_composes_with_addresses_and_folders_of_this_machine(tmp_path: Path) -> None:
    stack = Stack(tmp_path, {"FAKENEWS_CANDIDATES": ""})
    assert SERVICES.keys() - stack.parts.keys() - {"prometheus"} == {"alertmanager", "grafana"}
    place = {name: at for at, name in enumerate(stack.parts)}
    for name, part in stack.parts.items():
        service = SERVICES[name]
        assert service.get("environment", {}).keys() <= part.environment.keys()
        assert all(place[needed] < place[name] for needed in service.get("depends_on", ()))
        words = [*part.command, *part.check, *part.environment.values()]
        assert not [word for word in words if "0.0.0.0" in word or word.startswith(("/var/", "/opt/"))]  # noqa: S104
        # Postgres is asked by libpq's variables, and the daemon by its heartbeat.
        if name not in ("postgres", "daemon"):
            assert str(part.port) in " ".join(part.check)
        if "command" in service and name != "prometheus":
            assert len(part.command) == len(service["command"])
            assert part.command[0] == service["command"][0]
    for name in ("code", "webserver", "daemon", "monitor"):
        home = Path(stack.parts[name].environment["DAGSTER_HOME"])
        instance = yaml.safe_load((home / "dagster.yaml").read_text())
        assert instance["storage"]["postgres"]["postgres_db"]["port"] == stack.parts["postgres"].port
        storage = Path(stack.parts[name].environment["FAKENEWS_STORAGE"])
        assert storage.parent.resolve() == stack.volume
    assert stack.parts["service"].environment["FAKENEWS_API_KEY"] == stack.secrets["FAKENEWS_API_KEY"]
    assert "FAKENEWS_CANDIDATES" not in stack.parts["service"].environment
