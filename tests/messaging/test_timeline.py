"""A doctor's timeline: everything of theirs, in one order, page by page, nothing of others."""

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.convert import end_converted
from campaigns.models import CampaignEnrollment
from campaigns.schedule import schedule_due
from messaging import optout, suppress, track
from messaging.models import (
    ConsentRecord,
    DeliveryAttempt,
    InboundMessage,
    MessageDelivery,
    ProviderEvent,
    SuppressionReason,
)
from messaging.send import send_due
from messaging.timeline.page import SOURCES, Place, Theme, Wanted, newest, page, place_of
from segments.models import AidaUsage, Certificate, Doctor
from tests import engine
from tests.engine import DAY, NOW, enrolled
from tests.messaging.scripted import BUSY, TAKEN

pytestmark = pytest.mark.django_db
IST = ZoneInfo("Asia/Kolkata")
M = timedelta(minutes=1)


def wanted(doctor_id, **fields):
    return Wanted(doctor_id, IST, **fields)


def words(doctor_id, now=NOW, **fields):
    return [entry.said.word for entry in newest(wanted(doctor_id, **fields), now)[1].entries]


def themed(theme):
    return [source for source in SOURCES if source.theme == theme]


def sent(channel="sms"):
    """A message to the only doctor, whose other rows lie elsewhere in time."""
    (enrollment,) = enrolled(1, days=(0,), channels=(channel,))
    schedule_due(NOW)
    assert send_due(channel, NOW).sent == 1
    return MessageDelivery.objects.get(enrollment=enrollment)


def event(delivery, key, kind, at, **fields):
    return track.Event("sandbox", key, kind, at, delivery_id=delivery.pk, **fields)


def test_timeline_of_a_message_has_each_fact_newest_first():
    delivery = sent()
    kinds = ("delivered", "opened", "clicked")
    track.store([event(delivery, k, k, NOW + n * M) for n, k in enumerate(kinds, 1)], NOW)
    track.apply_events(NOW)
    found = words(delivery.doctor_id, NOW + DAY, sources=themed(Theme.MESSAGES))
    assert found == ["Followed the link", "Opened", "Arrived", "Sent"]


def test_timeline_puts_facts_of_one_moment_in_their_order():
    delivery = sent()
    track.store([event(delivery, "c", "clicked", NOW)], NOW)
    track.apply_events(NOW)
    found = words(delivery.doctor_id, NOW + DAY, sources=themed(Theme.MESSAGES))
    assert found == ["Followed the link", "Opened", "Arrived", "Sent"]


def test_timeline_shows_repeated_hits_and_those_of_machines_apart():
    delivery = sent()
    hits = [
        event(delivery, "1", "clicked", NOW + 5 * M),
        event(delivery, "2", "clicked", NOW + 9 * M),
        event(delivery, "3", "clicked", NOW + M, is_machine=True, detail={"machine": "head"}),
        event(delivery, "4", "delivered", NOW + M),
        event(delivery, "5", "complained", NOW + 10 * M),
    ]
    track.store(hits, NOW)
    track.apply_events(NOW)
    source = [s for s in SOURCES if s.model == "messaging.ProviderEvent"]
    entries = newest(wanted(delivery.doctor_id, sources=source), NOW + DAY)[1].entries
    assert [e.said.word for e in entries] == [
        "Reported as spam",
        "Followed the link again",
        "A machine, not counted",
    ]
    assert "scanner" in entries[2].said.sentence
    assert {e.target for e in entries} == {("messaging.MessageDelivery", delivery.pk)}


def test_timeline_tells_of_refusals_and_of_what_was_put_off(provider):
    (enrollment,) = enrolled(1, days=(0,), channels=("sms",))
    schedule_due(NOW)
    provider(BUSY, TAKEN)
    send_due("sms", NOW)
    doctor_id = enrollment.doctor_id
    MessageDelivery.objects.update(
        scheduled_at=NOW + DAY,
        trace=[{"gate": "caps", "verdict": "defer", "detail": "2 messages in 24 hours"}],
    )
    coming, past = newest(wanted(doctor_id, sources=themed(Theme.MESSAGES)), NOW)
    assert [e.said.word for e in past.entries] == ["Refused by the provider"]
    (waits,) = coming.entries
    assert (waits.said.word, waits.at) == ("Put off till then", NOW + DAY)
    assert "fell due on 04 Mar 2026, 12:00 and was put off: 2 messages" in waits.said.sentence
    assert send_due("sms", NOW + DAY).sent == 1
    (first, _) = newest(wanted(doctor_id, sources=themed(Theme.MESSAGES)), NOW + DAY)[1].entries
    assert first.said.word == "Sent"
    assert "fell due on 04 Mar 2026, 12:00" in first.said.sentence


def test_timeline_tells_times_in_the_zone_that_is_wanted():
    delivery = sent()
    optout.pause(delivery.doctor_id, source="link", now=NOW)
    source = themed(Theme.WISHES)
    found = newest(Wanted(delivery.doctor_id, ZoneInfo("Asia/Dubai"), source), NOW)[1].entries
    assert "until 03 Apr 2026, 10:30" in found[0].said.sentence


def test_timeline_has_what_was_not_sent_and_why():
    (enrollment,) = enrolled(1, days=(0,), channels=("sms",))
    schedule_due(NOW)
    optout.opt_out(enrollment.doctor_id, "sms", None, source="reply", now=NOW)
    entries = newest(wanted(enrollment.doctor_id), NOW)[1].entries
    not_sent = next(e for e in entries if e.said.word == "Not sent")
    assert not_sent.said.sentence.endswith(". The doctor had opted out.")


def test_timeline_has_nothing_to_come_that_was_skipped():
    now = timezone.now()
    enrolled(1, days=(0,), channels=("sms",))
    schedule_due(NOW)
    MessageDelivery.objects.update(scheduled_at=now + DAY, expires_at=now + 2 * DAY)
    delivery = MessageDelivery.objects.get()
    doctor_id, ago = delivery.doctor_id, now - timedelta(hours=1)
    assert [e.said.word for e in newest(wanted(doctor_id), now)[0].entries] == ["Planned"]
    optout.opt_out(doctor_id, None, None, source="admin", now=ago)
    CampaignEnrollment.objects.update(completed_at=now + DAY)
    coming, past = newest(wanted(doctor_id), timezone.now())
    assert not coming.entries
    (skipped,) = [e for e in past.entries if e.said.word == "Not sent"]
    assert skipped.at == ago


def test_timeline_of_wishes_has_both_ways():
    doctor = engine.doctor()
    record = optout.opt_out(doctor.pk, "sms", None, source="reply", now=NOW - 9 * M)
    optout.opt_in(record, NOW - 8 * M)
    pause = optout.pause(doctor.pk, source="link", now=NOW - 7 * M)
    optout.opt_in(pause, NOW - 6 * M)
    held = suppress.suppress(doctor.pk, "email", SuppressionReason.INVALID, now=NOW - 5 * M)
    suppress.lift(held, NOW - 4 * M)
    ConsentRecord.objects.create(
        doctor=doctor, channel="sms", is_given=False, recorded_at=NOW, source="form"
    )
    assert words(doctor.pk, sources=themed(Theme.WISHES)) == [
        "Withdrew consent",
        "Channel opened again",
        "Channel closed",
        "Pause ended early",
        "Asked for a pause",
        "Opt-out taken back",
        "Opted out",
        "Gave consent",
    ]


def test_timeline_marks_the_activity_that_counted_as_coming_back():
    (enrollment,) = enrolled(1, days=(0,), channels=("sms",))
    Certificate.objects.update(downloaded_at=NOW + M)
    end_converted(NOW + 2 * M)
    entries = newest(wanted(enrollment.doctor_id), NOW + 2 * M)[1].entries
    found = {e.said.word: e.said.sentence for e in entries}
    assert f"coming back in “{enrollment.campaign}”" in found["Downloaded a certificate"]
    assert "Came back" in found
    assert "had come back" in found["Campaign ended"]
    without = [s for s in SOURCES if s.theme == Theme.ACTIVITY]
    entries = newest(wanted(enrollment.doctor_id, sources=without), NOW + 2 * M)[1].entries
    assert not any("coming back" in e.said.sentence for e in entries)


def test_timeline_has_what_the_doctor_wrote_and_the_answer():
    delivery = sent("whatsapp")
    wrote = InboundMessage.objects.create(
        provider="twilio",
        channel="whatsapp",
        doctor_id=delivery.doctor_id,
        sender="+91",
        text="DEMO",
        delivery=delivery,
        received_at=NOW + M,
    )
    answer = {"text": "A video", "written_at": NOW + M, "sent_at": NOW + 2 * M, "status": "sent"}
    wrote.replies.create(**answer, is_automatic=True)
    entries = newest(wanted(delivery.doctor_id, sources=themed(Theme.MESSAGES)), NOW + DAY)[1]
    answered, written = entries.entries[:2]
    assert (answered.said.word, answered.said.sentence) == (
        "Answered",
        "The keyword's answer: “A video”",
    )
    assert answered.target == ("messaging.InboundMessage", wrote.pk)
    assert written.said.sentence == "WhatsApp: “DEMO” It waits for somebody to read it."


def test_timeline_of_a_campaign_has_nothing_of_another():
    delivery = sent()
    other = engine.campaign(days=(0,), channels=("email",))
    CampaignEnrollment.objects.create(campaign=other, doctor_id=delivery.doctor_id, enrolled_at=NOW)
    found = words(delivery.doctor_id, NOW, campaign_id=other.pk)
    assert found == ["Enrolled"]
    own = words(delivery.doctor_id, NOW, campaign_id=delivery.enrollment.campaign_id)
    assert own == ["Sent", "Enrolled"]


def test_timeline_has_nothing_of_another_doctor():
    delivery = sent()
    stranger = Doctor.objects.create(external_id="x", first_name="A", last_name="B")
    Doctor.objects.filter(pk=stranger.pk).update(created_at=NOW, updated_at=NOW)
    assert words(stranger.pk) == ["Came onto the record"]
    assert "Sent" in words(delivery.doctor_id)


def test_pages_go_through_every_line_once_also_at_one_moment():
    doctor = engine.doctor()
    uses = [NOW - n // 4 * M for n in range(23)]
    for number, at in enumerate(uses):
        doctor.agent_usage.create(agent=f"agent {number}", used_at=at)
    AidaUsage.objects.create(doctor=doctor, used_at=NOW)
    asked = wanted(doctor.pk, sources=themed(Theme.ACTIVITY))
    seen, place = [], Place(NOW)
    while place:
        found = page(asked, place, 5)
        assert len(found.entries) <= 5
        seen += [(e.model, e.key) for e in found.entries]
        place = found.older and place_of(str(found.older))
    assert len(seen) == len(set(seen)) == 24
    at_once = [(e.model, e.key) for e in page(asked, Place(NOW), 50).entries]
    assert seen == at_once


@pytest.mark.parametrize(
    "text",
    [
        "",
        "~",
        "2026-03-04",
        "2026-03-04T10:00:00~01:a.B:c:1",  # no zone
        "2026-13-04T10:00:00Z~01:a.B:c:1",
        "2026-03-04T10:00:00Z~'; DROP TABLE doctors",
        "2026-03-04T10:00:00Z~99",
    ],
)
def test_place_that_is_none_is_not_taken(text):
    assert place_of(text) is None


def test_timeline_asks_as_often_for_thirty_rows_as_for_one():
    delivery = sent()
    asked = wanted(delivery.doctor_id, sources=themed(Theme.MESSAGES))
    with CaptureQueriesContext(connection) as one:
        newest(asked, NOW)
    for number in range(30):
        CampaignEnrollment.objects.create(
            campaign_id=delivery.enrollment.campaign_id,
            doctor_id=delivery.doctor_id,
            subject=f"s{number}",
            status="completed",
            enrolled_at=NOW,
        ).deliveries.create(
            campaign_message=delivery.campaign_message,
            doctor_id=delivery.doctor_id,
            channel="sms",
            scheduled_at=NOW + (number % 2) * DAY,
            due_at=NOW,
            expires_at=NOW + DAY,
        )
    with CaptureQueriesContext(connection) as thirty:
        coming, past = newest(asked, NOW)
    assert (len(coming.entries), len(past.entries)) == (15, 16)
    assert len(thirty) == len(one) == 3  # what is to come, what was, deliveries


def test_timeline_finds_everything_by_indexes():
    doctor = engine.doctor()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for source in SOURCES:
            values = {"doctor": doctor.pk, "campaign": None}
            for in_campaign in {False, bool(source.of_campaign)}:
                cursor.execute(f"EXPLAIN {source.select(in_campaign=in_campaign)}", values)
                plan = "\n".join(row[0] for row in cursor.fetchall())
                table = source.rows._meta.db_table
                assert not re.search(rf"Seq Scan on {table}\b", plan), plan


def test_every_outcome_report_and_state_has_words():
    delivery = sent()
    say = {source.model.partition(".")[2]: source.say for source in SOURCES}
    for outcome in ("refused", "unknown", "written_off", "released"):
        attempt = DeliveryAttempt(delivery=delivery, outcome=outcome, error_message="Why.")
        assert "Why." in say["DeliveryAttempt"](attempt, "ended").sentence
    for kind in ("opened", "clicked", "failed", "looked", "complained", "unsubscribed"):
        report = ProviderEvent(delivery=delivery, kind=kind, processed_at=NOW)
        assert say["ProviderEvent"](report, "reported").word
        report.processed_at = None
        assert "Not counted yet" in say["ProviderEvent"](report, "reported").sentence
    for status, word in (("scheduled", "Planned"), ("sending", "Being sent")):
        delivery.status = status
        assert say["MessageDelivery"](delivery, "planned").word == word
