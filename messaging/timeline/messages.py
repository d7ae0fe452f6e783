"""What was sent to the doctor, what became of it, and what they wrote."""

from __future__ import annotations

from datetime import timedelta

from django.utils.timezone import localtime

from messaging import reported
from messaging.evidence import why_skipped
from messaging.models import (
    AttemptOutcome,
    DeliveryAttempt,
    DeliveryStatus,
    EventKind,
    InboundMessage,
    MessageDelivery,
    ProviderEvent,
    Reply,
    ReplyStatus,
)
from messaging.timeline.source import Said, Source, Theme, shortened

_IN_CAMPAIGN = "e.campaign_id = %(campaign)s"
_ENROLLMENT = "JOIN campaign_enrollments e ON e.id = {}.enrollment_id"
_DELIVERY = "messaging.MessageDelivery"
# What goes out later than this after its step fell due was held back by a gate or a refusal.
PUT_OFF = timedelta(hours=1)


def name(delivery: MessageDelivery) -> str:
    """A message as marketers know it: its campaign and its step."""
    return f"{delivery.campaign_message.campaign}: {delivery.campaign_message}"


def _delivery(delivery: MessageDelivery, moment: str) -> Said:
    which = f"{name(delivery)}."
    if moment == "planned":
        return _planned(delivery, which)
    if moment == "skipped":
        return Said("Not sent", f"{which} {why_skipped(delivery)}.", "block", "warn")
    if moment == "failed":
        why = shortened(delivery.error_message or "The provider could not deliver it.")
        return Said("Failed", f"{which} {why}", "error", "bad")
    word, icon, tone = {
        "sent": ("Sent", "send", "plain"),
        "delivered": ("Arrived", "mark_email_read", "good"),
        "opened": ("Opened", "drafts", "good"),
        "clicked": ("Followed the link", "ads_click", "good"),
    }[moment]
    if moment == "sent" and delivery.sent_at and delivery.sent_at - delivery.due_at > PUT_OFF:
        which += f" It fell due on {localtime(delivery.due_at):%d %b %Y, %H:%M} and was put off."
    return Said(word, which, icon, tone)


def _planned(delivery: MessageDelivery, which: str) -> Said:
    held = [gate for gate in delivery.trace or [] if gate.get("verdict") == "defer"]
    if delivery.status == DeliveryStatus.SENDING:
        return Said("Being sent", which, "outgoing_mail")
    if held:
        why = "; ".join(str(gate.get("detail") or gate.get("gate")) for gate in held)
        first = localtime(delivery.due_at)
        words = f"{which} It fell due on {first:%d %b %Y, %H:%M} and was put off: {why}."
        return Said("Put off till then", words, "schedule", "warn")
    return Said("Planned", which, "schedule")


_ATTEMPTS = {
    AttemptOutcome.REFUSED: ("Refused by the provider", "sms_failed", "bad"),
    AttemptOutcome.UNKNOWN: ("No answer: it may have arrived", "help", "bad"),
    AttemptOutcome.WRITTEN_OFF: ("No answer, sent again by hand", "replay", "warn"),
    AttemptOutcome.RELEASED: ("Given back before the call", "undo", "warn"),
}


def _attempt(attempt: DeliveryAttempt, _moment: str) -> Said:
    word, icon, tone = _ATTEMPTS[AttemptOutcome(attempt.outcome)]
    why = shortened(attempt.error_message or attempt.error_code)
    words = f"{name(attempt.delivery)}. {why}".strip()
    return Said(word, words, icon, tone, (_DELIVERY, attempt.delivery_id))


_REPORTS = {
    EventKind.OPENED: ("Opened again", "drafts", "plain"),
    EventKind.CLICKED: ("Followed the link again", "ads_click", "plain"),
    EventKind.FAILED: ("Failure reported", "error", "bad"),
    EventKind.LOOKED: ("Looked at the preferences", "tune", "plain"),
    EventKind.COMPLAINED: ("Reported as spam", "report", "bad"),
    EventKind.UNSUBSCRIBED: ("Opted out at the provider", "unsubscribe", "bad"),
}


def _report(event: ProviderEvent, _moment: str) -> Said:
    delivery = event.delivery
    assert delivery is not None  # the source joins it  # noqa: S101
    which, more = f"{name(delivery)}.", (_DELIVERY, delivery.pk)
    if event.is_machine:
        words = f"{which} {reported.which(event)}; {reported.why_machine(event)}."
        return Said("A machine, not counted", words, "robot_2", "quiet", more)
    word, icon, tone = _REPORTS[EventKind(event.kind)]
    if event.processed_at is None:
        return Said(event.get_kind_display(), f"{which} Not counted yet.", icon, "quiet", more)
    error = shortened(str(event.detail.get("error", "")))
    return Said(word, f"{which} {error}".strip(), icon, tone, more)


def _inbound(received: InboundMessage, moment: str) -> Said:
    if moment == "handled":
        return Said("Message handled", f"By {received.handled_by}.", "done")
    words = received.text or f"[{received.button}]" if received.button else received.text
    waits = "" if received.handled_at else " It waits for somebody to read it."
    said = f"{received.get_channel_display()}: “{shortened(words) or 'no text'}”{waits}"
    return Said("Wrote to us", said, "chat", "plain" if received.handled_at else "warn")


_REPLIES = {
    ReplyStatus.QUEUED: ("Answer waits to be sent", "warn"),
    ReplyStatus.SENDING: ("Answer being sent", "plain"),
    ReplyStatus.SENT: ("Answered", "plain"),
    ReplyStatus.FAILED: ("Answer not sent", "bad"),
    ReplyStatus.UNKNOWN: ("Answer may have arrived", "bad"),
}


def _reply(reply: Reply, _moment: str) -> Said:
    word, tone = _REPLIES[ReplyStatus(reply.status)]
    said = f"{reply.who}: “{shortened(reply.text) or 'no text'}”"
    words = f"{said} {shortened(reply.error)}".strip()
    more = ("messaging.InboundMessage", reply.message_id)
    return Said(word, words, "quickreply" if reply.is_automatic else "reply", tone, more)


# A skip has no time of its own: it is shown for when the message was planned, or for when its
# enrolment ended or the doctor said no, where that came first. It is never still to come.
_SKIPPED = """
    CASE WHEN r.status <> 'skipped' THEN NULL
    WHEN r.scheduled_at <= now() OR e.completed_at <= now()
        THEN LEAST(r.scheduled_at, e.completed_at)
    ELSE COALESCE((SELECT max(u.unsubscribed_at) FROM unsubscribe_records u
                   WHERE u.user_id = r.user_id AND u.unsubscribed_at <= now()), r.created_at) END
"""
_OPEN = "CASE WHEN r.status IN ('scheduled', 'sending') THEN r.scheduled_at END"
# Marked by somebody, who did not answer here: the answer stands for itself.
_HANDLED = """
    CASE WHEN r.handled_by_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM inbound_replies a WHERE a.message_id = r.id AND a.written_at = r.handled_at)
    THEN r.handled_at END
"""
# What the delivery does not say itself: repeated ones, those of machines, those that wait.
_MORE_REPORTS = """
    m.user_id = %(doctor)s AND r.kind NOT IN ('sent', 'delivered', 'inbound')
    AND (r.is_machine OR r.processed_at IS NULL OR r.occurred_at IS DISTINCT FROM CASE r.kind
        WHEN 'opened' THEN m.opened_at WHEN 'clicked' THEN m.clicked_at
        WHEN 'failed' THEN m.failed_at END)
"""

SOURCES = (
    Source(
        _DELIVERY,
        Theme.MESSAGES,
        {
            "planned": _OPEN,
            "skipped": _SKIPPED,
            "sent": "r.sent_at",
            "failed": "r.failed_at",
            "delivered": "r.delivered_at",
            "opened": "r.opened_at",
            "clicked": "r.clicked_at",
        },
        _delivery,
        ("campaign_message__campaign",),
        joins=_ENROLLMENT.format("r"),
        of_campaign=_IN_CAMPAIGN,
    ),
    Source(
        "messaging.DeliveryAttempt",
        Theme.MESSAGES,
        {"ended": "COALESCE(r.finished_at, r.authorised_at)"},
        _attempt,
        ("delivery__campaign_message__campaign",),
        joins="JOIN message_deliveries m ON m.id = r.delivery_id " + _ENROLLMENT.format("m"),
        of_doctor="r.user_id = %(doctor)s AND (r.outcome IN ('refused', 'unknown', 'written_off')"
        " OR r.outcome = 'released' AND r.error_message <> '')",
        of_campaign=_IN_CAMPAIGN,
    ),
    Source(
        "messaging.ProviderEvent",
        Theme.MESSAGES,
        {"reported": "r.occurred_at"},
        _report,
        ("delivery__campaign_message__campaign",),
        joins="JOIN message_deliveries m ON m.id = r.delivery_id " + _ENROLLMENT.format("m"),
        of_doctor=_MORE_REPORTS,
        of_campaign=_IN_CAMPAIGN,
    ),
    Source(
        "messaging.InboundMessage",
        Theme.MESSAGES,
        {
            "wrote": "r.received_at",
            "handled": _HANDLED,
        },
        _inbound,
        ("handled_by",),
        joins="LEFT JOIN message_deliveries m ON m.id = r.delivery_id"
        " LEFT " + _ENROLLMENT.format("m"),
        of_campaign=_IN_CAMPAIGN,
    ),
    Source(
        "messaging.Reply",
        Theme.MESSAGES,
        {"answered": "COALESCE(r.sent_at, r.written_at)"},
        _reply,
        ("written_by",),
        joins="JOIN inbound_messages i ON i.id = r.message_id"
        " LEFT JOIN message_deliveries m ON m.id = i.delivery_id"
        " LEFT " + _ENROLLMENT.format("m"),
        of_doctor="i.user_id = %(doctor)s",
        of_campaign=_IN_CAMPAIGN,
    ),
)
