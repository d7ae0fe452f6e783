"""What the doctor wished and allowed, and which channels stopped reaching them."""

from __future__ import annotations

from django.utils.timezone import localtime

from messaging import suppress
from messaging.models import ConsentRecord, Suppression, UnsubscribeRecord
from messaging.timeline.source import Said, Source, Theme, begun, shortened

# How a wish reached us, by UnsubscribeRecord.source.
_BY = {
    "link": "on the page behind a message's link",
    "one-click": "with the unsubscribe button of the mail program",
    "reply": "by answering a message",
    "admin": "entered in the admin",
    "provider": "reported by the provider",
    "erasure": "when the doctor was erased",
}


def scope(record: UnsubscribeRecord) -> str:
    """What an opt-out covers, in words."""
    channel = record.get_channel_display() or "every channel"
    kind = record.get_segment_type_display()
    return f"{channel}, campaigns of the kind “{kind}”" if kind else channel


def _opt_out(record: UnsubscribeRecord, moment: str) -> Said:
    if moment == "back":
        return _taken_back(record)
    how = _BY.get(record.source, f"source: {record.source}")
    why = f" Reason: {shortened(record.reason)}." if record.reason else ""
    if until := record.paused_until:
        words = f"No message until {localtime(until):%d %b %Y, %H:%M}, {how}.{why}"
        return Said("Asked for a pause", words, "pause_circle", "warn")
    words = f"{begun(scope(record))}, {how}.{why}"
    return Said("Opted out", words, "unsubscribe", "bad")


def _taken_back(record: UnsubscribeRecord) -> Said:
    until, back = record.paused_until, record.revoked_at
    if until and back and back >= until:
        return Said("Pause over", "Messages may go again.", "play_circle", "good")
    if until:
        return Said("Pause ended early", "Messages may go again.", "play_circle", "good")
    return Said("Opt-out taken back", f"{begun(scope(record))}.", "undo", "good")


def _consent(record: ConsentRecord, _moment: str) -> Said:
    which = f"{record.get_channel_display()}, source: {record.source}."
    if record.is_given:
        return Said("Gave consent", which, "handshake", "good")
    return Said("Withdrew consent", which, "do_not_disturb_on", "bad")


def _suppression(held: Suppression, moment: str) -> Said:
    if moment == "lifted":
        by = f"lifted by {held.lifted_by}" if held.lifted_by else "the doctor came back"
        words = f"{held.get_channel_display()} is used again: {by}."
        return Said("Channel opened again", words, "lock_open", "good")
    words = f"{held.get_channel_display()} is no longer used. {suppress.words(held)}."
    return Said("Channel closed", words, "block", "bad")


SOURCES = (
    Source(
        "messaging.UnsubscribeRecord",
        Theme.WISHES,
        {"out": "r.unsubscribed_at", "back": "r.revoked_at"},
        _opt_out,
        joins="LEFT JOIN message_deliveries m ON m.id = r.delivery_id"
        " LEFT JOIN campaign_enrollments e ON e.id = m.enrollment_id",
        of_campaign="e.campaign_id = %(campaign)s",
    ),
    Source("messaging.ConsentRecord", Theme.WISHES, {"said": "r.recorded_at"}, _consent),
    Source(
        "messaging.Suppression",
        Theme.WISHES,
        {"closed": "r.since", "lifted": "r.lifted_at"},
        _suppression,
        ("lifted_by",),
    ),
)
