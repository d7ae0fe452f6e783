"""I6: what we say was accepted, and what providers say they accepted, are the same messages."""

from __future__ import annotations

from messaging.audit.finding import IN_SCOPE, Found, Scope, find, said

# The attempts that a call can have been made under.
MADE_CALLS = "('pending', 'accepted', 'unknown', 'written_off')"

_CALL_WITHOUT_ATTEMPT = f"""
    SELECT CASE WHEN l.delivery_id IS NULL THEN 'call' ELSE 'delivery' END,
           COALESCE(l.delivery_id::text, l.place),
           'The provider accepted it' || COALESCE(' at ' || {said("l.at")}, '')
           || CASE WHEN l.delivery_id IS NULL THEN ', which names no delivery.'
                   ELSE ', but no attempt could have made the call.' END
    FROM audit_ledger l
    WHERE COALESCE(l.at, %(now)s) >= %(since)s::timestamptz AND NOT EXISTS (
        SELECT FROM delivery_attempts a
        WHERE a.delivery_id = l.delivery_id AND a.outcome IN {MADE_CALLS})
"""  # noqa: S608  only constants are put in
_ATTEMPT_WITHOUT_CALL = f"""
    WITH named AS MATERIALIZED (
        SELECT DISTINCT a.channel, a.account_id
        FROM delivery_attempts a JOIN audit_ledger l ON l.delivery_id = a.delivery_id
    )
    SELECT 'delivery', a.delivery_id, 'It was accepted, as the attempt of '
           || {said("a.authorised_at")} || ' says, but the ledger has no such call.'
    FROM delivery_attempts a
    WHERE {IN_SCOPE} AND a.outcome = 'accepted'
      AND CASE WHEN %(covers)s::text[] = '{{}}'
          THEN EXISTS (SELECT FROM named n WHERE n.channel = a.channel
                       AND n.account_id IS NOT DISTINCT FROM a.account_id)
          ELSE a.channel = ANY(%(covers)s::text[]) END
      AND NOT EXISTS (SELECT FROM audit_ledger l WHERE l.delivery_id = a.delivery_id)
"""  # noqa: S608

_KEPT_WITHOUT_ATTEMPT = f"""
    SELECT 'delivery', s.delivery_id, 'The sandbox accepted it at ' || {said("s.accepted_at")}
           || ', but no attempt could have made the call.'
    FROM sandbox_messages s
    WHERE s.accepted_at >= %(since)s::timestamptz AND s.delivery_id IS NOT NULL  -- no test
      AND NOT EXISTS (
        SELECT FROM delivery_attempts a
        WHERE a.delivery_id = s.delivery_id AND a.outcome IN {MADE_CALLS})
"""  # noqa: S608
_ATTEMPT_NOT_KEPT = f"""
    SELECT 'delivery', a.delivery_id, 'It was accepted, as the attempt of '
           || {said("a.authorised_at")} || ' says, but the sandbox has no such message.'
    FROM delivery_attempts a
    WHERE {IN_SCOPE} AND a.outcome = 'accepted' AND a.external_id = 'sandbox-' || a.delivery_id
      AND NOT EXISTS (SELECT FROM sandbox_messages s WHERE s.delivery_id = a.delivery_id)
"""  # noqa: S608

_NOBODY_TOOK_IT = """
    SELECT 'delivery', m.id, 'It is ' || m.status
           || ', but no provider accepted it and nobody reported on it.'
    FROM message_deliveries m
    WHERE m.status IN ('sent', 'delivered', 'opened', 'clicked')
      AND (m.sent_at IS NULL OR m.sent_at >= %(since)s::timestamptz)
      AND NOT EXISTS (
        SELECT FROM delivery_attempts a WHERE a.delivery_id = m.id AND a.outcome = 'accepted')
      AND NOT EXISTS (
        SELECT FROM provider_events e
        WHERE e.delivery_id = m.id AND e.processed_at IS NOT NULL AND NOT e.is_machine)
"""


def unaccounted(scope: Scope) -> Found:
    """Calls without an attempt, accepted attempts without a call, sent without either."""
    found = (
        find(scope, _KEPT_WITHOUT_ATTEMPT)
        + find(scope, _ATTEMPT_NOT_KEPT)
        + find(scope, _NOBODY_TOOK_IT)
        + Found(note="the sandbox's own")
    )
    if scope.ledger_calls is None:
        return found
    return (
        found
        + find(scope, _CALL_WITHOUT_ATTEMPT)
        + find(scope, _ATTEMPT_WITHOUT_CALL, covers=list(scope.covers))
        + Found(note=f"calls in the ledgers: {scope.ledger_calls:,}")
    )
