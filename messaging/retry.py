"""When a message that was definitely refused for now is offered again."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

# Waits after the first, second, ... refusal; after the last one it has failed.
LADDER = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))
JITTER = 0.2  # up to so much longer, so that what was refused together does not come back together


def next_try(
    refusals: int,
    now: datetime,
    expires_at: datetime,
    retry_after: timedelta | None = None,
    chance: float | None = None,
) -> datetime | None:
    """When to try again after this many refusals (1: the first); None: never.

    At least as long as the provider asked for. `chance` in [0, 1) stands for the jitter's draw.
    None where the tries are used up, or where the next would come at or after `expires_at`.
    """
    if refusals > len(LADDER):
        return None
    wait = LADDER[refusals - 1]
    wait = max(wait, retry_after or wait)
    draw = random.random() if chance is None else chance  # noqa: S311  not a secret
    at = now + wait * (1 + JITTER * draw)
    return at if at < expires_at else None
