"""Draw the layers and what they import: `python docs/layer_diagram.py` writes docs/images/layers.svg anew.

The order comes from the import-linter contract, the purposes from the packages' docstrings, the arrows from the imports.
An arrow that follows from others is left out.
"""

import ast
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Final

import grimp

ROOT: Final = Path(__file__).parents[1]
DIAGRAM: Final = ROOT / "docs" / "images" / "layers.svg"

_ROW, _BOX, _LEFT, _CHARACTER = 40, 150, 80, 6.3
_FILL: Final = {"bentos": "#fde7c7", "fakenews_assets": "#dbe7f6", "fakenews_resources": "#dcefdc"}
"""By top package."""


@cache
def layers() -> list[str]:
    """Modules of the contract, highest first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (contract,) = [one for one in settings["contracts"] if one["type"] == "layers"]
    return [name for layer in contract["layers"] for name in re.split(r"\s*[|:]\s*", layer)]


def imports() -> dict[str, set[str]]:
    """By layer, the other layers that its modules import."""
    graph = grimp.build_graph(*_FILL, cache_dir=None)
    found: dict[str, set[str]] = {layer: set() for layer in layers()}
    for module in graph.modules:
        importer = _layer_of(module)
        for imported in map(_layer_of, graph.find_modules_directly_imported_by(module)):
            if importer and imported and importer != imported:
                found[importer].add(imported)
    return found


def draw(found: Mapping[str, set[str]]) -> str:
    """The diagram as SVG, highest layer first."""
    height = _ROW * len(found) + 10
    width = round(_LEFT + _BOX + 30 + _CHARACTER * max(len(_purpose(layer)) for layer in found))
    middle = {layer: 5 + _ROW * row + _ROW / 2 for row, layer in enumerate(found)}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>',
        f'<rect width="{width}" height="{height}" rx="8" fill="#fff"/>',
    ]
    for layer, y in middle.items():
        parts += [
            f'<rect x="{_LEFT}" y="{y - 15:g}" width="{_BOX}" height="30" rx="5" stroke="#667"'
            f' fill="{_FILL[layer.split(".")[0]]}"/>',
            f'<text x="{_LEFT + _BOX / 2:g}" y="{y + 5:g}" font-size="14" text-anchor="middle">'
            f"{layer.removeprefix('fakenews_assets.')}</text>",
            f'<text x="{_LEFT + _BOX + 14}" y="{y + 4:g}" font-size="13" fill="#333">{escape(_purpose(layer))}</text>',
        ]
    for importer, y in middle.items():
        for imported in sorted(_needed(importer, found), key=middle.__getitem__):
            end, bend = middle[imported], 10 + 0.3 * abs(middle[imported] - y)
            parts.append(
                f'<path d="M{_LEFT} {y + 4:g}C{_LEFT - bend:g} {y + 4:g} {_LEFT - bend:g} {end - 4:g} {_LEFT} {end - 4:g}"'
                ' fill="none" stroke="#555" marker-end="url(#tip)"/>'
            )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _layer_of(module: str) -> str | None:
    return next((layer for layer in layers() if f"{module}.".startswith(f"{layer}.")), None)


def _needed(importer: str, found: Mapping[str, set[str]]) -> set[str]:
    """What a layer imports, without what one of these reaches anyway."""
    return {
        one for one in found[importer] if not any(one in _reach(other, found) for other in found[importer])
    }


def _reach(layer: str, found: Mapping[str, set[str]]) -> set[str]:
    reached, ahead = set[str](), set(found[layer])
    while ahead:
        reached |= ahead
        ahead = {further for one in ahead for further in found[one]} - reached
    return reached


def _purpose(layer: str) -> str:
    path = ROOT.joinpath(*layer.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    said = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    assert said, f"{file} has no docstring, which the diagram shows"
    return " ".join(said.split("\n\n")[0].split()).replace("`", "")


if __name__ == "__main__":
    DIAGRAM.write_text(draw(imports()), encoding="utf-8")
