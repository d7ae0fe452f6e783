"""AiDA users: who is in, who came back, what can be written to them."""

from datetime import timedelta

import pytest

from segments.definitions import Subject, definition
from segments.definitions.common import DOCTOR_VARIABLE_NAMES
from tests.segments.checks import eligible, enroll, one_row, query_counts, returned, variables
from tests.segments.factories import (
    NOW,
    AgentUsageFactory,
    AidaUsageFactory,
    DoctorFactory,
    ago,
    ahead,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_cache")]
TYPE = "aida_users"


# --- in ------------------------------------------------------------------------------------------


def test_eligible_is_who_used_aida_and_no_agent() -> None:
    quiet, both, _ = DoctorFactory.create_batch(3)
    AidaUsageFactory.create_batch(2, doctor=quiet)
    AidaUsageFactory.create(doctor=both)
    AgentUsageFactory.create(doctor=both)
    assert eligible(TYPE) == [(quiet.pk, "")]


def test_eligible_row_says_since_when_and_how_often() -> None:
    doctor = DoctorFactory.create()
    for days in (50, 40, 45):
        AidaUsageFactory.create(doctor=doctor, used_at=ago(days=days))
    assert one_row(TYPE) == {
        "doctor_id": doctor.pk,
        "subject": "",
        "inactive_since": ago(days=40),
        "segment_data": {"aida_uses": 3},
    }


def test_eligible_knows_nothing_of_what_comes_after_now() -> None:
    later, once, to_be_agent = DoctorFactory.create_batch(3)
    AidaUsageFactory.create(doctor=later, used_at=ahead(seconds=1))
    AidaUsageFactory.create(doctor=once, used_at=NOW)
    AidaUsageFactory.create(doctor=once, used_at=ahead(days=1))
    AidaUsageFactory.create(doctor=to_be_agent, used_at=ago(days=2))
    AgentUsageFactory.create(doctor=to_be_agent, used_at=ahead(seconds=1))
    assert eligible(TYPE) == [(once.pk, ""), (to_be_agent.pk, "")]
    assert {row["doctor_id"]: row["inactive_since"] for row in definition(TYPE).eligible(NOW)} == {
        once.pk: NOW,
        to_be_agent.pk: ago(days=2),
    }
    assert eligible(TYPE, ahead(seconds=1)) == [(later.pk, ""), (once.pk, "")]


def test_eligible_can_be_filtered_by_doctor_and_subject() -> None:
    first, second = (AidaUsageFactory.create().doctor for _ in range(2))
    rows = definition(TYPE).eligible(NOW)
    assert list(rows.filter(doctor_id__in=[second.pk]).values_list("doctor_id", "subject")) == [
        (second.pk, "")
    ]
    assert rows.filter(doctor_id=first.pk, subject="").exists()
    assert not rows.filter(doctor_id=first.pk, subject="C1").exists()
    assert not rows.filter(inactive_since__lte=ago(days=41)).exists()


# --- out -----------------------------------------------------------------------------------------


def test_returned_is_the_first_use_of_an_agent_since_enrolment() -> None:
    doctor = DoctorFactory.create()
    key = enroll(TYPE, doctor, "", ago(days=10))
    for moment in (ago(days=3), ago(days=5), ago(days=12)):
        AgentUsageFactory.create(doctor=doctor, used_at=moment)
    assert returned(TYPE) == {key: ago(days=5)}
    assert returned(TYPE, ago(days=5)) == {key: ago(days=5)}
    assert returned(TYPE, ago(days=5, seconds=1)) == {}


@pytest.mark.parametrize("moment", [ago(days=10), ago(days=11), ahead(seconds=1)])
def test_returned_ignores_what_was_before_enrolment_or_comes_later(moment: object) -> None:
    doctor, other = DoctorFactory.create_batch(2)
    enroll(TYPE, doctor, "", ago(days=10))
    AgentUsageFactory.create(doctor=doctor, used_at=moment)
    AgentUsageFactory.create(doctor=other, used_at=ago(days=1))
    assert returned(TYPE) == {}


# --- variables -----------------------------------------------------------------------------------


def network() -> None:
    """Five users of agents around a cardiologist in Pune; three agents; one may not be named."""
    people = [
        ("Rahul", "Deshpande", "Cardiology", "Nagpur", True),
        ("Dr. Sunita", "Nair", "Oncology", "Pune", True),
        ("Imran", "Khan", "Cardiology", "Pune", True),
        ("Secret", "Person", "Cardiology", "Pune", False),
        ("Far", "Away", "Oncology", "Delhi", True),
    ]
    agents = ["Diagnostic Support", "Diagnostic Support", "Care Planner", "Case Analyst", "Coder"]
    for place, (first, last, specialty, location, may_be_named) in enumerate(people):
        doctor = DoctorFactory.create(
            first_name=first,
            last_name=last,
            specialty=specialty,
            location=location,
            may_be_named=may_be_named,
        )
        AgentUsageFactory.create(
            doctor=doctor, agent=agents[place], used_at=ago(days=10 + place), specialty_area=""
        )


def test_variables_of_a_full_database_are_exactly_those_declared() -> None:
    network()
    doctor = AidaUsageFactory.create(specialty_area="Oncology").doctor
    values = variables(TYPE, doctor)
    assert values.keys() == definition(TYPE).variable_names | DOCTOR_VARIABLE_NAMES
    assert {name: values[name] for name in definition(TYPE).variable_names} == {
        "specialty_area": "Oncology",
        "peer_count": "4",  # same specialty 3, same city 3, both 2
        "completed_count": "5",
        "expiry_date": "18 March 2026",  # 14 days after enrolment
        "days_remaining": "14",
        # two of oncologists by name, made up with the most used over all
        "suggested_agent_1": "Coder",
        "suggested_agent_2": "Diagnostic Support",
        "suggested_agent_3": "Care Planner",
        # same specialty first, the latest to use an agent first
        "peer_name_1": "Rahul Deshpande",
        "peer_specialty_1": "Cardiology",
        "peer_name_2": "Imran Khan",
        "peer_specialty_2": "Cardiology",
        "peer_name_3": "Sunita Nair",
        "peer_specialty_3": "Oncology",
    }


def test_specialty_area_is_what_most_uses_were_about() -> None:
    doctor = DoctorFactory.create(specialty="General medicine")
    for area, days in [("Cardiology", 9), ("", 8), ("", 7), ("", 6), ("Cardiology", 5)]:
        AidaUsageFactory.create(doctor=doctor, specialty_area=area, used_at=ago(days=days))
    for days in (1, 2, 3):
        AidaUsageFactory.create(doctor=doctor, specialty_area="Later", used_at=ahead(days=days))
    assert variables(TYPE, doctor)["specialty_area"] == "Cardiology"


def test_specialty_area_of_equals_is_the_later_one() -> None:
    doctor = DoctorFactory.create()
    for area, days in [("Oncology", 5), ("Cardiology", 9)]:
        AidaUsageFactory.create(doctor=doctor, specialty_area=area, used_at=ago(days=days))
    assert variables(TYPE, doctor)["specialty_area"] == "Oncology"


def test_specialty_area_falls_back_to_the_doctors_specialty() -> None:
    doctor = AidaUsageFactory.create(specialty_area="").doctor
    assert variables(TYPE, doctor)["specialty_area"] == "Cardiology"


def test_variables_without_data_are_missing() -> None:
    doctor = DoctorFactory.create(specialty="", location="")
    assert variables(TYPE, doctor).keys() == {
        *("first_name", "last_name", "user_id"),
        *("expiry_date", "days_remaining"),
    }


def test_completed_count_is_of_doctors_new_to_agents_this_month() -> None:
    old, new, newest = DoctorFactory.create_batch(3)
    for doctor, days in [(old, 31), (old, 3), (new, 29), (new, 2), (newest, 1)]:
        AgentUsageFactory.create(doctor=doctor, used_at=ago(days=days))
    AgentUsageFactory.create(used_at=ahead(seconds=1))
    assert variables(TYPE, DoctorFactory.create())["completed_count"] == "2"


@pytest.mark.parametrize(("day", "left"), [(0, "14"), (3, "11"), (7, "7"), (12, "2"), (14, None)])
def test_trial_is_counted_down_from_enrolment(day: int, left: str | None) -> None:
    doctor = DoctorFactory.create()
    (values,) = definition(TYPE).variables([Subject(doctor.pk, "", NOW)], ahead(days=day))
    assert values.get("days_remaining") == left
    assert values["expiry_date"] == "18 March 2026"


def test_agents_are_suggested_only_when_there_are_three() -> None:
    doctor = AidaUsageFactory.create().doctor
    for agent in ("Coder", "Care Planner"):
        AgentUsageFactory.create(agent=agent)
    assert "suggested_agent_1" not in variables(TYPE, doctor)


def test_variables_of_a_doctor_who_is_gone_are_none() -> None:
    assert definition(TYPE).variables([Subject(-1, "", NOW)], NOW) == [{}]


def test_expiry_date_is_in_the_doctors_zone() -> None:
    doctor = DoctorFactory.create(timezone="Pacific/Auckland")
    evening = NOW + timedelta(hours=6)
    (values,) = definition(TYPE).variables([Subject(doctor.pk, "", evening)], NOW)
    assert values["expiry_date"] == "19 March 2026"


def test_variables_come_in_the_order_of_the_subjects() -> None:
    doctors = [DoctorFactory.create(first_name=name) for name in ("Anil", "Bela", "Chitra")]
    subjects = [Subject(doctor.pk, "", NOW) for doctor in reversed(doctors)]
    names = [values["first_name"] for values in definition(TYPE).variables(subjects, NOW)]
    assert names == ["Chitra", "Bela", "Anil"]


def test_queries_do_not_grow_with_the_batch() -> None:
    network()
    doctors = [AidaUsageFactory.create(specialty_area=f"Area {n}").doctor for n in range(3)]
    one, three = query_counts(TYPE, [Subject(doctor.pk, "", NOW) for doctor in doctors])
    assert one == three == 7
