"""How values read in a text, and who reads it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from segments.definitions import common
from segments.definitions.common import CountedList, readers
from segments.models import Doctor
from tests.segments.factories import NOW, DoctorFactory, ago, ahead

KOLKATA = ZoneInfo("Asia/Kolkata")


@pytest.mark.parametrize(
    ("moment", "zone", "text"),
    [
        (datetime(2026, 12, 3, 6, tzinfo=UTC), "Asia/Kolkata", "3 December 2026"),
        (datetime(2026, 12, 3, 18, 29, tzinfo=UTC), "Asia/Kolkata", "3 December 2026"),
        (datetime(2026, 12, 3, 18, 30, tzinfo=UTC), "Asia/Kolkata", "4 December 2026"),
        (datetime(2026, 1, 1, 2, tzinfo=UTC), "America/New_York", "31 December 2025"),
    ],
)
def test_date_text_is_the_day_in_the_readers_zone(moment: datetime, zone: str, text: str) -> None:
    assert common.date_text(moment, ZoneInfo(zone)) == text


@pytest.mark.parametrize(
    ("until", "left"),
    [
        (None, ""),
        (ago(seconds=1), ""),
        (NOW, ""),
        (ahead(seconds=1), "1"),
        (ahead(days=1), "1"),
        (ahead(days=1, seconds=1), "2"),
        (ahead(days=10), "10"),
    ],
)
def test_days_left_counts_a_part_of_a_day_as_one(until: datetime | None, left: str) -> None:
    assert common.days_left(until, NOW) == left


@pytest.mark.parametrize(
    ("until", "text"), [(None, ""), (NOW, ""), (ahead(days=1), "5 March 2026")]
)
def test_end_text_is_empty_once_it_is_over(until: datetime | None, text: str) -> None:
    assert common.end_text(until, NOW, KOLKATA) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("4.0"), "4"),
        (Decimal("2.5"), "2.5"),
        (Decimal("10.0"), "10"),
        (100, "100"),
        (4.649, "4.6"),
        (4.96, "5"),
        (Decimal("0.0"), ""),
        (None, ""),
    ],
)
def test_decimal_text_has_no_needless_zeros(value: Decimal | float | None, text: str) -> None:
    assert common.decimal_text(value) == text


@pytest.mark.parametrize(
    ("minutes", "text"),
    [
        (0, ""),
        (1, "1 minute"),
        (45, "45 minutes"),
        (60, "1 hour"),
        (61, "1 hour 1 minute"),
        (80, "1 hour 20 minutes"),
        (120, "2 hours"),
        (3000, "50 hours"),
    ],
)
def test_duration_text_is_in_hours_and_minutes(minutes: int, text: str) -> None:
    assert common.duration_text(minutes) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, ""),
        (7, "7"),
        (999, "999"),
        (1000, "1,000"),
        (2847, "2,847"),
        (99_999, "99,999"),
        (125_000, "1,25,000"),
        (10_000_000, "1,00,00,000"),
        (1_234_567_890, "1,23,45,67,890"),
    ],
)
def test_count_text_is_grouped_as_in_india(number: int, text: str) -> None:
    assert common.count_text(number) == text


def test_counted_list_reads_as_its_length() -> None:
    modules = CountedList([{"module_name": "One"}, {"module_name": "Two"}])
    assert str(modules) == "2"
    assert isinstance(modules, list)
    assert [module["module_name"] for module in modules] == ["One", "Two"]


def test_filled_leaves_out_what_is_empty() -> None:
    values = {"a": "x", "b": "", "c": None, "d": CountedList(), "e": "0"}
    assert common.filled(values) == {"a": "x", "e": "0"}


def test_time_zone_that_nobody_knows_is_the_default() -> None:
    assert common.time_zone("Europe/London") == ZoneInfo("Europe/London")
    assert common.time_zone("Mars/Olympus") == KOLKATA
    assert common.time_zone("../etc") == KOLKATA


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("first", "last", "read_as"),
    [
        ("Asha", "Rao", ("Asha", "Rao")),
        ("Dr. Asha", "Rao", ("Asha", "Rao")),
        ("DR ASHA", "RAO", ("ASHA", "RAO")),
        ("Dr.Asha", "Rao", ("Asha", "Rao")),
        ("Dr. Rao", "", ("Rao", "Rao")),
        ("Dr.", "Rao", ("Rao", "Rao")),
        ("", "Dr. Rao", ("Rao", "Rao")),
        ("Drishti", "Drew", ("Drishti", "Drew")),
    ],
)
def test_doctor_is_read_without_title_and_with_both_names(
    first: str, last: str, read_as: tuple[str, str]
) -> None:
    doctor = DoctorFactory.create(first_name=first, last_name=last)
    names = readers([doctor.pk])[doctor.pk].variables
    assert (names["first_name"], names["last_name"]) == read_as


@pytest.mark.django_db
def test_doctors_variables_are_exactly_these() -> None:
    doctor = DoctorFactory.create(external_id="CLR-1", specialty="Oncology", location="Kochi")
    assert readers([doctor.pk])[doctor.pk].variables == {
        "first_name": "Asha",
        "last_name": "Rao",
        "user_id": "CLR-1",
        "specialty": "Oncology",
        "location": "Kochi",
    }
    assert readers([doctor.pk])[doctor.pk].variables.keys() == common.DOCTOR_VARIABLE_NAMES


@pytest.mark.django_db
def test_doctors_empty_fields_and_gone_doctors_are_left_out() -> None:
    doctor = DoctorFactory.create(specialty="", location="")
    found = readers([doctor.pk, doctor.pk + 1])
    assert found.keys() == {doctor.pk}
    assert found[doctor.pk].variables.keys() == {"first_name", "last_name", "user_id"}


@pytest.mark.django_db
def test_not_by_takes_nothing_and_later_for_not_happened() -> None:
    never = DoctorFactory.create(last_active_at=None)
    later = DoctorFactory.create(last_active_at=NOW + timedelta(microseconds=1))
    DoctorFactory.create(last_active_at=NOW)
    found = Doctor.objects.filter(common.not_by("last_active_at", NOW))
    assert set(found) == {never, later}
