"""Why (not)?: the verdict is the sender's, the forecast comes true, and every “no” says why."""

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from campaigns import launch
from campaigns.admin import why_text
from campaigns.buckets import bucket
from campaigns.enroll import enroll
from campaigns.models import Campaign, CampaignEnrollment
from campaigns.why import Why, explain
from messaging.models import (
    Channel,
    ConsentRecord,
    DeliveryStatus,
    MessageDelivery,
    Suppression,
    UnsubscribeRecord,
)
from messaging.send import send_due
from messaging.why import forecast
from segments.models import Certificate, Doctor
from tests import engine
from tests.admin.world import staff
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def one_enrolled(**fields: Any) -> CampaignEnrollment:
    (enrollment,) = engine.enrolled(**fields)
    return enrollment


def why(enrollment: CampaignEnrollment, now: datetime = NOW) -> Why:
    return explain(enrollment.campaign, enrollment.doctor, now)


def not_enrolled(campaign: Campaign, doctor: Doctor, now: datetime = NOW) -> str:
    """The obstacles in words; the page and enroll.py agree whether there are any."""
    obstacles = explain(campaign, doctor, now).obstacles
    assert (enroll(campaign, now, [doctor.pk]) == 0) == bool(obstacles)
    return " ".join(one.text for one in obstacles)


# --- What is to come ------------------------------------------------------------------------


def run_to_the_end(days: int) -> dict[str, tuple[str, datetime | None]]:
    """The engine, every half hour; what became of each message, and when."""
    for step in range(days * 48):
        engine.send_all(NOW + step * HOUR / 2)
    rows = MessageDelivery.objects.select_related("campaign_message", "enrollment")
    return {
        f"{row.enrollment.campaign_id} {row.campaign_message}": (
            "sent" if row.sent_at else row.status,
            row.sent_at,
        )
        for row in rows
    }


def test_forecast_is_what_the_engine_then_does() -> None:
    doctor = engine.member()
    for priority, days in enumerate(((0, 1, 3), (0, 2))):
        enroll(engine.campaign(days=days, priority=priority), NOW)
    foreseen = {
        f"{CampaignEnrollment.objects.get(pk=one.row.enrollment_id).campaign_id} "
        f"Day {one.step.day}, {Channel(one.step.channel).label}": one
        for one in forecast(doctor, NOW)
    }
    assert len(foreseen) == 15
    happened = run_to_the_end(8)
    assert {key: one.status for key, one in foreseen.items()} == {
        key: status for key, (status, _) in happened.items()
    }
    for key, (_, sent_at) in happened.items():
        if sent_at:
            assert abs(sent_at - foreseen[key].at) <= HOUR / 2
    assert {status for status, _ in happened.values()} == {"sent", "skipped"}


def _withdraw(doctor: Doctor) -> None:
    ConsentRecord.objects.create(
        doctor=doctor, channel="whatsapp", is_given=False, recorded_at=NOW, source="test"
    )


def _no_phone(doctor: Doctor) -> None:
    Doctor.objects.filter(pk=doctor.pk).update(phone=None)


def _opted_out(doctor: Doctor) -> None:
    UnsubscribeRecord.objects.create(doctor=doctor, channel="sms")


def _pause(doctor: Doctor) -> None:
    UnsubscribeRecord.objects.create(doctor=doctor, paused_until=NOW + DAY)


def _long_pause(doctor: Doctor) -> None:
    UnsubscribeRecord.objects.create(doctor=doctor, paused_until=NOW + 30 * DAY)


def _suppressed(doctor: Doctor) -> None:
    Suppression.objects.create(doctor=doctor, channel="email", reason="hard_bounce", since=NOW)


def _came_back(doctor: Doctor) -> None:
    Certificate.objects.filter(doctor=doctor).update(downloaded_at=NOW)


def _expired(doctor: Doctor) -> None:
    Certificate.objects.filter(doctor=doctor).update(expires_at=NOW - HOUR)


def _nothing(doctor: Doctor) -> None:
    pass


@pytest.mark.parametrize(
    "change",
    [
        _nothing,
        _withdraw,
        _no_phone,
        _opted_out,
        _pause,
        _long_pause,
        _suppressed,
        _came_back,
        _expired,
    ],
)
@pytest.mark.parametrize("later", [timedelta(0), 10 * HOUR, 47 * HOUR])
def test_verdict_on_what_is_due_is_the_senders(change: Any, later: timedelta) -> None:
    enrollment = one_enrolled(days=(0, 1))
    engine.schedule_due(NOW, 2 * DAY)
    change(enrollment.doctor)
    now = NOW + later
    due = set(MessageDelivery.objects.filter(scheduled_at__lte=now).values_list("pk", flat=True))
    foreseen = {one.row.id: one for one in forecast(Doctor.objects.get(), now)}
    for channel in Channel.values:
        send_due(channel, now)
    for row in MessageDelivery.objects.filter(pk__in=due):
        said = foreseen[row.pk]
        if row.status == DeliveryStatus.SCHEDULED:
            assert said.first is not None
            assert said.first.until == row.scheduled_at  # type: ignore[union-attr]
            assert [v.gate for v in said.first.trace] == [g["gate"] for g in row.trace or []]
        else:
            assert said.status == (row.status if row.status == "skipped" else "sent")
            assert said.at == now
        if row.skip_reason:
            assert said.first.reason == row.skip_reason  # type: ignore[union-attr]


def test_forecast_reads_in_a_fixed_number_of_queries_and_writes_nothing() -> None:
    doctor = engine.member()
    enroll(engine.campaign(days=(0,), channels=("sms",)), NOW)
    forecast(doctor, NOW)
    with CaptureQueriesContext(connection) as one:
        forecast(doctor, NOW)
    enroll(engine.campaign(days=(0, 2, 3, 7)), NOW)
    engine.schedule_due(NOW)
    with CaptureQueriesContext(connection) as many:
        assert len(forecast(doctor, NOW)) == 13
    assert len(many) == len(one)
    assert {query["sql"].split()[0] for query in many} <= {"SELECT", "WITH"}
    assert not any("FOR UPDATE" in query["sql"] for query in many)


def test_message_that_caps_hold_says_when_there_is_room() -> None:
    enrollment = one_enrolled(days=(0,))
    engine.send_all(NOW)
    found = {one.step.channel: one for one in why(enrollment, NOW + HOUR).steps}
    assert found["whatsapp"].delivery is not None
    held = found["email"].coming
    assert held is not None
    assert held.goes
    assert held.at == NOW + DAY
    line = {one.title: one for one in why_text.lines(why(enrollment, NOW + HOUR))}
    assert "2 messages in 24 hours" in line["E-mail of day 0"].explained


def test_step_of_a_paused_campaign_is_held_until_somebody_resumes_it() -> None:
    enrollment = one_enrolled(days=(0,))
    engine.schedule_due(NOW)
    launch.pause(enrollment.campaign, NOW)
    found = why(enrollment)
    assert {one.coming.held_by[-1] for one in found.steps if one.coming} == {"pause"}
    assert "the campaign is paused" in why_text.sentence(found)


def test_holdout_is_never_written_to() -> None:
    enrollment = one_enrolled(days=(0,))
    CampaignEnrollment.objects.update(is_holdout=True, next_due_at=None)
    enrollment.refresh_from_db()
    found = why(enrollment)
    assert [one.coming for one in found.steps] == [None] * 3
    assert "in the holdout, which is never written to" in why_text.sentence(found)


# --- Why not enrolled -----------------------------------------------------------------------


def test_member_who_is_let_in_has_no_obstacle() -> None:
    campaign, doctor = engine.campaign(), engine.member()
    assert "enrolled with the next run" in why_text.sentence(explain(campaign, doctor, NOW))
    assert not_enrolled(campaign, doctor) == ""


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"status": "draft"}, "it is draft"),
        ({"status": "paused"}, "it is paused"),
        ({"status": "completed"}, "it is completed"),
        ({"start_date": NOW + DAY}, "starts on 05 Mar 2026"),
        ({"end_date": NOW - DAY}, "ended on 03 Mar 2026"),
        ({"inactivity_days": 30}, "That is so on 02 Apr 2026"),
    ],
)
def test_campaign_that_lets_nobody_in_says_why(fields: dict[str, Any], said: str) -> None:
    assert said in not_enrolled(engine.campaign(**fields), engine.member())


def test_campaign_without_steps_lets_nobody_in() -> None:
    assert "has no steps" in not_enrolled(engine.campaign(days=()), engine.member())


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({}, "opted out of every channel"),
        ({"segment_type": "unclaimed_certificates"}, "opted out of every channel"),
        ({"segment_type": "no_show"}, ""),
        ({"channel": "sms"}, ""),
        ({"paused_until": NOW + DAY}, "a pause until 05 Mar 2026, 12:00"),
    ],
)
def test_opt_out_keeps_out_where_it_covers_every_channel(record: Any, said: str) -> None:
    campaign, doctor = engine.campaign(), engine.member()
    UnsubscribeRecord.objects.create(doctor=doctor, **record)
    found = not_enrolled(campaign, doctor)
    assert said in found
    assert bool(said) == bool(found)


def test_suppressions_of_every_channel_keep_out() -> None:
    campaign, doctor = engine.campaign(channels=("sms", "email")), engine.member()
    for channel in ("sms", "email"):
        Suppression.objects.create(doctor=doctor, channel=channel, reason="invalid", since=NOW)
    assert "every channel that it uses is suppressed" in not_enrolled(campaign, doctor)


def test_doctor_outside_the_segment_hears_which_condition_fails() -> None:
    campaign, doctor = engine.campaign(), engine.doctor()
    assert "has no certificate" in not_enrolled(campaign, doctor)
    engine.certificate(doctor, downloaded_at=NOW)
    assert "was downloaded or viewed" in not_enrolled(campaign, doctor)
    engine.certificate(doctor, expires_at=NOW - HOUR)
    assert "has expired" in not_enrolled(campaign, doctor)
    engine.certificate(doctor)
    assert "with its next run" in not_enrolled(campaign, doctor)


def test_doctor_who_was_in_it_about_the_same_is_not_in_it_again() -> None:
    enrollment = one_enrolled()
    CampaignEnrollment.objects.update(status="converted", completed_at=NOW)
    said = not_enrolled(enrollment.campaign, enrollment.doctor)
    assert f"in this campaign about “{enrollment.subject}” before" in said


def test_doctor_with_another_subject_has_its_turn() -> None:
    enrollment = one_enrolled()
    CampaignEnrollment.objects.update(status="converted", completed_at=NOW)
    engine.certificate(enrollment.doctor)
    assert not_enrolled(enrollment.campaign, enrollment.doctor) == ""


def test_doctor_who_opted_out_of_the_campaign_is_never_in_it_again() -> None:
    enrollment = one_enrolled()
    CampaignEnrollment.objects.update(status="unsubscribed", completed_at=NOW)
    engine.certificate(enrollment.doctor)
    said = not_enrolled(enrollment.campaign, enrollment.doctor)
    assert "never enrols that doctor again" in said


def test_doctor_outside_the_rollout_hears_at_which_stage_it_is_its_turn() -> None:
    campaign = engine.campaign(rollout_percent=10)
    doctors = [engine.member() for _ in range(12)]
    for doctor in doctors:
        place = bucket(f"rollout:{campaign.pk}", doctor.pk) / 100
        said = not_enrolled(campaign, doctor)
        if place >= 10:
            stage = next(percent for percent in (25, 50, 100) if place < percent)
            assert f"let in at {stage} %" in said
        else:
            assert said == ""


# --- The page -------------------------------------------------------------------------------


def page(campaign_id: uuid.UUID, **query: object) -> str:
    address = reverse("admin:campaigns_campaign_why", args=[campaign_id])
    return f"{address}?{'&'.join(f'{key}={value}' for key, value in query.items())}"


@pytest.mark.parametrize("by", ["pk", "external_id", "phone", "email"])
@time_machine.travel(NOW, tick=False)
def test_page_finds_the_doctor_and_answers_first(admin_client: Client, by: str) -> None:
    enrollment = one_enrolled()
    term = str(getattr(enrollment.doctor, by)).replace("+", "%2B")
    response = admin_client.get(page(enrollment.campaign_id, doctor=term))
    assert response.context["sentence"] == (
        f"{enrollment.doctor} gets WhatsApp of day 0 on 4 Mar 2026, 12:00."
    )
    assert len(response.context["lines"]) == 6


@time_machine.travel(NOW, tick=False)
def test_page_lets_choose_where_the_term_names_several(admin_client: Client) -> None:
    first, second = engine.doctor(last_name="Iyer"), engine.doctor(last_name="Iyer")
    campaign = engine.campaign()
    response = admin_client.get(page(campaign.pk, doctor="iyer"))
    assert "Which doctor?" in response.content.decode()
    assert [doctor for doctor, _ in response.context["doctors"]] == [first, second]
    chosen = admin_client.get(response.context["doctors"][1][1])
    assert chosen.context["why"].doctor == second


@pytest.mark.parametrize("term", ["nobody@example.com", "999999999999999", "%00", "x' OR 1=1"])
def test_page_says_that_nobody_is_found(admin_client: Client, term: str) -> None:
    response = admin_client.get(page(engine.campaign().pk, doctor=term))
    assert response.status_code == 200
    assert "why" not in response.context


@time_machine.travel(NOW, tick=False)
def test_page_asks_as_often_for_many_steps_as_for_one(admin_client: Client) -> None:
    one_step = one_enrolled(days=(0,), channels=("sms",))
    admin_client.get(page(one_step.campaign_id, key=one_step.doctor_id))
    with CaptureQueriesContext(connection) as one:
        admin_client.get(page(one_step.campaign_id, key=one_step.doctor_id))
    many_steps = engine.enrolled(days=(0, 2, 3, 7, 10))[0]
    with CaptureQueriesContext(connection) as many:
        admin_client.get(page(many_steps.campaign_id, key=many_steps.doctor_id))
    assert len(many) <= len(one)


@time_machine.travel(NOW, tick=False)
def test_page_shows_names_as_they_are_written(admin_client: Client) -> None:
    doctor = engine.doctor(last_name="<b>Rao</b>")
    response = admin_client.get(page(engine.campaign().pk, key=doctor.pk))
    assert "<b>Rao" not in response.content.decode()


@pytest.mark.parametrize("missing", ["segments.view_doctor", "messaging.view_messagedelivery"])
def test_page_is_refused_to_who_may_not_see_doctors_and_messages(missing: str) -> None:
    wanted = {"campaigns.view_campaign", "segments.view_doctor", "messaging.view_messagedelivery"}
    client = staff(*(wanted - {missing}))
    assert client.get(page(engine.campaign().pk, doctor="d1")).status_code == 403


@time_machine.travel(NOW, tick=False)
def test_pages_of_enrolment_doctor_and_delivery_lead_there(admin_client: Client) -> None:
    enrollment = one_enrolled()
    engine.schedule_due(NOW)
    target = page(enrollment.campaign_id, key=enrollment.doctor_id)
    way = reverse("admin:campaigns_campaignenrollment_why", args=[enrollment.pk])
    assert admin_client.get(way)["Location"] == target
    delivery = MessageDelivery.objects.first()
    assert delivery is not None
    for name, key in (
        ("segments_doctor", enrollment.doctor_id),
        ("messaging_messagedelivery", delivery.pk),
        ("campaigns_campaignenrollment", enrollment.pk),
    ):
        html = admin_client.get(reverse(f"admin:{name}_change", args=[key])).content.decode()
        assert way in html
