"""What is below deploy/, read."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from jsonschema.validators import validator_for

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "deploy"


def read(name: str) -> Any:
    """The one document of a YAML file below deploy/."""
    return yaml.safe_load((DEPLOY / name).read_text())


def faults(document: Any, schema: str) -> list[str]:
    """What is wrong with a document by one of the published schemas that check-jsonschema carries."""
    rules = json.loads((files("check_jsonschema.builtin_schemas.vendor") / f"{schema}.json").read_text())
    validator = validator_for(rules)(rules)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]
