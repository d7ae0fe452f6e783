"""I5: no message is lost: each step that fell due has one, which ends in time and says why.

What the scheduler promises: each hour it writes the deliveries of all steps due within the next,
of enrolments that are under way in running campaigns. What another run holds is left to the next
hour; so is what fell due while a campaign was paused, and a step that was added to a day past.
"""

from __future__ import annotations

from messaging.audit.finding import Found, Scope, find, said
from messaging.due import DUE_AT
from messaging.models import DeliveryStatus

# By idx_message_deliveries_lane, which holds what is scheduled only.
_NEVER_TAKEN = f"""
    SELECT 'delivery', id,
           'It is still scheduled, though it was good until ' || {said("expires_at")} || '.'
    FROM message_deliveries WHERE status = 'scheduled' AND expires_at < %(overdue)s
"""  # noqa: S608  only constants are put in

# Reads the whole table once: no index says who is sending, which would cost each message two
# writes. A status that does not exist would be missing from every sum over the states.
_HELD_BY_NOBODY = f"""
    SELECT 'delivery', m.id, CASE
        WHEN m.status <> 'sending' THEN 'Its status is “' || m.status || '”, which does not exist.'
        WHEN w.claim_id IS NULL THEN 'It is being sent, but nobody holds its window.'
        ELSE 'It is still being sent, though it was good until ' || {said("m.expires_at")} || '.'
        END
    FROM message_deliveries m LEFT JOIN send_windows w ON w.claim_id = m.claim_id
    WHERE m.status <> ALL (%(statuses)s)
      AND (m.status <> 'sending' OR w.claim_id IS NULL OR m.expires_at < %(overdue)s)
"""  # noqa: S608
_NO_END = f"""
    SELECT 'window', w.claim_id,
           'Its lease ran out at ' || {said("w.lease_expires_at")} || ' and nobody has taken it.'
    FROM send_windows w WHERE w.lease_expires_at < %(overdue)s
    UNION ALL
    SELECT 'delivery', a.delivery_id, 'Its attempt of ' || {said("a.authorised_at")}
           || ' has no end, and nobody holds its window.'
    FROM delivery_attempts a
    WHERE a.outcome = 'pending' AND a.authorised_at < %(overdue)s
      AND NOT EXISTS (SELECT FROM send_windows w WHERE w.claim_id = a.claim_id)
"""  # noqa: S608

# By idx_message_deliveries_trouble, as the next one.
_UNKNOWN_FOR_EVER = f"""
    SELECT 'delivery', m.id, COALESCE(
        'It is unknown since ' || {said("a.authorised_at")} || ' and nobody has closed it.',
        'It is unknown, but there is no attempt of its claim, so nobody will close it.')
    FROM message_deliveries m
    LEFT JOIN delivery_attempts a ON a.delivery_id = m.id AND a.claim_id = m.claim_id
    WHERE m.status = 'unknown' AND (a.id IS NULL OR a.authorised_at < %(given_up)s)
"""  # noqa: S608
_NO_REASON = """
    SELECT 'delivery', id, 'It is ' || status || ' and does not say why.'
    FROM message_deliveries
    WHERE (status = 'skipped' AND COALESCE(skip_reason, '') = '')
       OR (status = 'failed' AND COALESCE(error_message, '') = '')
"""

# Enrolments by idx_campaign_enrollments_status, deliveries by message_deliveries_step_once or, of
# many, by one hash join. A campaign that was only just changed or resumed has an hour as well.
_NEVER_SCHEDULED = f"""
    SELECT 'enrolment', e.id, 'Step ' || s.sequence_order || ' (' || s.channel || ' of day '
           || s.delay_days || ') fell due at ' || {said("p.due_at")} || ' and has no delivery.'
    FROM campaigns c
    JOIN campaign_enrollments e ON e.campaign_id = c.id AND e.status = 'active'
        AND NOT e.is_holdout  -- who is right to have none
    JOIN doctors d ON d.id = e.user_id
    JOIN campaign_messages s ON s.campaign_id = c.id AND s.removed_at IS NULL
    CROSS JOIN LATERAL (SELECT {DUE_AT} AS due_at) p
    WHERE c.status = 'active'
      AND (c.start_date IS NULL OR c.start_date <= %(now)s)
      AND (c.end_date IS NULL OR c.end_date > %(now)s)
      AND GREATEST(p.due_at, s.created_at, c.updated_at, c.start_date) < %(unscheduled)s
      AND NOT EXISTS (
        SELECT FROM message_deliveries m
        WHERE m.enrollment_id = e.id AND m.campaign_message_id = s.id)
"""  # noqa: S608

_KNOWN_STATUSES = [status for status in DeliveryStatus.values if status != DeliveryStatus.SENDING]


def lost(scope: Scope) -> Found:
    """Messages that nobody scheduled, takes, ends or explains, however old they are."""
    return (
        find(scope, _NEVER_TAKEN)
        + find(scope, _HELD_BY_NOBODY, statuses=_KNOWN_STATUSES)
        + find(scope, _NO_END)
        + find(scope, _UNKNOWN_FOR_EVER)
        + find(scope, _NO_REASON)
        + find(scope, _NEVER_SCHEDULED)
    )
