"""What shows a machine only by its time: judged when the hits are folded (track.apply_events).

A hit is by a machine
- where it comes sooner after the message was authorised than a person can read: a gateway that
  looks at what it is handed. Authorised, not sent: that time is written only when the whole window
  is done, which may be after the first doctors have read theirs;
- where the mail's hidden link was followed about then: no person sees that;
- where the same moment saw two different links of the message: nobody clicks so fast.
So hits wait SETTLES before they count. The pixel is no link: it loads beside a click.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings

TRAP_SPOILS = timedelta(seconds=10)  # what comes so long before and after it
SAME_MOMENT = timedelta(seconds=1)
SETTLES = TRAP_SPOILS

# Of the event `p`, by the index on delivery_id.
BY_MACHINE = """(
    EXISTS (
        SELECT FROM delivery_attempts a
        WHERE a.delivery_id = p.delivery_id AND a.counts
          AND p.occurred_at < a.authorised_at + %(human_after)s
          AND p.occurred_at >= a.authorised_at)
    OR EXISTS (
        SELECT FROM provider_events x
        WHERE x.delivery_id = p.delivery_id AND x.provider = 'link' AND x.id <> p.id
          AND (x.detail->>'link' = 'hidden'
                AND x.occurred_at BETWEEN p.occurred_at - %(trap)s AND p.occurred_at + %(trap)s
            OR x.kind IN ('clicked', 'looked') AND p.kind IN ('clicked', 'looked')
                AND x.kind <> p.kind
                AND x.occurred_at BETWEEN p.occurred_at - %(moment)s AND p.occurred_at + %(moment)s)
    ))"""


def values() -> dict[str, Any]:
    """The parameters of BY_MACHINE."""
    return {
        "human_after": settings.LINK_HUMAN_AFTER,
        "trap": TRAP_SPOILS,
        "moment": SAME_MOMENT,
    }
