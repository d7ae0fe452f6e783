"""I7: every report was counted, and what a delivery says is what its reports say, in any order."""

from __future__ import annotations

from messaging.audit.finding import IN_SCOPE, Found, Scope, find, said
from messaging.track import TRY_AGAIN_FOR

# By idx_provider_events_open and, for what doctors wrote, idx_provider_events_parked: each of those
# is taken in at last, so one that stays aside could not be read.
_NOT_COUNTED = f"""
    SELECT 'event', id, 'It came at ' || {said("received_at")}
           || CASE WHEN parked_at IS NULL THEN ' and was neither counted nor put aside.'
              ELSE ' from a doctor, and could not be read.' END
    FROM provider_events
    WHERE processed_at IS NULL AND (parked_at IS NULL OR kind = 'inbound')
      AND received_at < %(overdue)s
"""  # noqa: S608  only constants are put in
# By idx_provider_events_parked. A report is tried again for a day (messaging/track.py).
_LEFT_ASIDE = f"""
    SELECT 'event', e.id, 'It was put aside at ' || {said("e.parked_at")}
           || ', though the message that it names is on its way.'
    FROM provider_events e
    JOIN message_deliveries m ON m.id = COALESCE(e.delivery_id, (
        SELECT x.id FROM message_deliveries x
        WHERE e.external_id <> '' AND x.external_id = e.external_id LIMIT 1))
    WHERE e.processed_at IS NULL AND e.parked_at < %(overdue)s
      AND e.received_at > %(tried_since)s AND m.status NOT IN ('scheduled', 'skipped')
"""  # noqa: S608
# By idx_provider_events_unsettled: a complaint is an opt-out, and none is left lying.
_NOT_ACTED_ON = f"""
    SELECT 'event', id, 'It came at ' || {said("received_at")} || ' and says of the doctor''s '
           || 'channel: ' || verdict || '. Nobody has acted on that.'
    FROM provider_events
    WHERE settled_at IS NULL AND delivery_id IS NOT NULL AND verdict <> ''
      AND GREATEST(processed_at, parked_at) < %(overdue)s
"""  # noqa: S608


def _wrong(fact: str) -> str:
    """SQL: whether a fact of `m` is another than the reports `f` say."""
    return f"m.{fact} IS DISTINCT FROM f.{fact}"


# A failure can also be our own: refused, not prepared, given up. Then it has no report, or an
# earlier time than its reports.
_FAILED_WRONG = f"""
    {_wrong("failed_at")} AND NOT COALESCE(m.failed_at < COALESCE(f.failed_at, 'infinity')
        AND EXISTS (
            SELECT FROM delivery_attempts a WHERE a.delivery_id = m.id
              AND (a.outcome IN ('refused', 'released', 'unknown') OR a.finished_at > m.failed_at)
        ), false)
"""
_WRONG = {
    "delivered_at": _wrong("delivered_at"),
    "opened_at": _wrong("opened_at"),
    "clicked_at": _wrong("clicked_at"),
    "failed_at": _FAILED_WRONG,
}
# The rank that the facts give; without any, and without a report, our own record alone says it.
_RANK = """
    CASE WHEN f.clicked_at IS NOT NULL THEN 'clicked'
         WHEN f.opened_at IS NOT NULL THEN 'opened'
         WHEN f.delivered_at IS NOT NULL THEN 'delivered'
         WHEN m.failed_at IS NOT NULL THEN 'failed'
         WHEN f.delivery_id IS NULL AND m.status IN ('scheduled', 'sending', 'unknown', 'skipped')
              THEN m.status
         ELSE 'sent' END
"""
_NO_START = "m.sent_at IS NULL AND m.status IN ('sent', 'delivered', 'opened', 'clicked')"


def _words(fact: str) -> str:
    """SQL: a wrong fact in words, else NULL."""
    ours, theirs = said(f"m.{fact}"), said(f"f.{fact}")
    return f"""
        CASE WHEN {_WRONG[fact]} THEN 'Its {fact} is ' || COALESCE({ours}, 'empty')
             || ', by its reports ' || COALESCE({theirs}, 'empty') || '.' END"""


# The rules of messaging/track.py, written once more: one pass over the reports and one over the
# deliveries. `sent_at` may be our own record's time, so it is not compared.
_DIFFERENT = f"""
    WITH {{touched}}folded AS (
        SELECT e.delivery_id,
               min(e.occurred_at) FILTER (WHERE e.kind IN ('delivered', 'opened', 'clicked'))
                   AS delivered_at,
               min(e.occurred_at) FILTER (WHERE e.kind IN ('opened', 'clicked')) AS opened_at,
               min(e.occurred_at) FILTER (WHERE e.kind = 'clicked') AS clicked_at,
               min(e.occurred_at) FILTER (WHERE e.kind = 'failed') AS failed_at
        FROM {{events}}
        WHERE e.processed_at IS NOT NULL AND NOT e.is_machine
        GROUP BY e.delivery_id
    )
    SELECT 'delivery', m.id, concat_ws(' ', {", ".join(map(_words, _WRONG))},
        CASE WHEN m.status <> {_RANK} THEN 'It is ' || m.status || ', by what is known of it '
             || {_RANK} || '.' END,
        CASE WHEN {_NO_START} THEN 'It does not say when it was sent.' END)
    FROM {{deliveries}} LEFT JOIN folded f ON f.delivery_id = m.id
    WHERE {" OR ".join(f"({wrong})" for wrong in _WRONG.values())}
       OR m.status <> {_RANK} OR ({_NO_START})
"""  # noqa: S608
_ALL = _DIFFERENT.format(touched="", events="provider_events e", deliveries="message_deliveries m")
# Of those that anything was done about or reported on; each with all of its reports.
_TOUCHED = f"""touched AS MATERIALIZED (
        SELECT a.delivery_id FROM delivery_attempts a WHERE {IN_SCOPE}
        UNION
        SELECT e.delivery_id FROM provider_events e
        WHERE e.id >= %(since_id)s AND e.received_at >= %(since)s::timestamptz
    ), """  # noqa: S608
_SINCE = _DIFFERENT.format(
    touched=_TOUCHED,
    events="touched JOIN provider_events e USING (delivery_id)",
    deliveries="touched JOIN message_deliveries m ON m.id = touched.delivery_id",
)


def untold(scope: Scope) -> Found:
    """Reports that nobody counted or acted on, and deliveries that say something else."""
    found = (
        find(scope, _NOT_COUNTED)
        + find(scope, _NOT_ACTED_ON)
        + find(scope, _LEFT_ASIDE, tried_since=scope.now - TRY_AGAIN_FOR)
    )
    return found + find(scope, _SINCE if scope.since else _ALL)
