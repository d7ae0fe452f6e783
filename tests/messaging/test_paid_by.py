"""What a message is paid by is kept as it goes out: its price then, and the parts of an SMS."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns import estimate
from campaigns.models import CampaignMessage
from campaigns.schedule import schedule_due
from messaging import preview
from messaging.audience.members import Audience, sample_variables
from messaging.models import DeliveryAttempt, MessageTemplate, ProviderAccount
from messaging.preview import Draft, look
from messaging.send import send_due
from tests.engine import NOW, TEXTS, enrolled
from tests.messaging.scripted import BUSY, SILENT, TAKEN, WRONG
from tests.messaging.test_frozen import Killed, killed

pytestmark = pytest.mark.django_db

ENDING = {1: "", 2: " So long" * 12, 4: " ✓ So long" * 8}  # a check mark makes it UCS-2


def due(count, channel="sms", ending=""):
    made = enrolled(count, days=(0,), channels=(channel,))
    MessageTemplate.objects.update(template_content=TEXTS[channel] + ending)
    schedule_due(NOW)
    return made


def account(channel, price):
    return ProviderAccount.objects.create(
        channel=channel, provider="sandbox", price_per_message=price
    )


def kept():
    """Price and parts of each attempt."""
    return list(DeliveryAttempt.objects.order_by("pk").values_list("price", "sms_parts"))


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_sms_keeps_the_parts_that_preview_and_estimate_tell(parts):
    due(1, ending=ENDING[parts])
    step = CampaignMessage.objects.select_related("template").get()
    template = step.template
    (person,) = sample_variables(template.segment_type, NOW, 1)
    estimated = estimate._parts(step, person)
    sight = look(
        Draft(
            channel="sms",
            segment_type=template.segment_type,
            content=template.template_content,
            max_sms_segments=9,
        ),
        preview.nth_doctor(Audience(template.segment_type, ("sms",), NOW), 1),
        NOW,
    )
    send_due("sms", NOW)
    assert kept() == [(None, parts)]
    assert (estimated, sight.parts["segments"]) == (parts, parts)


@pytest.mark.parametrize("channel", ["whatsapp", "email"])
def test_what_is_no_sms_has_a_price_and_no_parts(channel):
    account(channel, "0.8")
    due(1, channel)
    send_due(channel, NOW)
    assert kept() == [(Decimal("0.8"), None)]


def test_price_is_that_of_the_moment_and_stays():
    sender = account("sms", "0.25")
    due(1)
    send_due("sms", NOW)
    sender.price_per_message = "0.4"
    sender.save()
    due(1)
    send_due("sms", NOW)
    assert kept() == [(Decimal("0.25"), 1), (Decimal("0.4"), 1)]


def test_price_of_nothing_is_none():
    account("sms", "0")
    due(1)
    send_due("sms", NOW)
    assert kept() == [(None, 1)]


@pytest.mark.parametrize("answer", [TAKEN, BUSY, SILENT, WRONG])
def test_parts_are_kept_whatever_the_provider_said(provider, answer):
    provider(answer)
    due(2, ending=ENDING[2])
    send_due("sms", NOW)
    assert [parts for _, parts in kept()] == [2, 2]


def test_parts_of_what_a_killed_worker_sent_are_not_known(provider):
    provider().during = killed
    due(1)
    with pytest.raises(Killed):
        send_due("sms", NOW)
    assert kept() == [(None, None)]


def test_it_costs_no_query():
    """Also where each SMS of a window has parts of its own."""
    asked = []
    for count in (1, 1, 3):  # the first one makes the account
        due(count)
        with CaptureQueriesContext(connection) as captured:
            send_due("sms", NOW)
        asked.append(len(captured))
    assert asked[1] == asked[2]
