"""The decision records and the pages of the API reference, found when the site is built, so that none is forgotten."""

import ast
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PACKAGES = ("fakenews_assets", "fakenews_resources", "bentos")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages into the navigation."""
    assert config.nav is not None
    (decisions,) = [entry["Decisions"] for entry in config.nav if "Decisions" in entry]
    decisions += [f"decisions/{path.name}" for path in sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))]
    config.nav.append({"Reference": [{name: f"reference/{name}.md"} for name in _modules_by_package()]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each package, which documents its modules."""
    for package, modules in _modules_by_package().items():
        parts = [f"# {package}", *(f"::: {module}" for module in modules)]
        files.append(File.generated(config, f"reference/{package}.md", content="\n\n".join(parts) + "\n"))
    return files


def _modules_by_package() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for top in PACKAGES:
        for path in sorted((ROOT / top).rglob("*.py")):
            if path.name.startswith("__") or not ast.get_docstring(
                ast.parse(path.read_text(encoding="utf-8"))
            ):
                continue
            module = path.relative_to(ROOT).with_suffix("").parts
            found.setdefault(".".join(module[:-1]), []).append(".".join(module))
    return found
