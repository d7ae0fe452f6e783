"""Accounts at Twilio: several of them, and what is wrong with one. Nothing is sent to ask."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from messaging.providers import instance, provider_for
from messaging.providers.account import Account
from messaging.providers.base import Accepted, Outgoing
from messaging.providers.twilio import TwilioProvider
from tests.providers.fake import serving
from tests.providers.messages import send
from tests.providers.peer import Fault
from tests.providers.twilio_fake import SMS_NUMBER, WHATSAPP_NUMBER, TwilioFake, variables


@pytest.fixture
def twilio(settings: Any) -> Iterator[TwilioFake]:
    with serving(TwilioFake()) as fake:
        settings.PROVIDER_VARIABLES = variables(fake)
        settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = "", ""
        yield fake


@pytest.fixture
def provider(twilio: TwilioFake) -> TwilioProvider:
    return TwilioProvider(Account("twilio"))


def test_second_account_is_set_by_its_own_variables(twilio: TwilioFake, settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**settings.MESSAGE_PROVIDERS, "sms": "twilio:second"}
    settings.PROVIDER_VARIABLES = variables(twilio, "TWILIO_SECOND", SMS_FROM="CLIRNT")
    instance.cache_clear()
    try:
        provider = provider_for("sms")
        message = Outgoing(uuid.uuid4(), "sms", "+919876543210", "Dear Dr. Rao")
        assert provider.name == "twilio:second"
        assert isinstance(send(provider, [message])[0], Accepted)
    finally:
        instance.cache_clear()
    assert twilio.ledger[0]["From"] == "CLIRNT"


# --- Problems ------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
def test_account_in_order_has_no_problems_and_nothing_is_sent(
    twilio: TwilioFake, provider: TwilioProvider, channel: str
) -> None:
    assert list(provider.problems(channel)) == []
    assert {call.method for call in twilio.calls} == {"GET"}
    assert len(twilio.calls) == 2


@pytest.mark.parametrize(
    ("changes", "channel", "problem"),
    [
        (
            {"AUTH_TOKEN": "no"},
            "sms",
            "Twilio does not accept TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN.",
        ),
        (
            {"SMS_FROM": "+15005550001"},
            "sms",
            "TWILIO_SMS_FROM: the account has no number +15005550001.",
        ),
        (
            {"SMS_FROM": "MG" + "d" * 32},
            "sms",
            f"TWILIO_SMS_FROM: the account has no messaging service MG{'d' * 32}.",
        ),
        (
            {"WHATSAPP_FROM": SMS_NUMBER},
            "whatsapp",
            f"TWILIO_WHATSAPP_FROM: the account has no WhatsApp sender {SMS_NUMBER}.",
        ),
    ],
)
def test_problems_name_the_variable(
    twilio: TwilioFake, settings: Any, changes: dict[str, str], channel: str, problem: str
) -> None:
    settings.PROVIDER_VARIABLES = variables(twilio, **changes)
    assert list(TwilioProvider(Account("twilio")).problems(channel)) == [problem]


def test_problems_of_the_account_and_of_the_sender_are_told(
    twilio: TwilioFake, provider: TwilioProvider
) -> None:
    twilio.state, twilio.sender_state = "suspended", "OFFLINE"
    assert list(provider.problems("whatsapp")) == [
        "The account is suspended at Twilio.",
        f"TWILIO_WHATSAPP_FROM: the sender {WHATSAPP_NUMBER} is OFFLINE.",
    ]
    twilio.faults = [Fault("500")]
    assert list(provider.problems("sms")) == ["Twilio gave no answer (HTTP 500)."]
    twilio.faults = [Fault("reset")]
    (problem,) = provider.problems("sms")
    assert problem.startswith("Twilio gave no answer (")
