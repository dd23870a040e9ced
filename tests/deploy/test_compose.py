import re
from typing import Any

from tests.deploy.environments import of_graph, of_service
from tests.deploy.files import DEPLOY, faults, read

COMPOSE = read("compose.yaml")
SERVICES: dict[str, Any] = COMPOSE["services"]


def bound(service: dict[str, Any]) -> list[tuple[str, str]]:
    """Sources and targets of a service's volumes, variables in place of which their default stands."""
    plain = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", volume) for volume in service.get("volumes", [])]
    return [(parts[0], parts[1]) for parts in (volume.split(":") for volume in plain)]


def test_the_file_is_what_the_compose_specification_says():
    assert faults(COMPOSE, "compose-spec") == []
    assert faults({**COMPOSE, "services": {"x": {"image": "y", "prots": []}}}, "compose-spec")


def test_what_is_mounted_exists():
    sources = {source for service in SERVICES.values() for source, _ in bound(service)}
    files = {source for source in sources if source.startswith(".")}
    assert files - {"../landing"} == {source for source in files if (DEPLOY / source).exists()} - {
        "../landing"
    }
    assert sources - files == set(COMPOSE["volumes"])


def test_the_build_exists():
    build = COMPOSE["x-dagster"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()
    assert SERVICES["service"]["image"] == COMPOSE["x-dagster"]["image"] == SERVICES["code"]["image"]


def test_only_this_machine_reaches_the_ports_and_each_has_its_own():
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in ports)
    published = [port.split(":")[1] for port in ports]
    assert sorted(published) == ["3000", "3001", "3002", "3003", "9090", "9093"]
    assert "ports" not in SERVICES["postgres"]


def test_each_container_says_whether_it_is_well_and_starts_after_what_it_needs():
    dockerfile = (DEPLOY / "Dockerfile.dagster").read_text()
    for name, service in SERVICES.items():
        assert "healthcheck" in service or (name == "code" and "HEALTHCHECK" in dockerfile), name
        for needed, how in service.get("depends_on", {}).items():
            assert needed in SERVICES
            assert how == {"condition": "service_healthy"}


def test_images_have_versions():
    for name, service in SERVICES.items():
        _, _, tag = service["image"].partition(":")
        assert tag == "local" or re.match(r"v?\d+\.\d+", tag), name


def test_there_are_no_default_passwords():
    text = (DEPLOY / "compose.yaml").read_text()
    used = set(re.findall(r"\$\{(\w+)", text))
    example = dict(
        line.split("=", 1)
        for line in (DEPLOY / ".env.example").read_text().splitlines()
        if "=" in line and line[0] != "#"
    )
    assert used == set(example)
    secret = {name for name in used if name.endswith(("PASSWORD", "KEY"))}
    assert len(secret) == 3
    for name in secret:
        assert example[name] == ""
        # An unset one stops compose with a message instead of starting with an empty password.
        assert set(re.findall(rf"\$\{{{name}([^}}]{{2}})", text)) == {":?"}
    assert "/deploy/.env" in (DEPLOY.parent / ".gitignore").read_text().splitlines()


def test_more_settings_reach_the_graph_and_the_service_from_a_file_that_need_not_be_there():
    ignored = (DEPLOY.parent / ".gitignore").read_text().splitlines()
    for name in ("code", "webserver", "daemon", "service", "monitor"):
        (file,) = SERVICES[name]["env_file"]
        assert f"/deploy/{file['path']}" in ignored
        assert not file["required"]


def test_the_graph_and_the_service_share_the_storage():
    storage = {
        service: dict(bound(SERVICES[service]))["storage"]
        for service in ("code", "webserver", "daemon", "service", "monitor")
    }
    assert set(storage.values()) == {"/var/lib/fakenews"}
    paths = {given["FAKENEWS_STORAGE"] for given in (of_graph("compose"), of_service("compose"))}
    assert paths == {"/var/lib/fakenews/storage"}


def test_the_service_can_write_only_its_volume_and_tmp():
    service = SERVICES["service"]
    assert service["read_only"]
    assert service["tmpfs"] == ["/tmp"]  # noqa: S108
    assert service["cap_drop"] == ["ALL"]
