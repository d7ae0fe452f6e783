"""I3 and I4: what was authorised keeps to the caps and to the hours of today's settings."""

from __future__ import annotations

from django.conf import settings

from messaging.audit.finding import IN_SCOPE, Found, Scope, find, first_id, said
from messaging.caps import DAY, WEEK

# A window is half open: exactly 24 hours after the other is allowed. Each message is held against
# the one that many places before it. One sort of the attempts (and one by channel).
_CAPS = f"""
    WITH taken AS (
        SELECT a.delivery_id, a.authorised_at,
               a.authorised_at - lag(a.authorised_at, %(per_day)s) OVER person AS day_span,
               a.authorised_at - lag(a.authorised_at, %(per_week)s) OVER person AS week_span,
               a.authorised_at - lag(a.authorised_at) OVER (
                   PARTITION BY a.user_id, a.channel ORDER BY a.authorised_at, a.id) AS channel_span
        FROM delivery_attempts a
        WHERE (a.counts OR a.outcome = 'written_off')
          AND a.id >= %(history_id)s AND a.authorised_at >= %(history)s::timestamptz
        WINDOW person AS (PARTITION BY a.user_id ORDER BY a.authorised_at, a.id)
    )
    SELECT 'delivery', delivery_id,
           'It was authorised at ' || {said("authorised_at")} || ', '
           || concat_ws(' and ',
                CASE WHEN day_span < %(day)s
                     THEN 'more than ' || %(per_day)s || ' in 24 hours' END,
                CASE WHEN week_span < %(week)s
                     THEN 'more than ' || %(per_week)s || ' in 7 days' END,
                CASE WHEN channel_span < %(interval)s
                     THEN 'too soon after another on the channel' END) || '.'
    FROM taken
    WHERE authorised_at >= %(since)s::timestamptz
      AND (day_span < %(day)s OR week_span < %(week)s OR channel_span < %(interval)s)
"""  # noqa: S608  only constants are put in

# The caps and the consent are looked up by these two.
_SOMEBODY_ELSES = f"""
    SELECT 'delivery', m.id, 'Its attempt of ' || {said("a.authorised_at")}
           || ' stands for another doctor or channel.'
    FROM delivery_attempts a JOIN message_deliveries m ON m.id = a.delivery_id
    WHERE {IN_SCOPE} AND (a.user_id, a.channel) <> (m.user_id, m.channel)
"""  # noqa: S608

_HOURS = f"""
    WITH zones AS MATERIALIZED (SELECT name FROM pg_timezone_names),
    hours AS (
        SELECT * FROM unnest(%(channels)s::text[], %(opens)s::time[], %(closes)s::time[])
            AS h(channel, opens, closes)
    ), attempts AS (
        SELECT a.delivery_id, a.channel, a.timezone, h.opens, h.closes,
               (a.authorised_at AT TIME ZONE z.name)::time AS clock
        FROM delivery_attempts a
        LEFT JOIN hours h ON h.channel = a.channel
        LEFT JOIN zones z ON z.name = a.timezone
        WHERE {IN_SCOPE}
    )
    SELECT 'delivery', delivery_id, CASE
        WHEN opens IS NULL THEN 'There are no hours for the channel ' || channel || '.'
        WHEN clock IS NULL THEN 'Nobody knows the time zone ' || timezone || '.'
        ELSE 'It was authorised at ' || to_char(clock, 'HH24:MI:SS') || ' in ' || timezone
             || '; the channel is open from ' || to_char(opens, 'HH24:MI') || ' to '
             || to_char(closes, 'HH24:MI') || '.' END
    FROM attempts
    WHERE (clock >= opens AND clock < closes) IS NOT TRUE
"""  # noqa: S608


def beyond_caps(scope: Scope) -> Found:
    """Counted attempts beyond a cap in the window that ends with them."""
    longest = max(WEEK, settings.CAP_CHANNEL_INTERVAL)
    history = scope.since and scope.since - longest
    found = find(
        scope,
        _CAPS,
        history=history or "-infinity",
        history_id=first_id(history),
        per_day=settings.CAP_PER_DAY,
        per_week=settings.CAP_PER_WEEK,
        day=DAY,
        week=WEEK,
        interval=settings.CAP_CHANNEL_INTERVAL,
    )
    return found + find(scope, _SOMEBODY_ELSES)


def out_of_hours(scope: Scope) -> Found:
    """Attempts at a local time at which their channel is closed, in the zone that they recorded."""
    hours = settings.SEND_HOURS
    return find(
        scope,
        _HOURS,
        channels=list(hours),
        opens=[opens for opens, _ in hours.values()],
        closes=[closes for _, closes in hours.values()],
    )
