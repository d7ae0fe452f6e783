"""The pins are what is installed, and a pin that is not is found."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests import pins

LOCK = """
version = 1

[[package]]
name = "us"
version = "0"
source = { virtual = "." }

[[package]]
name = "two"
version = "1.0"
source = { registry = "index" }
resolution-markers = ["python_full_version < '3.12'"]

[[package]]
name = "two"
version = "2.0"
source = { registry = "index" }
resolution-markers = ["python_full_version == '3.12.*'", "python_full_version >= '3.13'"]

[[package]]
name = "one"
version = "3.1"
source = { registry = "index" }
"""


@pytest.fixture
def project() -> dict[str, Any]:
    return tomllib.loads(pins.PYPROJECT.read_text())


def test_pins_are_what_is_installed(project: dict[str, Any]) -> None:
    assert pins.problems(project, pins.installed()) == []
    assert pins.main([]) == 0


def test_changed_pin_is_found(project: dict[str, Any]) -> None:
    lines = project["tool"]["uv"][pins.KEY]
    django = next(line for line in lines if line.startswith("django=="))
    lines[lines.index(django)] = "django==5.2.1"
    version = django.removeprefix("django==")
    assert pins.problems(project, pins.installed()) == [
        f"django {version} is installed, but django==5.2.1 is pinned."
    ]


def test_missing_pin_of_a_direct_dependency_is_found_twice(project: dict[str, Any]) -> None:
    lines = project["tool"]["uv"][pins.KEY]
    lines[:] = [line for line in lines if not line.startswith("django==")]
    found = pins.problems(project, pins.installed())
    assert found[0] == "django is a direct dependency, but it is not pinned."
    assert found[1].endswith("is installed, but it is not pinned.")
    assert len(found) == 2


def test_package_without_a_pin_is_found(project: dict[str, Any]) -> None:
    assert pins.problems(project, pins.installed() | {"stray": "1"}) == [
        "stray 1 is installed, but it is not pinned."
    ]


def test_pin_that_is_no_single_version_is_found() -> None:
    project = {"tool": {"uv": {pins.KEY: ["one>=3"]}}}
    assert pins.problems(project, {"one": "3.1"}) == ["one 3.1 is installed, but one>=3 is pinned."]


def test_pin_of_another_python_does_not_count() -> None:
    lines = ["two==1.0 ; python_full_version < '3'", "two==2.0 ; python_full_version >= '3'"]
    project = {"tool": {"uv": {pins.KEY: lines}}}
    assert pins.problems(project, {"two": "2.0"}) == []
    assert pins.problems(project, {"two": "1.0"}) == [
        "two 1.0 is installed, but two==2.0 is pinned."
    ]


def test_lock_with_two_versions_of_a_package_keeps_the_markers() -> None:
    assert pins.pins_of(tomllib.loads(LOCK)) == [
        "one==3.1",
        "two==1.0 ; python_full_version < '3.12'",
        "two==2.0 ; (python_full_version == '3.12.*') or (python_full_version >= '3.13')",
    ]


def test_writing_keeps_all_else(tmp_path: Path) -> None:
    before = "# ours\n[tool.uv]\npackage = false  # why\n\n[tool.other]\nx = 1 # y\n"
    file = tmp_path / "pyproject.toml"
    file.write_text(before)
    pins.write(file, ["one==3.0"])
    pins.write(file, ["one==3.1", "two==2 ; python_version > '3'"])
    written = (
        f"# {pins.COMMENT}\n{pins.KEY} = [\n"
        """    "one==3.1",\n    "two==2 ; python_version > '3'",\n]\n\n"""
    )
    assert file.read_text() == before.replace("[tool.other]", written + "[tool.other]")
