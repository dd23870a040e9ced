"""What is below deploy/, read."""

import json
import subprocess
import sys
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import yaml

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "deploy"
KUBECTL: Final = Path(sys.executable).with_name("kubectl")


def read(name: str) -> Any:
    """The one document of a YAML file below deploy/."""
    return yaml.safe_load((DEPLOY / name).read_text())


def kustomize(folder: Path) -> list[dict[str, Any]]:
    """The resources that Kustomize makes of a folder."""
    made = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return list(yaml.safe_load_all(made.stdout))


@cache
def rendered(folder: str) -> list[dict[str, Any]]:
    """The same of a folder below deploy/kubernetes. Not to be changed."""
    return kustomize(DEPLOY / "kubernetes" / folder)


def resource(folder: str, kind: str, name: str | None = None) -> dict[str, Any]:
    """The one rendered resource of a kind, or of a kind and a name."""
    (found,) = (
        one for one in rendered(folder) if one["kind"] == kind and name in (None, one["metadata"]["name"])
    )
    return found


def faults(document: Any, schema: str) -> list[str]:
    """What is wrong with a document by one of the published schemas that check-jsonschema carries."""
    # It takes a second to import, for the grammar of international addresses, and most who read this file ask for nothing.
    from jsonschema.validators import validator_for

    rules = json.loads((files("check_jsonschema.builtin_schemas.vendor") / f"{schema}.json").read_text())
    validator = validator_for(rules)(rules)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]
