"""I1: a message is accepted by a provider once at most."""

from __future__ import annotations

from messaging.audit.finding import IN_SCOPE, Found, Scope, find, said

# An attempt that a person has written off (messaging/again.py) is not among these.
WENT_OUT = "('pending', 'accepted', 'unknown')"

# delivery_attempts by its foreign key where `since` leaves few rows, else one hash join.
_TWO_ATTEMPTS = f"""
    SELECT DISTINCT ON (a.delivery_id) 'delivery', a.delivery_id,
           'Two attempts went out, or may have: of ' || {said("earlier.authorised_at")}
           || ' (' || earlier.outcome || ') and ' || {said("a.authorised_at")}
           || ' (' || a.outcome || ').'
    FROM delivery_attempts a
    JOIN delivery_attempts earlier ON earlier.delivery_id = a.delivery_id AND earlier.id < a.id
    WHERE {IN_SCOPE} AND a.outcome IN {WENT_OUT} AND earlier.outcome IN {WENT_OUT}
"""  # noqa: S608  only constants are put in

# `counts` is what delivery_attempts_once holds unique, and what caps are counted from.
_MISCOUNTED = f"""
    SELECT 'delivery', a.delivery_id,
           'The attempt of ' || {said("a.authorised_at")} || ' is ' || a.outcome || ', but '
           || CASE WHEN a.counts THEN 'counts as gone out.' ELSE 'does not count as gone out.' END
    FROM delivery_attempts a
    WHERE {IN_SCOPE} AND a.counts <> (a.outcome IN {WENT_OUT})
"""  # noqa: S608

_TO_GO_AGAIN = f"""
    SELECT 'delivery', m.id,
           'It was accepted at ' || {said("a.authorised_at")} || ', but is ' || m.status || '.'
    FROM delivery_attempts a JOIN message_deliveries m ON m.id = a.delivery_id
    WHERE {IN_SCOPE} AND a.outcome = 'accepted'
      AND m.status IN ('scheduled', 'sending', 'skipped', 'unknown')
"""  # noqa: S608

_TWO_CALLS = """
    SELECT 'delivery', l.delivery_id,
           'The provider''s ledger has ' || count(*) || ' accepted calls.'
    FROM audit_ledger l WHERE l.delivery_id IS NOT NULL
    GROUP BY l.delivery_id
    HAVING count(*) > 1 AND max(COALESCE(l.at, %(now)s)) >= %(since)s::timestamptz
       AND count(*) > 1 + (
           SELECT count(*) FROM delivery_attempts a
           WHERE a.delivery_id = l.delivery_id AND a.outcome = 'written_off')
"""


def twice(scope: Scope) -> Found:
    """Deliveries that went out twice, may have, or are in line to."""
    found = find(scope, _TWO_ATTEMPTS) + find(scope, _MISCOUNTED) + find(scope, _TO_GO_AGAIN)
    return found + find(scope, _TWO_CALLS) if scope.ledger_calls is not None else found
