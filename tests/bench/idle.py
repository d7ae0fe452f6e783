"""A dispatch tick with nothing due, after many past deliveries: it must not grow with them."""

from __future__ import annotations

from django.conf import settings

from campaigns.models import Campaign
from messaging.models import Channel, MessageDelivery
from messaging.send import send_due
from tests.bench.engine import NOW
from tests.bench.measure import Figure, cost, execute
from tests.bench.sending import clear, prepare

STEPS = 100  # past messages of each doctor
TICKS = 20

# Steps far in the future of nobody: only their past deliveries count here.
PAST = f"""
    INSERT INTO campaign_messages (campaign_id, sequence_order, channel, delay_days, template_id)
    SELECT campaign_id, n, channel, 0, template_id
    FROM campaign_messages, generate_series(2, {STEPS}) n;
    INSERT INTO message_deliveries (enrollment_id, campaign_message_id, user_id, channel, due_at,
        scheduled_at, expires_at, status, sent_at, external_id)
    SELECT e.id, s.id, e.user_id, s.channel, d, d, d + interval '2 days', 'sent', d,
           'x-' || e.user_id || '-' || s.sequence_order
    FROM campaign_enrollments e CROSS JOIN campaign_messages s,
        LATERAL (SELECT e.enrolled_at - s.sequence_order * interval '1 day' AS d) p
    WHERE s.sequence_order > 1;
    UPDATE campaign_enrollments SET status = 'completed', next_due_at = NULL;
    UPDATE message_deliveries SET status = 'skipped', skip_reason = 'too_late'
    WHERE status = 'scheduled';
    VACUUM ANALYZE
"""


def run(rows: int = 100_000) -> list[Figure]:
    """Tick before and after `rows` x 100 past deliveries, in an empty, migrated database."""
    settings.LOGGING_CONFIG = None
    clear()
    execute("VACUUM ANALYZE")
    before = _tick()
    prepare("email", rows)
    for statement in PAST.split(";"):
        execute(statement)
    assert Campaign.objects.exists()
    past = MessageDelivery.objects.count()
    after = _tick()
    return [
        Figure(
            f"a tick on three channels with nothing due, after {past:,} past deliveries",
            f"{after:.1f} ms, {after / before:.2f}x that of an empty table",
            "1x",
        )
    ]


def _tick() -> float:
    """Milliseconds for one look at every channel."""
    for channel in Channel.values:
        send_due(channel, NOW)
    with cost() as work:
        for _ in range(TICKS):
            for channel in Channel.values:
                assert not send_due(channel, NOW)
    return 1000 * work.seconds / TICKS
