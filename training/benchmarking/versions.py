"""Of what a method is made: a digest that changes whenever its values may."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import miqanet_core

# The project's sources, wherever the library is installed.
SOURCES = (Path(miqanet_core.__file__).resolve().parent, Path(__file__).resolve().parents[1])


def made_of(*modules: str, also: str = "") -> str:
    """Sixteen hexadecimal digits of the project's files that ``modules`` rest on: sources, and parameter files they name.

    ``also``: whatever else the values depend on, such as a model's digest. Installed packages do not count.
    """
    files: set[Path] = set()
    names = list(modules)
    while names:
        path = _source(names.pop())
        if path is not None and path not in files:
            files.add(path)
            names += _imported(path)
    digest = hashlib.sha256(also.encode())
    for path in sorted(files | {kept for file in files for kept in _parameters(file)}):
        digest.update(_digest(path))
    return digest.hexdigest()[:16]


@cache
def _source(name: str) -> Path | None:
    # Of a dotted name the packages above it are imported: other people's may be slow, or say something.
    top, _, below = name.partition(".")
    if below and _source(top) is None:
        return None
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:
        return None
    path = Path(spec.origin).resolve() if spec and spec.origin else None
    return path if path and path.suffix == ".py" and any(source in path.parents for source in SOURCES) else None


@cache
def _imported(path: Path) -> tuple[str, ...]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # What is imported may be a module of its own, or something in that module.
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(found)


@cache
def _parameters(path: Path) -> tuple[Path, ...]:
    text = path.read_text(encoding="utf-8")
    return tuple(file for file in path.parent.glob("*.safetensors") if file.stem in text)


@cache
def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()
