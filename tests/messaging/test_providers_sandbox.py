"""The sandbox keeps what it accepts, once; settings choose the provider of a channel."""

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.checks import Error
from django.core.exceptions import ImproperlyConfigured

from campaigns.models import Campaign, CampaignEnrollment, CampaignMessage
from messaging.checks import check_providers
from messaging.models import Channel, MessageDelivery, MessageTemplate, SandboxMessage
from messaging.providers import PROVIDERS, provider_for
from messaging.providers.base import Accepted, HandOff, Outgoing, Unknown
from messaging.providers.sandbox import SandboxProvider
from segments.models import Doctor

CHANNELS = Channel.values


@pytest.fixture
def delivery_ids(db: None, now: datetime) -> list[uuid.UUID]:
    """Three deliveries to one doctor, one on each channel."""
    doctor = Doctor.objects.create(external_id="D1", first_name="Asha", last_name="Rao")
    campaign = Campaign.objects.create(name="Agents", segment_type="aida_users")
    enrollment = CampaignEnrollment.objects.create(campaign=campaign, doctor=doctor)
    return [
        MessageDelivery.objects.create(
            enrollment=enrollment,
            campaign_message=step(campaign, place, channel),
            doctor=doctor,
            channel=channel,
            scheduled_at=now,
            due_at=now,
            expires_at=now + timedelta(days=2),
        ).id
        for place, channel in enumerate(CHANNELS)
    ]


def step(campaign: Campaign, place: int, channel: str) -> CampaignMessage:
    template = MessageTemplate.objects.create(
        template_key=f"aida_users.{channel}.1",
        channel=channel,
        segment_type="aida_users",
        sequence_order=1,
        template_content="{{shortlink}}",
    )
    return CampaignMessage.objects.create(
        campaign=campaign, sequence_order=place, channel=channel, delay_days=0, template=template
    )


def outgoing(delivery_id: uuid.UUID, text: str = "Dear Dr. Asha ✓") -> Outgoing:
    return Outgoing(
        delivery_id=delivery_id,
        channel="email",
        recipient="asha@example.com",
        text=text,
        subject="Hi",
        html="<p>Dear</p>",
        unsubscribe_url="https://go.example/u/T0k",
    )


def kept() -> dict[uuid.UUID, tuple[Any, ...]]:
    rows = SandboxMessage.objects.values_list(
        "delivery_id", "recipient", "subject", "text", "html", "accepted_at"
    )
    return {row[0]: row[1:] for row in rows}


def test_sandbox_keeps_each_message_and_says_so_in_order(
    delivery_ids: list[uuid.UUID], now: datetime
) -> None:
    first, second, third = delivery_ids
    messages = [outgoing(third, "c"), outgoing(first, "a"), outgoing(second, "b")]
    assert SandboxProvider().send(messages, HandOff(now)) == [
        Accepted(f"sandbox-{third}"),
        Accepted(f"sandbox-{first}"),
        Accepted(f"sandbox-{second}"),
    ]
    assert kept() == {
        first: ("asha@example.com", "Hi", "a", "<p>Dear</p>", now),
        second: ("asha@example.com", "Hi", "b", "<p>Dear</p>", now),
        third: ("asha@example.com", "Hi", "c", "<p>Dear</p>", now),
    }


def test_sandbox_keeps_the_first_text_of_a_delivery(
    delivery_ids: list[uuid.UUID], now: datetime
) -> None:
    first, second, _ = delivery_ids
    SandboxProvider().send([outgoing(first, "first")], HandOff(now))
    later = now + timedelta(minutes=1)
    again = [outgoing(first, "again"), outgoing(second, "other"), outgoing(second, "twice")]
    assert SandboxProvider().send(again, HandOff(later)) == [
        Accepted(f"sandbox-{first}"),
        Accepted(f"sandbox-{second}"),
        Accepted(f"sandbox-{second}"),
    ]
    assert kept() == {
        first: ("asha@example.com", "Hi", "first", "<p>Dear</p>", now),
        second: ("asha@example.com", "Hi", "other", "<p>Dear</p>", later),
    }


@pytest.mark.parametrize("count", [1, 3])
def test_sandbox_writes_in_one_statement(
    delivery_ids: list[uuid.UUID], now: datetime, count: int, django_assert_num_queries: Any
) -> None:
    messages = [outgoing(delivery_id) for delivery_id in delivery_ids[:count]]
    with django_assert_num_queries(1):
        SandboxProvider().send(messages, HandOff(now))
    assert len(kept()) == count


@pytest.mark.django_db
def test_sandbox_with_nothing_to_send_does_nothing(
    now: datetime, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        assert SandboxProvider().send([], HandOff(now)) == []


@pytest.mark.django_db(transaction=True)
def test_sandbox_raises_nothing_when_the_database_refuses(
    delivery_ids: list[uuid.UUID], now: datetime
) -> None:
    first, second, _ = delivery_ids
    messages = [outgoing(first), outgoing(second, "\x00")]
    assert SandboxProvider().send(messages, HandOff(now)) == [Unknown("DataError")] * 2
    # A delivery that is gone.
    messages = [outgoing(first), outgoing(uuid.uuid4())]
    assert SandboxProvider().send(messages, HandOff(now)) == [Unknown("IntegrityError")] * 2
    assert kept() == {}


@pytest.mark.parametrize("channel", CHANNELS)
def test_provider_for_gives_each_channel_its_provider(channel: str, settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = dict.fromkeys(CHANNELS, "sandbox")
    provider = provider_for(channel)
    assert isinstance(provider, SandboxProvider)
    assert provider is provider_for(channel)
    assert check_providers() == []


def test_wrong_provider_is_told_with_the_known_ones(settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {"whatsapp": "sandbox", "sms": "twillio"}
    known = f"Known providers: {', '.join(sorted(PROVIDERS))}."
    sms = f"MESSAGE_PROVIDERS names 'twillio' for sms. {known}"
    email = f"MESSAGE_PROVIDERS names None for email. {known}"
    with pytest.raises(ImproperlyConfigured) as raised:
        provider_for("sms")
    assert str(raised.value) == sms
    assert check_providers(app_configs=None) == [
        Error(sms, hint="Set SMS_PROVIDER in the environment.", id="messaging.E001"),
        Error(email, hint="Set EMAIL_PROVIDER in the environment.", id="messaging.E001"),
    ]
