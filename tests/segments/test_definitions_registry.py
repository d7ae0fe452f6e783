"""The four definitions are registered, and can fill what the strategy's templates use."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from messaging.catalogue import of_segment
from segments.definitions import DEFINITIONS, Goal, definition
from segments.definitions.common import DOCTOR_VARIABLE_NAMES
from segments.models import SegmentType

FIXTURES = Path(__file__).parents[2] / "fixtures"
SYSTEM = {"shortlink", "support_email", "support_phone"}  # filled in when a message is rendered
# What the segment's texts type out where these could stand.
TYPED_OUT = {"aida_users": {"days_remaining", "completed_count"}}

each_type = pytest.mark.parametrize("segment_type", SegmentType.values)


def templates(segment_type: str) -> list[dict[str, Any]]:
    path = FIXTURES / "templates" / f"{segment_type}.yaml"
    return list(yaml.safe_load(path.read_text(encoding="utf-8")))


def test_registry_has_one_definition_of_every_type() -> None:
    assert list(DEFINITIONS) == SegmentType.values
    assert {key: one.segment_type.value for key, one in DEFINITIONS.items()} == {
        key: key for key in SegmentType.values
    }
    assert definition(SegmentType.NO_SHOW) is definition("no_show")


def test_registry_knows_no_other_type() -> None:
    with pytest.raises(KeyError):
        definition("lapsed_speakers")


@each_type
def test_definition_fills_what_its_templates_use_and_no_more(segment_type: str) -> None:
    used = {name for template in templates(segment_type) for name in template["variables"]}
    own = definition(segment_type).variable_names - TYPED_OUT.get(segment_type, set())
    assert own == used - DOCTOR_VARIABLE_NAMES - SYSTEM


@each_type
def test_definition_fills_what_the_catalogue_promises(segment_type: str) -> None:
    promised = {variable.name for variable in of_segment(segment_type)}
    assert definition(segment_type).variable_names == promised - DOCTOR_VARIABLE_NAMES - SYSTEM


def test_goals_are_the_strategys() -> None:
    assert {key: one.goal for key, one in DEFINITIONS.items()} == {
        "aida_users": Goal(rate=20, days=14),
        "incomplete_courses": Goal(rate=35, days=21),
        "no_show": Goal(rate=40, days=10),
        "unclaimed_certificates": Goal(rate=60, days=14),
    }


def test_links_lead_to_the_subject(settings: Any) -> None:
    settings.PLATFORM_BASE_URL = "https://platform.example"
    assert {key: one.cta_url("X-1") for key, one in DEFINITIONS.items()} == {
        "aida_users": "https://platform.example/ai-agents",
        "incomplete_courses": "https://platform.example/courses/X-1",
        "no_show": "https://platform.example/sessions/X-1/recording",
        "unclaimed_certificates": "https://platform.example/certificates/X-1",
    }


@pytest.mark.parametrize(
    ("subject", "written"),
    [
        ("a/b", "a%2Fb"),
        ("?a=b#c", "%3Fa%3Db%23c"),
        ("@evil.example", "%40evil.example"),
        ("\r\nX: y", "%0D%0AX%3A%20y"),
        ("%2e", "%252e"),
        ("हिन्दी", "%E0%A4%B9%E0%A4%BF%E0%A4%A8%E0%A5%8D%E0%A4%A6%E0%A5%80"),
    ],
)
def test_subject_is_one_step_of_the_path(settings: Any, subject: str, written: str) -> None:
    settings.PLATFORM_BASE_URL = "https://platform.example"
    for key, one in DEFINITIONS.items():
        assert key == "aida_users" or f"/{written}" in one.cta_url(subject)
        assert urlsplit(one.cta_url(subject)).netloc == "platform.example"


def test_labels_are_words_of_a_marketer() -> None:
    assert [one.label for one in DEFINITIONS.values()] == SegmentType.labels
