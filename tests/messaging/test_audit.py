"""What rightly happens breaks no promise; a single breach of I1, I2 or I5 is found, and only it."""

from datetime import timedelta
from typing import Any

import pytest

from campaigns.models import Campaign, CampaignEnrollment
from campaigns.schedule import schedule_due
from messaging.audit.finding import Scope, first_id
from messaging.audit.run import check
from messaging.authorize import authorize_due, hand_over
from messaging.models import (
    AttemptOutcome,
    ConsentRecord,
    DeliveryAttempt,
    DeliveryStatus,
    MessageDelivery,
    ProviderEvent,
    SandboxMessage,
    SendWindow,
)
from messaging.optout import opt_in, opt_out
from messaging.providers.base import Unknown
from segments.models import Doctor
from tests.engine import DAY, NOW, answer, doctor, enrolled
from tests.messaging.history import (
    HOUR,
    MINUTE,
    SECOND,
    days_of_everything,
    found,
    run_sql,
    sent,
    settle,
    unguarded,
    went_out,
    words,
)

pytestmark = pytest.mark.django_db
QUARTER = timedelta(minutes=15)


def test_nothing_breaks_a_promise_in_an_empty_database():
    assert found() == {}


def test_days_of_everything_break_no_promise(monkeypatch):
    end = days_of_everything(monkeypatch)
    statuses = set(MessageDelivery.objects.values_list("status", flat=True))
    assert statuses == set(DeliveryStatus.values) - {"scheduled", "sending", "unknown"}
    outcomes = set(DeliveryAttempt.objects.values_list("outcome", flat=True))
    assert outcomes == set(AttemptOutcome.values) - {"pending"}
    reasons = set(MessageDelivery.objects.exclude(skip_reason=None).values_list("skip_reason"))
    assert {("unsubscribed",), ("frequency_cap",)} <= reasons
    assert ProviderEvent.objects.filter(processed_at=None).count() == 6  # about nobody
    assert found(end) == {}
    assert found(end, since=NOW + 2 * DAY) == {}


def test_messages_on_their_way_break_no_promise():
    enrolled(3, days=(0, 1), channels=("sms",))
    schedule_due(NOW)
    settle()
    claims = authorize_due("sms", NOW, 2).claims
    assert hand_over(claims[0].claim_id, NOW)
    assert found(NOW) == {}
    answer(claims, [Unknown("reset")] * 2, NOW + MINUTE)
    assert found() == {}


def test_audit_changes_nothing(monkeypatch):
    end = days_of_everything(monkeypatch)
    tables = (MessageDelivery, DeliveryAttempt, ProviderEvent, SandboxMessage, SendWindow)
    before = [list(model.objects.order_by("pk").values()) for model in tables]
    found(end)
    assert [list(model.objects.order_by("pk").values()) for model in tables] == before


def test_since_leaves_out_what_was_before():
    went_out(doctor(), "sms", NOW + 12 * HOUR)
    went_out(doctor(), "sms", NOW + DAY + 12 * HOUR)
    end = NOW + 3 * DAY
    assert found(end) == {"I4": 2}
    assert found(end, since=NOW + DAY) == {"I4": 1}
    assert found(end, since=NOW + 2 * DAY) == {}


def test_first_id_is_smaller_than_the_keys_of_that_day():
    newest = went_out(doctor(), "sms", NOW)
    assert first_id(None) < newest.pk
    later = newest.delivery.created_at + 3 * DAY
    assert first_id(newest.delivery.created_at) < newest.pk < first_id(later)


# --- I1 ----------------------------------------------------------------------------------------


def second_attempt(delivery: MessageDelivery, outcome: str) -> None:
    (first,) = delivery.attempts.all()
    first.pk = None
    first.outcome, first.authorised_at = outcome, first.authorised_at + DAY
    first.counts = outcome in ("accepted", "unknown", "pending")
    first.save(force_insert=True)


@pytest.mark.parametrize("outcome", ["accepted", "unknown"])
def test_i1_two_attempts_that_may_have_been_accepted(outcome):
    delivery = sent()
    run_sql("DROP INDEX delivery_attempts_once")
    second_attempt(delivery, outcome)
    # The missing index is found by its absence, and by what it no longer refuses.
    assert found(NOW + 2 * DAY) == {"I1": 1, "I8": 2}
    (said,) = words("I1")
    first, second = "04 Mar 2026 12:00:00 (accepted)", f"05 Mar 2026 12:00:00 ({outcome})"
    assert said == f"Two attempts went out, or may have: of {first} and {second}."


@pytest.mark.parametrize("outcome", ["refused", "released", "written_off"])
def test_i1_attempts_that_reached_nobody_or_were_written_off_are_none(outcome):
    second_attempt(sent(), outcome)
    assert found(NOW + 2 * DAY) == {}


def test_i1_attempt_that_went_out_and_does_not_count():
    sent().attempts.update(counts=False)
    assert found() == {"I1": 1}
    assert words("I1") == [
        "The attempt of 04 Mar 2026 12:00:00 is accepted, but does not count as gone out."
    ]


@pytest.mark.parametrize("status", ["scheduled", "skipped", "unknown"])
def test_i1_accepted_message_that_is_in_line_again(status):
    delivery = sent()
    with unguarded():
        run_sql(
            "UPDATE message_deliveries SET status = %s, skip_reason = 'converted' WHERE id = %s",
            status,
            delivery.pk,
        )
    assert found() == {"I1": 1}


# --- I2 ----------------------------------------------------------------------------------------


def after_opt_out(delivery: MessageDelivery, channel: str | None, segment: str | None) -> None:
    """Opted out first, by the counter; the clock says that the message was first."""
    opt_out(delivery.doctor_id, channel, segment, source="link", now=NOW + HOUR)
    saw_the_counter(delivery)


def saw_the_counter(delivery: MessageDelivery) -> None:
    delivery.doctor.refresh_from_db()
    delivery.attempts.update(consent_version=delivery.doctor.consent_version)


@pytest.mark.parametrize(
    ("channel", "segment", "is_covered"),
    [
        (None, None, True),
        ("sms", None, True),
        (None, "unclaimed_certificates", True),
        ("sms", "unclaimed_certificates", True),
        ("email", None, False),
        (None, "no_show", False),
        ("sms", "no_show", False),
    ],
)
def test_i2_attempt_after_an_opt_out_that_covered_it(channel, segment, is_covered):
    after_opt_out(sent("sms"), channel, segment)
    assert found() == ({"I2": 1} if is_covered else {})


def test_i2_attempt_before_an_opt_out_is_right_whatever_the_clock_says():
    delivery = sent()
    opt_out(delivery.doctor_id, None, None, source="link", now=NOW - DAY)
    assert found() == {}


@pytest.mark.parametrize(("version", "count"), [(1, 0), (2, 1), (3, 0)])
def test_i2_opt_out_holds_until_it_was_taken_back(version, count):
    delivery = sent()  # 1 is the doctor's consent to WhatsApp
    opt_in(opt_out(delivery.doctor_id, None, None, source="link", now=NOW), NOW)
    delivery.attempts.update(consent_version=version)
    assert found() == ({"I2": count} if count else {})


def test_i2_two_opt_outs_are_one_breach():
    delivery = sent()
    opt_out(delivery.doctor_id, "sms", None, source="link", now=NOW)
    after_opt_out(delivery, None, None)
    assert found() == {"I2": 1}


def consent(whom: Doctor, channel: str, *, is_given: bool, at: Any = NOW - DAY) -> None:
    ConsentRecord.objects.create(
        doctor=whom, channel=channel, is_given=is_given, recorded_at=at, source="test"
    )


def test_i2_attempt_after_consent_was_withdrawn():
    delivery = sent("sms")
    consent(delivery.doctor, "sms", is_given=False)
    assert found() == {}
    saw_the_counter(delivery)
    assert found() == {"I2": 1}
    consent(delivery.doctor, "sms", is_given=True, at=NOW - HOUR)
    saw_the_counter(delivery)
    assert found() == {}


def test_i2_attempt_without_the_consent_that_its_channel_needs(settings):
    whatsapp, sms = sent("whatsapp"), sent("sms")
    assert found() == {}
    ConsentRecord.objects.filter(doctor=whatsapp.doctor).delete()
    ConsentRecord.objects.filter(doctor=sms.doctor).delete()
    assert found() == {"I2": 1}
    consent(whatsapp.doctor, "whatsapp", is_given=True)  # told too late
    assert found() == {"I2": 1}
    settings.CONSENT_REQUIRED = frozenset()
    assert found() == {}


def test_i2_consent_that_was_changed_since_is_not_held_against_a_message():
    delivery = sent("whatsapp")
    ConsentRecord.objects.filter(doctor=delivery.doctor).update(is_given=False)
    assert found() == {}
    saw_the_counter(delivery)
    assert found() == {"I2": 1}


def test_i2_counter_that_the_doctor_never_had():
    sent().attempts.update(consent_version=9)
    assert found() == {"I2": 1}


def test_i2_opt_out_that_was_taken_back_behind_the_counter():
    delivery = sent()
    record = opt_out(delivery.doctor_id, None, None, source="link", now=NOW)
    with unguarded():
        run_sql("UPDATE unsubscribe_records SET revoked_at = now() WHERE id = %s", record.pk)
    assert found() == {"I2": 1}


def test_i2_opt_out_that_the_counter_does_not_show():
    delivery = sent()
    with unguarded():
        run_sql(
            "INSERT INTO unsubscribe_records (user_id, consent_version) VALUES (%s, 5)",
            delivery.doctor_id,
        )
    assert found() == {"I2": 1}


# --- I5 ----------------------------------------------------------------------------------------


def scheduled(channel: str = "sms") -> MessageDelivery:
    (enrollment,) = enrolled(days=(0,), channels=(channel,))
    schedule_due(NOW)
    settle()
    return MessageDelivery.objects.get(enrollment=enrollment)


def test_i5_scheduled_message_past_its_expiry():
    delivery = scheduled()
    assert found(delivery.expires_at + QUARTER) == {}
    assert found(delivery.expires_at + QUARTER + SECOND) == {"I5": 1}


def test_i5_message_being_sent_past_its_expiry_by_a_window_that_nobody_takes():
    delivery = scheduled()
    assert authorize_due("sms", NOW).claims
    window = SendWindow.objects.get()
    assert found(window.lease_expires_at + QUARTER) == {}
    assert found(window.lease_expires_at + QUARTER + SECOND) == {"I5": 1}
    assert found(delivery.expires_at + QUARTER + SECOND) == {"I5": 2}


def test_i5_message_whose_window_is_gone():
    scheduled()
    assert authorize_due("sms", NOW).claims
    SendWindow.objects.all().delete()
    assert found(NOW) == {"I5": 1}
    assert found(NOW + QUARTER + SECOND) == {"I5": 2}  # and its attempt has no end


def test_i5_unknown_message_that_nobody_closes():
    scheduled()
    answer(authorize_due("sms", NOW).claims, [Unknown("reset")], NOW)
    a_day = NOW + DAY + QUARTER
    assert found(a_day) == {}
    assert found(a_day + SECOND) == {"I5": 1}
    MessageDelivery.objects.update(claim_id=None)
    assert found(NOW) == {"I5": 1}


@pytest.mark.parametrize(
    ("status", "column", "check"),
    [
        ("skipped", "skip_reason", "message_deliveries_skipped_says_why"),
        ("failed", "error_message", "message_deliveries_failed_says_why"),
    ],
)
@pytest.mark.parametrize("reason", [None, ""])
def test_i5_ended_message_without_its_reason(status, column, check, reason):
    delivery = sent()
    run_sql(f"ALTER TABLE message_deliveries DROP CONSTRAINT {check}")
    with unguarded():
        run_sql(
            f"UPDATE message_deliveries SET status = %s, {column} = %s, sent_at = NULL, "
            "failed_at = CASE WHEN %s = 'failed' THEN now() END WHERE id = %s",
            *(status, reason, status, delivery.pk),
        )
        delivery.attempts.update(outcome="refused", counts=False)
        SandboxMessage.objects.all().delete()
    assert found() == {"I5": 1, "I8": 1}


def test_i5_status_that_is_in_no_sum():
    delivery = sent()
    with unguarded():
        run_sql("UPDATE message_deliveries SET status = 'x' WHERE id = %s", delivery.pk)
    assert found() == {"I5": 1, "I7": 1}


def test_i5_step_that_fell_due_and_was_never_scheduled():
    delivery = sent()
    due = MessageDelivery.objects.get().due_at
    MessageDelivery.objects.all().delete()
    assert found(due + 75 * MINUTE) == {}
    assert found(due + 75 * MINUTE + SECOND) == {"I5": 1}
    later = due + 2 * HOUR
    for change in (
        {"status": "paused"},
        {"start_date": later - HOUR},
        {"end_date": later - HOUR},
        {"updated_at": later - HOUR},  # resumed, or edited: the next hour schedules it
    ):
        Campaign.objects.update(**change)
        assert found(later) == {}, change
        Campaign.objects.update(
            status="active", start_date=None, end_date=None, updated_at=NOW - 30 * DAY
        )
    assert found(later) == {"I5": 1}
    CampaignEnrollment.objects.filter(pk=delivery.enrollment_id).update(status="converted")
    assert found(later) == {}


def test_scope_may_have_less_patience_than_the_hourly_schedule_asks_for():
    sent()
    MessageDelivery.objects.all().delete()
    at_once = Scope(NOW + SECOND, unscheduled=timedelta(0))
    counts = {one.invariant.code: one.found.count for one in check(at_once)}
    assert counts["I5"] == 1
    assert found(NOW + SECOND) == {}
