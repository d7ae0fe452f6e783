"""The exact version of every package, direct or not, as constraints in pyproject.toml.

    uv run python -m tests.pins             compares the pins with what is installed
    uv run python -m tests.pins --refresh   moves the pins to the newest versions that fit

The lock file of uv is not kept in the repository; with every package pinned, `uv sync` makes
the same environment without it. Versions that differ by Python or platform carry the marker.
"""

import argparse
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tomlkit
from packaging.requirements import Requirement

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
KEY = "constraint-dependencies"
COMMENT = "every package at one version; refresh with: uv run python -m tests.pins --refresh"
ADVICE = (
    "Install what is pinned with `uv sync`, or move the pins with "
    "`uv run python -m tests.pins --refresh`."
)


def problems(project: Mapping[str, Any], installed: Mapping[str, str]) -> list[str]:
    """What is wrong between `project` (pyproject.toml) and `installed` (name -> version).

    Empty when every installed package has its pinned version and every direct dependency
    has a pin. A pin without a package is in order: it may be for another platform.
    """
    pins = [Requirement(line) for line in project.get("tool", {}).get("uv", {}).get(KEY, [])]
    pinned = {canonical(pin.name) for pin in pins}
    here = {
        canonical(pin.name): str(pin.specifier)
        for pin in pins
        if pin.marker is None or pin.marker.evaluate()
    }
    found = [
        f"{name} is a direct dependency, but it is not pinned."
        for name in sorted(set(direct(project)) - pinned)
    ]
    for name, version in sorted(installed.items()):
        if name not in here:
            found.append(f"{name} {version} is installed, but it is not pinned.")
        elif here[name] != f"=={version}":
            found.append(f"{name} {version} is installed, but {name}{here[name]} is pinned.")
    return found


def direct(project: Mapping[str, Any]) -> Iterator[str]:
    """The names of the dependencies that `project` itself asks for, of all groups."""
    groups = [
        project.get("project", {}).get("dependencies", []),
        *project.get("project", {}).get("optional-dependencies", {}).values(),
        *project.get("dependency-groups", {}).values(),
    ]
    for group in groups:
        for line in group:
            if isinstance(line, str):  # the other form includes a group that comes by itself
                yield canonical(Requirement(line).name)


def installed() -> dict[str, str]:
    """The packages of the running environment."""
    return {
        canonical(package.name): package.version for package in importlib.metadata.distributions()
    }


def canonical(name: str) -> str:
    """A package's name in the one spelling that lock files use."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins_of(lock: Mapping[str, Any]) -> list[str]:
    """One line for each version in `lock` (uv.lock), the project itself left out."""
    versions: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for package in lock["package"]:
        if "registry" in package["source"]:
            markers = versions[package["name"]].setdefault(package["version"], [])
            markers += package.get("resolution-markers", [])
    return [
        f"{name}=={version}" + (_condition(markers) if len(several) > 1 else "")
        for name, several in sorted(versions.items())
        for version, markers in sorted(several.items())
    ]


def _condition(markers: list[str]) -> str:
    if len(markers) == 1:
        return f" ; {markers[0]}"
    return " ; " + " or ".join(f"({marker})" for marker in markers)


def newest(pyproject: Path) -> list[str]:
    """The pins that uv arrives at when it is free to choose. CalledProcessError if it fails."""
    document = tomlkit.parse(pyproject.read_text())
    document["tool"]["uv"].pop(KEY, None)
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / pyproject.name
        copy.write_text(tomlkit.dumps(document))
        uv = shutil.which("uv") or "uv"
        subprocess.run([uv, "lock", "--upgrade"], cwd=directory, check=True)
        return pins_of(tomllib.loads((Path(directory) / "uv.lock").read_text()))


def write(pyproject: Path, pins: list[str]) -> None:
    """Replaces the pins in `pyproject`; everything else in it, comments too, stays as it is."""
    document = tomlkit.parse(pyproject.read_text())
    lines = tomlkit.array()
    lines.extend(pins)
    table: Any = document["tool"]["uv"]
    if KEY not in table:
        table.add(tomlkit.comment(COMMENT))
        table[KEY] = lines.multiline(multiline=True)
        table.add(tomlkit.nl())
    else:
        table[KEY] = lines.multiline(multiline=True)
    pyproject.write_text(tomlkit.dumps(document))


def main(arguments: list[str]) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.pins", description=__doc__)
    parser.add_argument("--refresh", action="store_true", help="move the pins")
    if parser.parse_args(arguments).refresh:
        pins = newest(PYPROJECT)
        write(PYPROJECT, pins)
        print(f"{len(pins)} pins written. Run `uv sync`, then the tests.")
        return 0
    found = problems(tomllib.loads(PYPROJECT.read_text()), installed())
    for line in found:
        print(line)
    print(f"{len(found)} problems. {ADVICE}" if found else "The pins are what is installed.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
