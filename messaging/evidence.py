"""What exactly went out to a doctor: filled in again from the version and the variables kept.

The text, the subject, the values and every link are those of the day; later edits of the template,
of the doctor or of the settings change nothing. Only what surrounds an e-mail is today's: the
sender's address and the words of its footer, and the design of its HTML part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.timezone import localtime

from messaging import render
from messaging.models import (
    AttemptOutcome,
    DeliveryAttempt,
    DeliveryStatus,
    HandedOver,
    MessageDelivery,
    SkipReason,
    TemplateVersion,
)
from messaging.models.version import Content
from messaging.mustache import Texts
from messaging.render import Rendered

# An attempt with one of these outcomes reached the provider, or may have. Of several, the one that
# counts went out last: a delivery has one at most.
WENT_OUT = (
    AttemptOutcome.ACCEPTED,
    AttemptOutcome.UNKNOWN,
    AttemptOutcome.WRITTEN_OFF,
    AttemptOutcome.PENDING,
)

# Their detail has the same words again.
_SAID_BY_THE_REASON = frozenset(
    {
        SkipReason.CONVERTED,
        SkipReason.LEFT_SEGMENT,
        SkipReason.UNSUBSCRIBED,
        SkipReason.NO_CONSENT,
        SkipReason.NO_ADDRESS,
        SkipReason.PAUSED,
    }
)


@dataclass(frozen=True, slots=True)
class SentText:
    """What went out, or may have, by one attempt."""

    attempt: DeliveryAttempt
    version: TemplateVersion
    variables: Mapping[str, Any]  # as they were filled in, by name
    message: Rendered
    recipient: str = ""  # number (E.164) or e-mail address; "": it is not kept

    @property
    def is_certain(self) -> bool:
        """Whether the provider said that it took this."""
        return self.attempt.outcome == AttemptOutcome.ACCEPTED


@dataclass(frozen=True, slots=True)
class NoText:
    """Why there is nothing to show, in words; `attempt` where something went out all the same."""

    reason: str
    attempt: DeliveryAttempt | None = None


def why_skipped(delivery: MessageDelivery) -> str:
    """Why a message was left out, without a full stop; the detail where it says more."""
    why = delivery.get_skip_reason_display() or "No reason is on record"
    if not delivery.skip_detail or delivery.skip_reason in _SAID_BY_THE_REASON:
        return why
    return f"{why} ({delivery.skip_detail})"


def outcome(delivery: MessageDelivery) -> str:
    """What became of a message, in one sentence with its times."""
    if delivery.status == DeliveryStatus.SCHEDULED:
        return f"It waits for {_at(delivery.scheduled_at)}."
    if delivery.status == DeliveryStatus.SKIPPED:
        why = why_skipped(delivery)
        return f"It was not sent, on purpose: {why[:1].lower()}{why[1:]}."
    if delivery.status == DeliveryStatus.SENDING:
        return "It is being handed to the provider."
    if delivery.status == DeliveryStatus.UNKNOWN:
        return "It was handed over and got no answer: it may have arrived."
    return _what_happened(delivery)


def _what_happened(delivery: MessageDelivery) -> str:
    """Of a message that went out or failed: each fact with its time, in their order."""
    facts = (
        ("it was sent", delivery.sent_at),
        ("arrived", delivery.delivered_at),
        ("was opened", delivery.opened_at),
        ("its link was followed", delivery.clicked_at),
        ("failed", delivery.failed_at),
    )
    told = [f"{what} on {_at(moment)}" for what, moment in facts if moment]
    if delivery.status == DeliveryStatus.SENT:
        told.append("no report of its arrival has come yet")
    said = ", ".join(told) or "it failed"
    why = f": {delivery.error_message}" if delivery.failed_at and delivery.error_message else ""
    return f"{said[:1].upper()}{said[1:]}{why.rstrip('.')}."


def _at(moment: datetime) -> str:
    return f"{localtime(moment):%d %b %Y, %H:%M}"


def sent_text(delivery: MessageDelivery) -> SentText | NoText:
    """What exactly went out of a delivery; of one that was tried again, by the attempt that did."""
    reached = delivery.attempts.filter(outcome__in=WENT_OUT)
    attempt = reached.select_related("account").order_by("-counts", "-pk").first()
    if attempt is None:
        return NoText(_why_nothing(delivery))
    return text_of(delivery, attempt)


def text_of(delivery: MessageDelivery, attempt: DeliveryAttempt) -> SentText | NoText:
    """What one attempt handed over, or would have."""
    kept = HandedOver.objects.content(attempt.claim_id, delivery.pk)
    if kept is None:
        if attempt.outcome == AttemptOutcome.PENDING:
            return NoText("It is being prepared: no provider has heard of it yet.")
        return NoText("It went out, but what it said is not kept (any more).", attempt)
    version = TemplateVersion.objects.filter(pk=kept.version_id).first()
    if version is None:
        return NoText("It went out, but the template's version is gone.", attempt)
    return _filled(delivery, attempt, version, kept)


def _filled(
    delivery: MessageDelivery,
    attempt: DeliveryAttempt,
    version: TemplateVersion,
    kept: Content,
) -> SentText | NoText:
    content = version.content
    variables = kept.variables
    try:
        message = render.compile_message(
            attempt.channel,
            content["template_content"],
            kept.subject,
            content.get("preheader", ""),
        )
    except render.TemplateError as error:
        return NoText(f"Its text can no longer be filled in: {error}", attempt)
    token = delivery.token or ""
    links = render.links_like(str(variables.get("shortlink", "")), token) or render.links(
        token, attempt.channel
    )
    rendered = message.fill(Texts(variables), links)
    return SentText(attempt, version, variables, rendered, kept.recipient)


def _why_nothing(delivery: MessageDelivery) -> str:
    """Why nothing went out, where no attempt reached a provider."""
    if delivery.status == DeliveryStatus.SKIPPED:
        return f"Nothing went out. {delivery.get_skip_reason_display()}."
    if delivery.status == DeliveryStatus.SCHEDULED:
        return "Nothing has gone out yet. It is filled in when its time comes."
    if delivery.status == DeliveryStatus.FAILED:
        return "Nothing went out: the provider refused it, or it could not be prepared."
    return "Nothing is on record as handed over."
