"""The variable catalogue covers the strategy and contradicts nothing."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from messaging import catalogue, render
from messaging.catalogue import BY_NAME, CATALOGUE
from segments import peers
from segments.models import SegmentType

FIXTURES = Path(__file__).parents[2] / "fixtures" / "templates"
TEMPLATES: list[dict[str, Any]] = [
    row for path in sorted(FIXTURES.glob("*.yaml")) for row in yaml.safe_load(path.read_text())
]
# fmt: off
# strategy, Variable Glossary
GLOSSARY = {
    "first_name", "last_name", "user_id", "specialty", "location",
    "course_name", "completion_percentage", "completed_modules", "total_modules",
    "remaining_modules", "estimated_time", "time_spent", "cpd_points", "expiry_date",
    "days_remaining", "last_access_date",
    "session_title", "session_date", "session_duration", "speaker_name", "speaker_credentials",
    "recording_expiry_days", "view_count", "key_point_1", "key_point_2", "key_point_3",
    "certificate_id", "issue_date", "certificate_expiry_days", "download_count",
    "peer_name", "peer_specialty", "peer_location", "peer_count", "completed_count",
    "shortlink", "support_email", "support_phone",
}
# fmt: on
# What the segment's texts type out where these could stand.
TYPED_OUT = {"aida_users": {"days_remaining", "completed_count"}}
ITEMS = {
    "remaining_modules": {"module_number", "module_name", "duration"},
    "upcoming_content": {
        *("module_number", "module_name"),
        *("key_learning_1", "key_learning_2", "key_learning_3"),
    },
}


def test_catalogue_is_exactly_the_glossary_and_the_templates_names() -> None:
    used = {name for template in TEMPLATES for name in template["variables"]}
    assert set(BY_NAME) == used | GLOSSARY
    assert len(BY_NAME) == len(CATALOGUE) == 81
    assert {v.name: set(catalogue.item_names(v.name)) for v in CATALOGUE if v.items} == ITEMS
    assert len(set(BY_NAME) | set().union(*ITEMS.values())) == 87


def test_item_names_mean_nothing_outside_their_lists() -> None:
    # An item without a value would else show the value of the same name outside.
    assert not set(BY_NAME) & set().union(*ITEMS.values())
    assert catalogue.lists_with("module_name") == ["remaining_modules", "upcoming_content"]
    assert catalogue.lists_with("duration") == ["remaining_modules"]
    assert catalogue.lists_with("first_name") == []
    assert catalogue.item_names("first_name") == catalogue.item_names("nothing") == frozenset()


@pytest.mark.parametrize("segment_type", SegmentType.values)
def test_segment_has_every_name_that_its_templates_use(segment_type: str) -> None:
    used = {
        name
        for template in TEMPLATES
        if template["segment_type"] == segment_type
        for name in template["variables"]
    }
    names = {variable.name for variable in catalogue.of_segment(segment_type)}
    assert used <= names
    everywhere = {"first_name", "last_name", "user_id", "specialty", "location"} | catalogue.SYSTEM
    assert names - used <= everywhere | TYPED_OUT.get(segment_type, set())


@pytest.mark.parametrize("variable", CATALOGUE, ids=lambda variable: variable.name)
def test_variable_is_told_completely(variable: catalogue.Variable) -> None:
    assert variable.description
    assert not variable.description.endswith(".") or variable.description.endswith("“Dr.”")
    assert set(variable.segments) <= set(SegmentType.values)
    assert variable.segments
    assert (variable.kind == "list") == bool(variable.items)
    assert variable.kind == "list" or not variable.has_length
    assert variable.kind == "number" or not variable.counts_people
    assert variable.counts_people or not variable.counted_days
    assert set(variable.counted_days) <= set(variable.segments)
    for each in (variable, *variable.items):
        assert each.example.strip() == each.example != ""
        assert each.source.strip() == each.source != ""
        assert not each.source.endswith(".")
        if each.kind == "number":
            assert float(each.example) > 0


def test_kinds_are_those_of_the_names() -> None:
    by_kind: dict[str, set[str]] = {}
    for variable in CATALOGUE:
        by_kind.setdefault(variable.kind, set()).add(variable.name)
    assert by_kind["link"] == {"shortlink"}
    assert by_kind["list"] == set(ITEMS)
    assert by_kind["date"] == {
        *("expiry_date", "session_date", "last_access_date", "issue_date"),
        *("related_date_1", "related_date_2"),
    }
    counts = {name for name in BY_NAME if name.endswith(("_count", "_points", "_days", "_rate"))}
    assert counts <= by_kind["number"]
    assert {v.name for v in CATALOGUE if v.has_length} == {"remaining_modules"}


def test_counted_days_are_those_of_the_counting() -> None:
    assert BY_NAME["completed_count"].counted_days == {
        "aida_users": peers.THIS_MONTH.days,
        "incomplete_courses": peers.RECENT.days,
    }


def test_system_variables_are_those_that_rendering_adds() -> None:
    assert set(render._system_values("link")) == catalogue.SYSTEM


def test_examples_are_values_for_one_segment_or_all() -> None:
    assert catalogue.examples().keys() == BY_NAME.keys()
    aida = catalogue.examples("aida_users")
    assert aida["peer_name_2"] == "Sunita Nair"
    assert "course_name" not in aida
    assert (
        catalogue.examples()["remaining_modules"]
        == [{"module_number": "7", "module_name": "Drug interactions", "duration": "18"}] * 2
    )


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("frist_name", "first_name"),
        ("FIRST_NAME", "first_name"),
        ("short_link", "shortlink"),
        ("cdp_points", "cpd_points"),
        ("qqqq", None),
    ],
)
def test_closest_finds_the_name_that_was_meant(typed: str, meant: str | None) -> None:
    assert catalogue.closest(typed, BY_NAME) == meant
