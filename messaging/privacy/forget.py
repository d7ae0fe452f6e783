"""The statements that take what is personal out of the tables, for any number of doctors.

Counts, statuses, times and keys stay, so that no figure changes. Run again, they change nothing
but what has come since: a report that was late, a worker that was slow.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper

from segments.models.doctor import DEFAULT_TIMEZONE

GONE = "Erased with the doctor's data."
# Columns of text on tables that hang on a doctor which stay, and why.
KEPT = {
    "doctors": {"specialty": "figures", "timezone": "set to the usual one"},
    "aida_usage": {"specialty_area": "figures"},
    "agent_usage": {"agent": "figures", "specialty_area": "figures"},
    "erased_persons": {"key_id": "no person", "fingerprints": "keyed hashes"},
    "message_deliveries": {
        "channel": "figures",
        "status": "figures",
        "skip_reason": "figures",
        "external_id": "the provider's, by which late reports are found",
    },
    "delivery_attempts": {
        "channel": "figures",
        "outcome": "figures",
        "error_code": "figures",
        "external_id": "the provider's",
        "timezone": "whether sending hours were kept",
    },
    "unsubscribe_records": {
        "channel": "the wish",
        "segment_type": "the wish",
        "source": "the wish",
    },
    "provider_events": {
        "provider": "figures",
        "event_key": "the provider's, so that a report counts once",
        "kind": "figures",
        "external_id": "the provider's",
        "verdict": "figures",
    },
    "inbound_messages": {
        "provider": "figures",
        "channel": "figures",
        "kind": "figures",
    },
    "inbound_replies": {"status": "figures", "external_id": "the provider's"},
    "channel_suppressions": {"channel": "the state", "reason": "the state"},
    "sandbox_messages": {"channel": "figures"},
    "consent_records": {"channel": "the proof"},
    "campaign_enrollments": {
        "status": "figures",
        "subject": "id of a course or session; a certificate's is replaced",
    },
}

# In this order: the subject of an enrolment may be a certificate's own id.
_STATEMENTS = (
    # Whoever is at work on the doctor's deliveries: in key order, as everywhere.
    """SELECT FROM message_deliveries WHERE user_id = ANY(%(doctors)s)
       ORDER BY id FOR NO KEY UPDATE""",
    """UPDATE campaign_enrollments e SET subject = 'erased-' || c.id
       FROM certificates c
       WHERE c.doctor_id = e.user_id AND e.user_id = ANY(%(doctors)s)
         AND e.subject = c.external_id""",
    "DELETE FROM user_segments WHERE user_id = ANY(%(doctors)s)",
    """UPDATE certificates SET external_id = 'erased-' || id
       WHERE doctor_id = ANY(%(doctors)s)""",
    """UPDATE course_progress SET testimonial = ''
       WHERE doctor_id = ANY(%(doctors)s) AND testimonial <> ''""",
    """UPDATE message_deliveries
       SET token = NULL, target_url = NULL, trace = NULL, skip_detail = '',
           error_message = CASE WHEN error_message IS NOT NULL THEN %(gone)s END
       WHERE user_id = ANY(%(doctors)s) AND (token IS NOT NULL OR target_url IS NOT NULL
         OR trace IS NOT NULL OR skip_detail <> '' OR error_message <> %(gone)s)""",
    """UPDATE delivery_attempts SET error_message = ''
       WHERE user_id = ANY(%(doctors)s) AND error_message <> ''""",
    """UPDATE sandbox_messages s SET recipient = '', subject = '', text = '', html = ''
       FROM message_deliveries m
       WHERE m.id = s.delivery_id AND m.user_id = ANY(%(doctors)s) AND s.recipient <> ''""",
    """UPDATE sandbox_messages s SET recipient = '', subject = '', text = '', html = ''
       FROM inbound_replies r JOIN inbound_messages i ON i.id = r.message_id
       WHERE r.id = s.answers_id AND i.user_id = ANY(%(doctors)s) AND s.recipient <> ''""",
    # What a hit is judged by stays until it was; a report that is not counted yet keeps its code.
    """UPDATE provider_events p
       SET detail = jsonb_strip_nulls(jsonb_build_object('link', p.detail->'link',
               'machine', p.detail->'machine', 'erased', true))
       FROM message_deliveries m
       WHERE m.id = p.delivery_id AND m.user_id = ANY(%(doctors)s)
         AND NOT p.detail ? 'erased'""",
    # Also the report that a message of the doctor came by.
    """UPDATE provider_events p SET detail = '{"erased": true}'
       FROM inbound_messages i
       WHERE i.event_id = p.id AND i.user_id = ANY(%(doctors)s) AND NOT p.detail ? 'erased'""",
    """UPDATE inbound_messages
       SET sender = '', text = '', button = '', handled_at = COALESCE(handled_at, now())
       WHERE user_id = ANY(%(doctors)s)
         AND (sender <> '' OR text <> '' OR button <> '' OR handled_at IS NULL)""",
    # What waits to be sent does not go out.
    """UPDATE inbound_replies r
       SET text = '', error = '',
           status = CASE r.status WHEN 'queued' THEN 'failed' ELSE r.status END
       FROM inbound_messages i
       WHERE i.id = r.message_id AND i.user_id = ANY(%(doctors)s)
         AND (r.text <> '' OR r.error <> '')""",
    """UPDATE unsubscribe_records SET reason = NULL
       WHERE user_id = ANY(%(doctors)s) AND reason IS NOT NULL""",
    """UPDATE consent_records SET source = 'erased', text_shown = ''
       WHERE user_id = ANY(%(doctors)s) AND (source <> 'erased' OR text_shown <> '')""",
    """UPDATE channel_suppressions SET detail = ''
       WHERE user_id = ANY(%(doctors)s) AND detail <> ''""",
    # What went out: the doctor's part of each window.
    """UPDATE handed_over h SET contents = h.contents - mine.deliveries
       FROM (SELECT w.claim_id, array_agg(a.delivery_id::text) AS deliveries
             FROM delivery_attempts a JOIN handed_over w ON w.claim_id = a.claim_id
             WHERE a.user_id = ANY(%(doctors)s) AND w.contents ? a.delivery_id::text
             GROUP BY w.claim_id) mine
       WHERE h.claim_id = mine.claim_id""",
    # A worker that wakes up late must not write what a provider said of the doctor: under another
    # claim it finds nothing.
    """UPDATE delivery_attempts a SET claim_id = uuidv7()
       FROM handed_over h
       WHERE a.user_id = ANY(%(doctors)s) AND a.outcome = 'unknown' AND h.claim_id = a.claim_id""",
    """UPDATE message_deliveries m SET claim_id = a.claim_id
       FROM delivery_attempts a
       WHERE a.delivery_id = m.id AND a.user_id = ANY(%(doctors)s) AND a.outcome = 'unknown'
         AND a.counts AND m.claim_id <> a.claim_id""",
)
# The person's own row, once: whoever edits it afterwards says something new.
_PERSON = """
    UPDATE doctors
    SET external_id = 'erased-' || id, title = '', first_name = 'Erased', last_name = 'doctor',
        email = NULL, phone = NULL, whatsapp = NULL, location = '', timezone = %(zone)s,
        may_be_named = false, last_active_at = NULL
    WHERE id = %(doctor)s
"""
# Messages that nobody has taken in yet; not those from a number that somebody else has as well,
# whose STOP it may be. The person's own row is empty by then.
_UNTAKEN = """
    UPDATE provider_events p SET detail = '{"erased": true}', processed_at = %(now)s
    WHERE kind = 'inbound' AND processed_at IS NULL AND detail->>'from' = ANY(%(numbers)s)
      AND NOT EXISTS (SELECT FROM doctors d WHERE p.detail->>'from' IN (d.phone, d.whatsapp))
"""
# Texts that name the person without pointing to them; whole rejected lines, for a cell of one may
# be another thing of the same person.
_REJECTED = """
    WITH named AS (
        SELECT DISTINCT run_id, line FROM import_rejections
        WHERE value ~* %(pattern)s OR problem ~* %(pattern)s)
    UPDATE import_rejections r SET value = '', problem = %(gone)s
    FROM named WHERE r.run_id = named.run_id AND r.line = named.line
"""
_LOGGED = """
    UPDATE django_admin_log SET object_repr = %(label)s, change_message = ''
    WHERE object_repr ~* %(pattern)s OR change_message ~* %(pattern)s
       OR object_id = %(key)s AND content_type_id = (
            SELECT id FROM django_content_type WHERE app_label = 'segments' AND model = 'doctor')
"""


def of_doctors(doctor_ids: Sequence[int]) -> None:
    """Empty everything that hangs on these doctors and is personal."""
    values: dict[str, Any] = {"doctors": list(doctor_ids), "gone": GONE}
    with connection.cursor() as cursor:
        for statement in _STATEMENTS:
            cursor.execute(statement, values)


def person(doctor_id: int) -> None:
    """Empty the doctor's own row."""
    with connection.cursor() as cursor:
        cursor.execute(_PERSON, {"doctor": doctor_id, "zone": DEFAULT_TIMEZONE})


def by_name(cursor: CursorWrapper, values: dict[str, Any]) -> None:
    """Empty what names the person: `pattern`, `numbers`, `key`, `label` and `now`."""
    for statement in (_UNTAKEN, _REJECTED, _LOGGED):
        cursor.execute(statement, {**values, "gone": GONE})


def windows_naming(texts: Sequence[str], since: Any = None) -> list[uuid.UUID]:
    """Windows whose messages, to whomever, hold one of the texts; `since`: handed over from then.

    Reads what went out to everybody, so call it without a lock.
    """
    if not texts:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT claim_id FROM handed_over
               WHERE (%(since)s::timestamptz IS NULL OR at >= %(since)s)
                 AND EXISTS (SELECT FROM unnest(%(texts)s::text[]) AS t(said)
                             WHERE position(t.said IN contents::text) > 0)
               ORDER BY claim_id""",
            {"since": since, "texts": list(texts)},
        )
        return [claim_id for (claim_id,) in cursor.fetchall()]
