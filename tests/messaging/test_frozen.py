"""A worker frozen or killed at any statement, and clocks that differ: what may never come of it."""

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.models.functions import Now

from campaigns.models import Campaign
from campaigns.schedule import schedule_due
from messaging import lanes
from messaging.authorize import authorize_due, hand_over
from messaging.clock import database_clock
from messaging.models import (
    Channel,
    DeliveryAttempt,
    MessageDelivery,
    MessageTemplate,
    SendWindow,
)
from messaging.providers import base
from messaging.reap import reap
from messaging.record import Tally
from messaging.send import run_lane, send_due
from segments.models import Certificate, Session
from tests.engine import DAY, NOW, enrolled
from tests.messaging.scripted import SILENT
from tests.messaging.test_accounts_bucket import account

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
GONE = NOW + settings.SEND_LEASE + SECOND


def due(count, **fields):
    enrolled(count, days=(0,), **{"channels": ("sms",), **fields})
    schedule_due(NOW)


def statuses():
    return list(MessageDelivery.objects.order_by("pk").values_list("status", flat=True))


# --- Frozen ---------------------------------------------------------------------------------


def test_who_was_frozen_before_it_authorised_sends_nothing_at_another_hour(provider):
    """Decided with the clock of noon, handed over at midnight."""
    due(2)
    scripted = provider()
    send_due("sms", NOW, clock=lambda: NOW + 12 * HOUR)
    assert scripted.ledger == []


def test_a_lease_that_is_over_is_over_also_before_the_reaper_came(provider):
    due(2)
    claims = authorize_due("sms", NOW, 500).claims
    assert not hand_over(claims[0].claim_id, GONE)
    reap(GONE)
    assert statuses() == ["scheduled"] * 2


@pytest.mark.django_db(transaction=True)
def test_ten_seconds_count_from_before_the_authorisation_was_committed(monkeypatch):
    """Whoever is frozen right after the commit has not just authorised."""
    due(1)
    committed, commit = [], connection.commit

    def noted():
        commit()
        committed.append(base.clock())

    monkeypatch.setattr(connection, "commit", noted)
    authorized = authorize_due("sms", NOW, 500)
    assert authorized.claims
    assert authorized.at <= committed[-1]


def test_late_answers_beside_a_message_that_lacks_a_value_are_not_lost(provider):
    """The worker froze in the call until the reaper had taken its window."""
    enrollments = enrolled(2, days=(0,), channels=("sms",))
    schedule_due(NOW)
    lacking = without_speaker(enrollments[0].doctor_id)
    scripted = provider()
    scripted.during = lambda: reap(GONE)
    assert send_due("sms", NOW) == Tally(sent=1, skipped=1)
    assert MessageDelivery.objects.get(status="sent").pk in scripted.ledger
    assert MessageDelivery.objects.get(pk=lacking).skip_reason == "missing_variable"


# --- Killed ---------------------------------------------------------------------------------


class Killed(BaseException):
    """Nothing of this worker goes on."""


def killed():
    raise Killed


def test_what_lacks_a_value_beside_one_that_is_in_the_call_is_not_unknown(provider):
    """Nobody ever heard of it: 'it may have arrived' would be untrue."""
    enrollments = enrolled(2, days=(0,), channels=("sms",))
    schedule_due(NOW)
    lacking = without_speaker(enrollments[0].doctor_id)
    scripted = provider()
    scripted.during = killed
    with pytest.raises(Killed):
        send_due("sms", NOW)
    assert len(scripted.ledger) == 1
    reap(GONE)
    assert MessageDelivery.objects.get(pk=lacking).status in {"skipped", "scheduled"}


def without_speaker(doctor_id):
    """This doctor's session has no speaker, and the template names one. Which delivery it is."""
    session = Session.objects.get()
    session.speaker_name = "Meera Iyer"
    session.save()
    session.pk, session.external_id, session.speaker_name = None, "s2", ""
    session.save(force_insert=True)
    Certificate.objects.filter(doctor_id=doctor_id).update(session=session)
    MessageTemplate.objects.update(template_content="{{speaker_name}}: {{shortlink}}")
    return MessageDelivery.objects.get(doctor_id=doctor_id).pk


# --- Mistakes that are nobody's answer ------------------------------------------------------


def test_a_provider_that_does_not_exist_has_not_been_asked(settings):
    due(2)
    settings.MESSAGE_PROVIDERS = {**settings.MESSAGE_PROVIDERS, "sms": "twillio"}
    with pytest.raises(ImproperlyConfigured):
        send_due("sms", NOW)
    reap(GONE)
    assert statuses() == ["scheduled"] * 2


def test_a_dead_provider_takes_a_handful_also_before_anybody_made_its_account(provider):
    due(60)
    provider(SILENT)
    run_lane("sms", lambda: NOW, NOW + SECOND)
    assert statuses().count("unknown") <= 10


def test_one_campaign_that_cannot_be_decided_does_not_stop_the_others(provider):
    due(2)
    broken = Campaign.objects.get()
    due(2)
    Campaign.objects.filter(pk=broken.pk).update(segment_type="no_longer_known")
    provider()
    for _ in range(5):
        with suppress(KeyError):
            send_due("sms", NOW)
    assert "sent" in statuses()


# --- Clocks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong_by", [HOUR, -HOUR])
def test_what_sends_goes_by_the_clock_of_the_database(wrong_by):
    true = datetime.now(UTC)
    with time_machine.travel(true + wrong_by, tick=True):
        clock = database_clock()
        assert timedelta(0) <= clock() - true < 20 * SECOND
        before = clock()
        time.sleep(0.01)
        assert timedelta(0) < clock() - before < 20 * SECOND


def test_a_machine_whose_clock_is_an_hour_fast_takes_no_more_than_the_rate(provider):
    due(30)
    account(rate=0.01, burst=10, tokens_at=datetime.now(UTC))
    MessageDelivery.objects.update(
        scheduled_at=Now(), due_at=Now(), expires_at=Now() + DAY, status="scheduled"
    )
    scripted = provider()
    lanes.run("sms")
    with time_machine.travel(datetime.now(UTC) + HOUR, tick=True):
        lanes.run("sms")
    assert len(scripted.ledger) <= 10


def test_a_reaper_an_hour_ahead_takes_windows_and_breaks_no_promise(provider):
    due(3, channels=Channel.values)
    claims = authorize_due("sms", NOW, 500).claims
    assert reap(NOW + HOUR) == 0
    assert not hand_over(claims[0].claim_id, NOW + SECOND)
    provider()
    assert send_due("sms", NOW + SECOND).sent == 3
    outcomes = DeliveryAttempt.objects.values_list("outcome", flat=True)
    assert sorted(outcomes) == [*["accepted"] * 3, *["released"] * 3]
    assert not SendWindow.objects.exists()
