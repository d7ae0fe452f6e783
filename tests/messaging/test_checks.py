"""`manage.py check` finds where catalogue, definitions and fixtures disagree."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.checks import CheckMessage
from django.core.checks.registry import registry
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from messaging import checks
from messaging.catalogue import BY_NAME, CATALOGUE
from segments.definitions import DEFINITIONS

FIXTURES = Path(__file__).parents[2] / "fixtures" / "templates"


def told(errors: Iterable[CheckMessage]) -> list[tuple[str | None, str]]:
    return [(error.id, error.msg) for error in errors]


def without(name: str) -> list[Any]:
    return [variable for variable in CATALOGUE if variable.name != name]


def test_nothing_disagrees() -> None:
    assert checks.check_variables() == []
    assert checks.check_variables in registry.registered_checks


def test_check_command_fails_when_they_disagree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.catalogue, "CATALOGUE", tuple(without("view_count")))
    with pytest.raises(SystemCheckError, match=r"\(messaging\.E004\) The definition of no_show"):
        call_command("check")


# --- the catalogue in itself --------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"name": "first_name"}, "The catalogue has first_name 2 times."),
        ({"segments": ("lapsed",)}, "The catalogue gives topic to lapsed, which is no segment."),
        ({"source": " "}, "The catalogue does not tell of topic completely."),
        ({"description": ""}, "The catalogue does not tell of topic completely."),
        ({"example": ""}, "The catalogue does not tell of topic completely."),
        ({"kind": "list"}, "The catalogue has topic as a list."),
        ({"items": (BY_NAME["rating"],)}, "The catalogue has topic as a text."),
    ],
)
def test_catalogue_is_told_what_it_lacks(changed: dict[str, Any], text: str) -> None:
    variables = [*without("topic"), replace(BY_NAME["topic"], **changed)]
    assert told(checks.catalogue_errors(variables, DEFINITIONS)) == [("messaging.E003", text)]


def test_catalogue_items_are_told_completely() -> None:
    modules = BY_NAME["upcoming_content"]
    items = (replace(modules.items[0], source=""), *modules.items[1:])
    variables = [*without("upcoming_content"), replace(modules, items=items)]
    assert told(checks.catalogue_errors(variables, DEFINITIONS)) == [
        ("messaging.E003", "The catalogue does not tell of module_number completely.")
    ]


# --- catalogue and definitions ------------------------------------------------------------


def test_definition_that_fills_what_nobody_knows_is_found() -> None:
    assert told(checks.definition_errors(without("view_count"), DEFINITIONS)) == [
        (
            "messaging.E004",
            "The definition of no_show fills view_count, which the catalogue does not tell.",
        )
    ]


def test_definition_that_does_not_fill_what_is_promised_is_found() -> None:
    wider = replace(BY_NAME["view_count"], segments=("no_show", "aida_users"))
    assert told(checks.definition_errors([*without("view_count"), wider], DEFINITIONS)) == [
        (
            "messaging.E004",
            "The catalogue gives view_count to aida_users, whose definition does not fill it.",
        )
    ]


def test_shared_variable_missing_in_one_segment_is_found() -> None:
    narrow = replace(BY_NAME["first_name"], segments=("no_show",))
    errors = told(checks.definition_errors([*without("first_name"), narrow], DEFINITIONS))
    assert [text.split()[3] for _, text in errors] == [
        *("aida_users", "incomplete_courses", "unclaimed_certificates")
    ]


def test_definition_that_forgets_a_name_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    names = DEFINITIONS["no_show"].variable_names - {"rating"}
    monkeypatch.setattr(type(DEFINITIONS["no_show"]), "variable_names", names)
    assert told(checks.definition_errors(CATALOGUE, DEFINITIONS)) == [
        (
            "messaging.E004",
            "The catalogue gives rating to no_show, whose definition does not fill it.",
        )
    ]


# --- fixtures -----------------------------------------------------------------------------


def changed_fixture(folder: Path, **changed: Any) -> list[tuple[str | None, str]]:
    """What is told of the first no-show template with these fields."""
    (row, *_) = yaml.safe_load((FIXTURES / "no_show.yaml").read_text())
    (folder / "no_show.yaml").write_text(yaml.safe_dump([{**row, **changed}]))
    return told(checks.fixture_errors(folder))


def test_fixtures_of_the_strategy_agree() -> None:
    assert told(checks.fixture_errors(FIXTURES)) == []


def test_fixture_as_it_is_agrees(tmp_path: Path) -> None:
    assert changed_fixture(tmp_path) == []


def test_fixture_with_a_name_of_another_segment_is_found(tmp_path: Path) -> None:
    assert changed_fixture(
        tmp_path,
        template_content="{{course_name}} {{shortlink}}",
        variables=["course_name", "shortlink"],
    ) == [
        (
            "messaging.E005",
            (
                "no_show.yaml, no_show.whatsapp.1: Line 1: {{course_name}} is for “Incomplete "
                "courses”; “No-show registrants” does not have it. Choose one from the list."
            ),
        )
    ]


def test_fixture_with_a_wrong_default_is_found(tmp_path: Path) -> None:
    assert changed_fixture(tmp_path, defaults={"topc": "x"}) == [
        (
            "messaging.E005",
            (
                "no_show.yaml, no_show.whatsapp.1: There is no variable {{topc}}. "
                "Did you mean {{topic}}?"
            ),
        )
    ]


def test_fixture_that_is_broken_is_found_once(tmp_path: Path) -> None:
    assert changed_fixture(tmp_path, template_content="{{#a}} {{shortlink}}") == [
        (
            "messaging.E005",
            (
                "no_show.yaml, no_show.whatsapp.1: Line 1: {{#a}} is never closed. "
                "Write {{/a}} where it ends."
            ),
        )
    ]


def test_fixture_that_lists_other_variables_is_found(tmp_path: Path) -> None:
    assert changed_fixture(tmp_path, variables=["first_name"]) == [
        (
            "messaging.E006",
            "no_show.yaml, no_show.whatsapp.1: `variables` are not those of the text.",
        )
    ]


def test_fixture_of_an_unknown_segment_is_found(tmp_path: Path) -> None:
    assert changed_fixture(tmp_path, segment_type="lapsed") == [
        ("messaging.E005", "no_show.yaml, no_show.whatsapp.1: there is no segment lapsed.")
    ]
