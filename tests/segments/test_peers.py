"""Social proof is counted from data by `now`, and names nobody who did not agree."""

import logging
from datetime import datetime
from typing import Any

import pytest
from django.core.cache import cache

from segments import peers
from segments.models import Course, Doctor
from tests.segments.checks import count_queries, variables
from tests.segments.factories import (
    NOW,
    AgentUsageFactory,
    CertificateFactory,
    CourseFactory,
    CourseProgressFactory,
    DoctorFactory,
    SessionFactory,
    SessionRegistrationFactory,
    ago,
    ahead,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_cache")]


def completed(course: Course, completed_at: datetime | None = None, **fields: Any) -> Doctor:
    """A doctor who may be named and completed the course (a day ago)."""
    named = {name: fields.pop(name) for name in ("rating", "testimonial") if name in fields}
    doctor = DoctorFactory.create(**{"may_be_named": True, **fields})
    CourseProgressFactory.create(
        doctor=doctor, course=course, completed_at=completed_at or ago(days=1), **named
    )
    return doctor


# --- users of agents -----------------------------------------------------------------------------


def user_of_agents(used_at: datetime | None = None, **fields: Any) -> Doctor:
    doctor = DoctorFactory.create(**{"may_be_named": True, **fields})
    AgentUsageFactory.create(doctor=doctor, used_at=used_at or ago(days=5))
    return doctor


def test_network_is_the_doctors_of_the_same_specialty_or_location_who_use_agents() -> None:
    for specialty, location in [
        ("Cardiology", "Pune"),
        ("Cardiology", "Delhi"),
        ("Oncology", "Pune"),
        ("Oncology", "Delhi"),
        ("", "Pune"),
        ("Cardiology", ""),
        ("", ""),
    ]:
        user_of_agents(specialty=specialty, location=location)
    twice = user_of_agents(specialty="Cardiology", location="Pune")
    AgentUsageFactory.create(doctor=twice)
    user_of_agents(used_at=ahead(seconds=1))
    DoctorFactory.create()
    network = peers.agent_network(NOW)
    assert network.size("Cardiology", "Pune") == 6
    assert network.size("Cardiology", "") == 4
    assert network.size("", "Pune") == 4
    assert network.size("", "") == 0
    assert network.size("Dentistry", "Kochi") == 0


def test_agent_peers_agreed_to_be_named_and_are_not_the_reader() -> None:
    reader = user_of_agents(used_at=ago(days=1))
    user_of_agents(may_be_named=False)
    named = user_of_agents(first_name="Dr. Imran", last_name="Khan")
    near = user_of_agents(specialty="Oncology")
    user_of_agents(specialty="", location="Pune")
    user_of_agents(specialty="Oncology", location="Delhi")
    network = peers.agent_network(NOW)
    assert peers.agent_peers(network, {reader.pk: ("Cardiology", "Pune")}) == {
        reader.pk: [
            peers.Peer(named.pk, "Imran Khan", "Cardiology", "Pune"),
            peers.Peer(near.pk, "Asha Rao", "Oncology", "Pune"),
        ]
    }


def test_agent_peers_are_three_of_the_latest() -> None:
    users = [user_of_agents(used_at=ago(days=days)) for days in (4, 1, 3, 2)]
    reader = DoctorFactory.create()
    network = peers.agent_network(NOW)
    (found,) = peers.agent_peers(network, {reader.pk: ("Cardiology", "Pune")}).values()
    assert [peer.doctor_id for peer in found] == [users[1].pk, users[3].pk, users[2].pk]


def test_agents_are_suggested_by_specialty_or_area_and_made_up_with_the_rest() -> None:
    cardiologist, oncologist = (
        DoctorFactory.create(specialty=specialty) for specialty in ("Cardiology", "Oncology")
    )
    for doctor, agent, area, uses in [
        (cardiologist, "Scribe", "", 2),
        (oncologist, "Planner", "Cardiology", 3),
        (oncologist, "Coder", "Oncology", 4),
        (oncologist, "Analyst", "", 1),
    ]:
        AgentUsageFactory.create_batch(uses, doctor=doctor, agent=agent, specialty_area=area)
    AgentUsageFactory.create(agent="", doctor=cardiologist)
    AgentUsageFactory.create(agent="Later", doctor=cardiologist, used_at=ahead(seconds=1))
    network = peers.agent_network(NOW)
    assert network.suggested("Cardiology") == ["Planner", "Scribe", "Coder"]
    assert network.suggested("Oncology") == ["Coder", "Planner", "Analyst"]
    assert network.suggested("Dentistry") == ["Coder", "Planner", "Scribe"]


def test_consent_to_be_named_counts_at_once_although_figures_are_kept() -> None:
    users = [user_of_agents(used_at=ago(days=days)) for days in (1, 2, 3, 4)]
    reader = {0: ("Cardiology", "Pune")}
    network = peers.agent_network(NOW)
    Doctor.objects.filter(pk=users[0].pk).update(may_be_named=False)
    assert peers.agent_network(NOW) == network
    found = peers.agent_peers(peers.agent_network(NOW), reader)[0]
    assert [peer.doctor_id for peer in found] == [users[1].pk, users[2].pk, users[3].pk]


# --- courses -------------------------------------------------------------------------------------


def test_course_figures_count_what_happened_by_now() -> None:
    course, other = CourseFactory.create_batch(2)
    for completed_at, rating in [
        (NOW, 5),
        (ago(days=7), 4),
        (ago(days=6.9), None),
        (ago(days=40), 3),
        (ahead(seconds=1), 1),
        (None, 1),
    ]:
        CourseProgressFactory.create(course=course, completed_at=completed_at, rating=rating)
    CourseProgressFactory.create(course=course, started_at=ahead(seconds=1))
    figures = peers.course_figures([course.pk, other.pk], NOW)
    assert figures[course.pk]._replace(peers=(), admirers=()) == peers.CourseFigures(
        started=6, completed=4, completed_lately=2, rating=4.0
    )
    assert figures[course.pk].completion_rate == 66
    assert figures[other.pk] == peers.CourseFigures()
    assert figures[other.pk].completion_rate == 0


def course_voices(course: Course, now: datetime = NOW) -> dict[str, str]:
    """What a reader under way in the course is told of others."""
    reader = CourseProgressFactory.create(course=course).doctor
    values = variables("incomplete_courses", reader, course.external_id, now)
    names = ("peer_name", "peer_specialty", "peer_location", "peer_testimonial")
    return {name: value for name, value in values.items() if name in (*names, "testimonial_author")}


def test_course_peer_is_the_latest_to_complete_it() -> None:
    course = CourseFactory.create()
    completed(course, ago(days=3), first_name="Early")
    completed(course, ago(days=2), first_name="Dr. Late", specialty="Oncology", location="Kochi")
    completed(course, ago(days=1), first_name="Silent", may_be_named=False)
    completed(course, ahead(days=1), first_name="Future")
    assert course_voices(course) == {
        "peer_name": "Late Rao",
        "peer_specialty": "Oncology",
        "peer_location": "Kochi",
    }


def test_course_peer_with_a_good_testimonial_goes_first() -> None:
    course = CourseFactory.create()
    completed(course, ago(days=9), first_name="Glad", testimonial="Helpful.", rating=4)
    completed(course, ago(days=2), first_name="Sour", testimonial="Too long.", rating=2)
    completed(course, ago(days=1), first_name="Late")
    assert course_voices(course)["peer_testimonial"] == "Helpful."
    assert course_voices(course)["peer_name"] == "Glad Rao"


def test_course_peer_who_did_not_like_it_is_not_quoted() -> None:
    course = CourseFactory.create()
    completed(course, first_name="Sour", testimonial="Too long.", rating=2)
    assert course_voices(course) == {
        "peer_name": "Sour Rao",
        "peer_specialty": "Cardiology",
        "peer_location": "Pune",
    }


def test_course_peer_just_completed_it_and_an_author_may_have_long_ago() -> None:
    course = CourseFactory.create()
    completed(course, ago(days=30), first_name="Long", rating=4)
    completed(course, ago(days=200), first_name="Longer", rating=5)
    assert course_voices(course) == {"testimonial_author": "Long Rao"}


def test_nobody_is_named_to_themself() -> None:
    course = CourseFactory.create()
    reader = completed(course, rating=5, testimonial="Mine.")
    values = variables("incomplete_courses", reader, course.external_id)
    assert values.keys() & {"peer_name", "peer_testimonial", "testimonial_author"} == set()
    other = completed(course, ago(days=2), first_name="Other", rating=4)
    cache.clear()
    values = variables("incomplete_courses", reader, course.external_id)
    assert (values["peer_name"], values["testimonial_author"]) == ("Other Rao", "Other Rao")
    assert other.pk


def test_peer_with_a_single_name_is_named_once() -> None:
    course = CourseFactory.create()
    completed(course, first_name="Dr. Rao", last_name="Rao")
    assert course_voices(course)["peer_name"] == "Rao"


# --- sessions and certificates -------------------------------------------------------------------


def test_session_figures_count_what_happened_by_now() -> None:
    session, other = SessionFactory.create_batch(2)
    for viewed_at, attended_at, rating in [
        (NOW, None, 5),
        (ago(hours=3), ago(days=1), 4),
        (None, ago(days=1), 4),
        (None, ago(days=1), None),
        (ahead(seconds=1), None, 1),
        (None, None, 1),
    ]:
        SessionRegistrationFactory.create(
            session=session, recording_viewed_at=viewed_at, attended_at=attended_at, rating=rating
        )
    figures = peers.session_figures([session.pk, other.pk], NOW)
    assert figures[session.pk] == peers.SessionFigures(
        views=2, ratings=3, rating=pytest.approx(13 / 3)
    )
    assert figures[other.pk] == peers.SessionFigures()


def test_session_author_took_part_rated_it_well_and_agreed() -> None:
    session = SessionFactory.create()
    cases: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("Absent", {}, {"rating": 5}),
        ("Sour", {}, {"rating": 3, "attended_at": ago(days=1)}),
        ("Silent", {"may_be_named": False}, {"rating": 5, "attended_at": ago(days=1)}),
        ("Nowhere", {"location": ""}, {"rating": 5, "attended_at": ago(days=1)}),
        ("Glad", {}, {"rating": 4, "recording_viewed_at": ago(hours=1)}),
    ]
    for name, person, row in cases:
        doctor = DoctorFactory.create(**{"first_name": name, "may_be_named": True, **person})
        SessionRegistrationFactory.create(doctor=doctor, session=session, **row)
    values = variables("no_show", DoctorFactory.create(), session.external_id)
    assert (values["testimonial_author"], values["testimonial_location"]) == ("Glad Rao", "Pune")


def test_certificate_figures_count_doctors_by_now() -> None:
    session, course = SessionFactory.create(), CourseFactory.create()
    twice = DoctorFactory.create()
    for _ in range(2):  # issued anew
        CertificateFactory.create(doctor=twice, session=session, downloaded_at=ago(hours=1))
    CertificateFactory.create(session=session, downloaded_at=ahead(seconds=1))
    CertificateFactory.create(session=session, viewed_at=ago(hours=1))
    CertificateFactory.create(session=session, issued_at=ahead(seconds=1))
    CertificateFactory.create(session=None, course=course)
    assert peers.certificate_figures("session", [session.pk], NOW) == {
        session.pk: peers.CertificateFigures(issued=3, downloaded=1)
    }
    assert peers.certificate_figures("course", [course.pk], NOW) == {
        course.pk: peers.CertificateFigures(issued=1, downloaded=0)
    }


# --- the cache -----------------------------------------------------------------------------------


def test_figures_are_kept_within_the_hour_of_now() -> None:
    course, other = CourseFactory.create_batch(2)
    assert peers.course_figures([course.pk], NOW)[course.pk].started == 0
    CourseProgressFactory.create(course=course)
    CourseProgressFactory.create(course=other)
    found = peers.course_figures([course.pk, other.pk], NOW)
    assert (found[course.pk].started, found[other.pk].started) == (0, 1)
    assert peers.course_figures([course.pk], ahead(hours=1))[course.pk].started == 1


def test_kept_figures_cost_no_query(django_assert_num_queries: Any) -> None:
    course = CourseFactory.create()
    assert count_queries(lambda: peers.course_figures([course.pk], NOW)) == 3
    with django_assert_num_queries(0):
        peers.course_figures([course.pk], NOW)
    with django_assert_num_queries(0):
        assert peers.course_figures([], NOW) == {}


def test_figures_are_right_without_the_cache(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    gone = {**settings.CACHES["default"], "LOCATION": "unix:///nowhere/valkey.sock"}
    settings.CACHES = {"default": gone}
    course = CourseFactory.create()
    CourseProgressFactory.create(course=course)
    with caplog.at_level(logging.WARNING, "reengage.cache"):
        for started in (1, 2):
            assert peers.course_figures([course.pk], NOW)[course.pk].started == started
            CourseProgressFactory.create(course=course)
    assert "cache does not answer" in caplog.text


def test_cache_holds_counts_and_ids_but_no_names() -> None:
    course, session = CourseFactory.create(), SessionFactory.create()
    completed(course, first_name="Zarathustra", rating=5, testimonial="Confidential")
    user_of_agents(first_name="Zarathustra")
    SessionRegistrationFactory.create(
        doctor__first_name="Zarathustra",
        doctor__may_be_named=True,
        session=session,
        attended_at=ago(days=1),
        rating=5,
    )
    kept = [
        peers.agent_network(NOW),
        peers.course_figures([course.pk], NOW),
        peers.session_figures([session.pk], NOW),
    ]
    assert "Zarathustra" not in repr(kept)
    assert "Confidential" not in repr(kept)
    assert kept[1][course.pk].peers
    assert kept[2][session.pk].admirers
