"""When a step falls due, as SQL, so that enrolment, schedule and policy share one rule.

strategy, Campaign Sequences: a step is due `delay_days` after the day of enrolment, at the
campaign's `send_from` in the doctor's time zone, and never before the enrolment itself. Whoever is
enrolled after `send_until` has the next day as day 0.

Tables: e campaign_enrollments, c campaigns, s campaign_messages, d doctors.
"""

from __future__ import annotations

# The local date that is day 0.
FIRST_DAY = """
    ((e.enrolled_at AT TIME ZONE d.timezone) + (interval '24 hours' - c.send_until::interval))::date
"""


def due_at(first_day: str = FIRST_DAY) -> str:
    """SQL for the time at which step `s` of enrolment `e` is due."""
    local = f"(({first_day}) + s.delay_days + c.send_from)"
    return f"GREATEST(e.enrolled_at, {local} AT TIME ZONE d.timezone)"


DUE_AT = due_at()
