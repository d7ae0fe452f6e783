"""How a message is made up for its provider, and how one goes out that is no campaign's."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence

from django.core.exceptions import ImproperlyConfigured

from messaging import accounts, sms
from messaging.accounts import Allowance
from messaging.approval import Registered
from messaging.models import Channel
from messaging.mustache import Texts
from messaging.providers import provider_for
from messaging.providers.base import (
    HandOff,
    NotSent,
    Outgoing,
    Provider,
    Receipt,
    Refused,
    Unknown,
)
from messaging.render import Links, Rendered

logger = logging.getLogger(__name__)

NOT_SET = "settings"  # code of what no provider heard of: the channel's account is not complete


def outgoing(  # noqa: PLR0913  a message is made of this much
    delivery_id: uuid.UUID,
    channel: str,
    recipient: str,
    *,
    rendered: Rendered,
    texts: Texts,
    links: Links,
    registered: Registered,
) -> Outgoing:
    """A rendered message with what its provider knows the template by, and the template's values.

    `texts`: what the text was filled in with; `recipient`: an E.164 number or an e-mail address.
    """
    return Outgoing(
        delivery_id=delivery_id,
        channel=channel,
        recipient=recipient,
        text=rendered.text,
        subject=rendered.subject,
        html=rendered.html,
        unsubscribe_url=links.unsubscribe,
        content_sid=registered.content_sid,
        whatsapp_name=registered.whatsapp_name,
        whatsapp_language=registered.whatsapp_language,
        parameters=tuple(texts[name] for name in registered.parameters),
        dlt_template_id=registered.dlt_template_id,
    )


def sms_parts(message: Outgoing) -> int | None:
    """Parts in which an SMS goes out, each of which is paid for; None for what is no SMS."""
    return sms.measure(message.text).segments if message.channel == Channel.SMS else None


def call(provider: Provider, messages: Sequence[Outgoing], hand_off: HandOff) -> Sequence[Receipt]:
    """Hand the messages over; a provider that breaks its word leaves them all unknown."""
    try:
        receipts = provider.send(messages, hand_off)
        if len(receipts) == len(messages):
            return receipts
        why = f"{len(receipts)} answers to {len(messages)} messages"
        logger.error("%s gave %s", provider.name, why)
    except Exception as error:
        logger.exception("%s failed", provider.name)
        why = type(error).__name__
    return [Unknown(f"The call failed: {why}")] * len(messages)


def hand_over_apart(
    messages: Sequence[Outgoing], allowance: Allowance, hand_off: HandOff
) -> Sequence[Receipt]:
    """Hand over tests, or answers to doctors, of one channel: as a lane does, but without a claim.

    `allowance`: from accounts.admit() for at least as many; what is not begun goes back, and the
    account is told how its provider answered. One receipt each, in the same order.
    """
    receipts: Sequence[Receipt] = []
    if messages:
        try:
            receipts = call(provider_for(messages[0].channel), messages, hand_off)
        except ImproperlyConfigured as error:
            why = Refused(NOT_SET, str(error), permanent=False, is_outage=True)
            receipts = [why] * len(messages)
    begun = sum(not isinstance(receipt, NotSent) for receipt in receipts)
    accounts.give_back(allowance, allowance.messages - begun)
    accounts.note(allowance, receipts, hand_off.now)
    return receipts
