"""When a step falls due and expires, as SQL: enrolment, schedule and policy share one rule.

strategy, Campaign Sequences: a step is due `delay_days` after the day of enrolment, at the
campaign's `send_from` in the doctor's time zone, and never before the enrolment itself. Whoever is
enrolled after `send_until` has the next day as day 0. design, section 4: it expires after 48 h, or
when the channel's next step comes.

Tables: e campaign_enrollments, c campaigns, s campaign_messages, d doctors.
"""

from __future__ import annotations

from datetime import time

# The local date that is day 0 for the steps still to come: a pause may have moved them.
FIRST_DAY = """
    (((e.enrolled_at AT TIME ZONE d.timezone)
      + (interval '24 hours' - c.send_until::interval))::date + e.shifted_days)
"""


def due_at(first_day: str = FIRST_DAY) -> str:
    """SQL for the time at which step `s` of enrolment `e` is due.

    A local time that the clock skips is the moment as long after the change as it lies after the
    time of the change; one that the clock shows twice is the second. Hours are kept by next_open().
    """
    local = f"(({first_day}) + s.delay_days + c.send_from)"
    return f"GREATEST(e.enrolled_at, {local} AT TIME ZONE d.timezone)"


DUE_AT = due_at()


def own_hour(own: str) -> str:
    """SQL for the hour of its own from which a step, or its variant, goes out; NULL: it has none.

    One outside the campaign's hours, which may have been changed since, counts for nothing.
    """
    return f"CASE WHEN {own} > c.send_from AND {own} < c.send_until THEN {own} END"


def hour_of(own: time | None, send_from: time, send_until: time) -> time:
    """The same rule in Python: the hour from which the step goes out, its own or the campaign's."""
    return own if own and send_from < own < send_until else send_from


# The day of the channel's next step after step `s`, over the steps of whole campaigns.
NEXT_DAY = """
    min(s.delay_days) OVER (PARTITION BY s.campaign_id, s.channel ORDER BY s.delay_days
                            RANGE BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)
"""


def expires_at(due: str) -> str:
    """SQL for the time at which step `s`, with its `next_day`, expires if it is due at `due`.

    %(expires)s is settings.STEP_EXPIRES_AFTER.
    """
    return f"{due} + LEAST(%(expires)s, make_interval(days => s.next_day - s.delay_days))"
