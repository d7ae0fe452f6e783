"""What providers call what happens to a message, as data, from their documentation.

What an error code says of the doctor's channel stands in messaging/providers/codes.py.
"""

from __future__ import annotations

from messaging.models import EventKind, Verdict

# --- Twilio: MessageStatus of callbacks, and error codes in words ---------------------------
TWILIO_STATUSES: dict[str, EventKind] = {
    "accepted": EventKind.SENT,
    "scheduled": EventKind.SENT,
    "queued": EventKind.SENT,
    "sending": EventKind.SENT,
    "sent": EventKind.SENT,
    "delivered": EventKind.DELIVERED,
    "read": EventKind.OPENED,  # WhatsApp
    "undelivered": EventKind.FAILED,
    "failed": EventKind.FAILED,
    "canceled": EventKind.FAILED,
}
TWILIO_WORDS: dict[str, str] = {
    "21610": "The doctor replied STOP.",
    "63014": "The doctor has blocked the sender.",
    "63016": "Outside the 24 hours only a template may go out.",
    "63024": "The number is not on WhatsApp.",
    "63049": "WhatsApp's limit of marketing messages to one person.",
    "30003": "The phone was switched off or out of reach.",
    "30004": "The message was blocked.",
    "30005": "Nobody has this number.",
    "30006": "A landline, or a carrier that cannot be reached.",
    "30007": "The carrier took it for spam.",
}

# --- Interakt: event types ------------------------------------------------------------------
INTERAKT_KINDS: dict[str, EventKind] = {
    "message_api_sent": EventKind.SENT,
    "message_api_delivered": EventKind.DELIVERED,
    "message_api_read": EventKind.OPENED,
    "message_api_clicked": EventKind.CLICKED,
    "message_api_failed": EventKind.FAILED,
    "message_received": EventKind.INBOUND,
}
# Which field of data.message says when it happened; the event's own time otherwise.
INTERAKT_TIMES: dict[str, str] = {
    "message_api_sent": "received_at_utc",
    "message_api_delivered": "delivered_at_utc",
    "message_api_read": "seen_at_utc",
    "message_received": "received_at_utc",
}

# --- E-mail: anymail's normalised event types and reject reasons ----------------------------
MAIL_KINDS: dict[str, EventKind] = {
    "queued": EventKind.SENT,
    "sent": EventKind.SENT,
    "deferred": EventKind.SENT,
    "delivered": EventKind.DELIVERED,
    "opened": EventKind.OPENED,
    "clicked": EventKind.CLICKED,
    "rejected": EventKind.FAILED,
    "failed": EventKind.FAILED,
    "bounced": EventKind.FAILED,
    "complained": EventKind.COMPLAINED,
    "unsubscribed": EventKind.UNSUBSCRIBED,
}
# Where the provider's own table (messaging/providers/codes.py) has nothing to say.
MAIL_VERDICTS: dict[str, Verdict] = {
    "bounced": Verdict.HARD_BOUNCE,
    "complained": Verdict.COMPLAINT,
    "unsubscribed": Verdict.OPTED_OUT,
}
MAIL_REJECTIONS: dict[str, Verdict] = {
    "invalid": Verdict.INVALID,
    "bounced": Verdict.HARD_BOUNCE,
    "unsubscribed": Verdict.OPTED_OUT,
    "spam": Verdict.COMPLAINT,
    "timed_out": Verdict.SOFT_BOUNCE,
}
