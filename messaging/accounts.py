"""How much an account may take now: paused by hand, token bucket and circuit breaker.

The state is a row that all workers share, so that losing Redis or a worker loses no limit. A
channel that waits defers its messages; nothing fails by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet

from messaging.models import ProviderAccount
from messaging.providers.base import (
    TROUBLE_LIMIT,
    NotSent,
    Receipt,
    Refused,
    Unknown,
    is_trouble,
)
from messaging.record import storable

# The breaker stays open for so long, twice as long each time the probe fails, up to the longest.
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=15)
# The longest that a provider's wish to wait is followed. A time further away than this was written
# by a worker whose clock was wrong.
LONGEST_WAIT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a lane may hand over now. No messages: `why` says in words what it waits for."""

    messages: int
    account_id: int
    why: str = ""
    until: datetime | None = None  # when it is worth asking again, where that is known
    is_limited: bool = False  # the messages were taken out of a token bucket
    is_unwell: bool = False  # the last answers were trouble: a good one is news
    is_probe: bool = False  # the one message that tries whether the provider is back


def account_for(channel: str) -> ProviderAccount | None:
    """The account that the channel sends through; None: nothing was sent through it yet."""
    return _accounts(channel).first()


def _accounts(channel: str) -> QuerySet[ProviderAccount]:
    provider = settings.MESSAGE_PROVIDERS[channel]
    return ProviderAccount.objects.filter(channel=channel, provider=provider)


def is_used(account: ProviderAccount) -> bool:
    """Whether its channel sends through it: settings name one provider for each channel."""
    return settings.MESSAGE_PROVIDERS.get(account.channel) == account.provider


def is_open(account: ProviderAccount) -> bool:
    """Whether the breaker is open: nothing goes but one probe, once `closed_until` has come."""
    return account.failures_in_row >= TROUBLE_LIMIT


def why_waiting(account: ProviderAccount, now: datetime) -> str:
    """Why nothing goes out through the account now, in words; empty: it may."""
    if account.is_paused:
        return "The account is paused by hand."
    if account.closed_until is not None and now < account.closed_until <= now + LONGEST_WAIT:
        return account.last_trouble or "The provider asked to wait."
    return ""


def admit(channel: str, want: int, now: datetime) -> Allowance:
    """How many of `want` messages the channel's account takes now.

    What is allowed and not handed over goes back with `give_back()`. An open breaker lets a
    single message through once its time has come, to try whether the provider is back.
    """
    account, _ = _accounts(channel).get_or_create(
        channel=channel, provider=settings.MESSAGE_PROVIDERS[channel]
    )
    if why := why_waiting(account, now):
        return Allowance(0, account.pk, why, None if account.is_paused else account.closed_until)
    is_unwell = account.failures_in_row > 0 or account.closed_until is not None
    is_probe = is_open(account)
    if is_probe:
        if not _may_probe(account.pk, now):
            why = "One message tries whether the provider is back."
            return Allowance(0, account.pk, why, account.probe_until)
        want = 1
    if account.rate_per_second is None:
        return Allowance(want, account.pk, is_unwell=is_unwell, is_probe=is_probe)
    taken = _take(account.pk, want, now)
    if taken:
        return Allowance(taken, account.pk, is_limited=True, is_unwell=is_unwell, is_probe=is_probe)
    if is_probe:
        _free_probe(account.pk)
    until = now + timedelta(seconds=1 / account.rate_per_second)
    return Allowance(0, account.pk, "The provider takes no more messages a second.", until)


def _may_probe(account_id: int, now: datetime) -> bool:
    """Take the one probe; of several workers, one gets it."""
    free = Q(probe_until=None) | Q(probe_until__lte=now)
    free |= Q(probe_until__gt=now + settings.SEND_LEASE)  # by a clock that was wrong
    probing = ProviderAccount.objects.filter(free, pk=account_id)
    return bool(probing.update(probe_until=now + settings.SEND_LEASE))


def _free_probe(account_id: int) -> None:
    ProviderAccount.objects.filter(pk=account_id).update(probe_until=None)


# The bucket fills with time and never beyond `burst`. Workers come with times a little out of
# order: no moment fills it twice. A time long before the last one is that of a clock that was put
# back: it fills nothing, and counting goes on from there.
_TAKE = """
    WITH bucket AS (
        SELECT id, LEAST(burst, tokens + rate_per_second * GREATEST(
            0, extract(epoch FROM %(now)s - COALESCE(tokens_at, %(now)s)))) AS filled
        FROM provider_accounts WHERE id = %(account)s FOR NO KEY UPDATE
    ), taking AS (  -- a wait is rounded to microseconds: no second wait for the rest of a token
        SELECT id, filled, LEAST(%(want)s, floor(filled + 0.001)) AS taken FROM bucket
    )
    UPDATE provider_accounts a SET tokens = filled - taken, tokens_at = GREATEST(
        %(now)s, CASE WHEN tokens_at < %(now)s + interval '1 minute' THEN tokens_at END)
    FROM taking t WHERE a.id = t.id RETURNING taken::int
"""


def _take(account_id: int, want: int, now: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {"account": account_id, "want": want, "now": now})
        row = cursor.fetchone()
    return int(row[0]) if row else want  # the account was deleted, or lost its rate, meanwhile


def give_back(allowance: Allowance, unused: int) -> None:
    """Put tokens back that no message was handed over for."""
    if unused > 0 and allowance.is_limited:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE provider_accounts SET tokens = LEAST(burst, tokens + %s) WHERE id = %s",
                [unused, allowance.account_id],
            )


# With any good answer the row of failures starts anew; an open breaker whose probe fails stays open
# for twice as long. Windows that began before it opened come in late: their trouble is no news, and
# what was good in them does not shorten the time that the provider asked for.
_NOTE = """
    WITH seen AS (
        SELECT id, CASE WHEN %(good)s THEN 0 ELSE failures_in_row END + %(trailing)s AS failures,
               CASE WHEN %(good)s THEN 0 ELSE times_opened END AS opened,
               failures_in_row >= %(limit)s AND closed_until > %(now)s
                   AND NOT %(probe)s AND NOT %(good)s AS is_late,
               CASE WHEN closed_until > %(now)s OR NOT %(good)s THEN closed_until END AS closed
        FROM provider_accounts WHERE id = %(account)s FOR NO KEY UPDATE
    ), judged AS (
        SELECT *, %(trailing)s > 0 AND failures >= %(limit)s AND is_late IS NOT TRUE AS opens
        FROM seen
    )
    UPDATE provider_accounts a
    SET failures_in_row = j.failures,
        times_opened = j.opened + j.opens::int,
        probe_until = CASE WHEN %(probe)s OR %(good)s THEN NULL ELSE a.probe_until END,
        last_trouble = CASE WHEN j.opens OR %(wait)s::timestamptz IS NOT NULL
                            THEN %(trouble)s ELSE a.last_trouble END,
        closed_until = GREATEST(
            %(wait)s::timestamptz, j.closed,
            CASE WHEN j.opens
                 THEN %(now)s + LEAST(%(longest)s, %(first)s * (2 ^ LEAST(j.opened, 10))) END)
    FROM judged j WHERE a.id = j.id
"""


def note(allowance: Allowance, receipts: Sequence[Receipt], now: datetime) -> None:
    """Tell the account how its provider answered, in the order of the answers.

    Five in a row without a clear answer open the breaker; a wish to wait closes the account for
    as long. An account in good health that goes on being well is not written to.
    """
    answers = [receipt for receipt in receipts if not isinstance(receipt, NotSent)]
    troubled = [is_trouble(receipt) for receipt in answers]
    waits = [
        min(receipt.retry_after or FIRST_PAUSE, LONGEST_WAIT)
        for receipt in answers
        if isinstance(receipt, Refused) and receipt.is_throttle
    ]
    if not (any(troubled) or waits or allowance.is_unwell):
        return
    trailing = next((i for i, trouble in enumerate(reversed(troubled)) if not trouble), None)
    values: dict[str, Any] = {
        "account": allowance.account_id,
        "good": not all(troubled),
        "probe": allowance.is_probe,
        "trailing": len(troubled) if trailing is None else trailing,
        "limit": TROUBLE_LIMIT,
        "trouble": _words(answers),
        "wait": now + max(waits) if waits else None,
        "now": now,
        "first": FIRST_PAUSE,
        "longest": LONGEST_PAUSE,
    }
    with connection.cursor() as cursor:
        cursor.execute(_NOTE, values)


def _words(answers: Sequence[Receipt]) -> str:
    """The last trouble, for the account's page."""
    for receipt in reversed(answers):
        if isinstance(receipt, Unknown):
            return storable(f"The provider did not answer clearly: {receipt.error}")
        if isinstance(receipt, Refused) and (receipt.is_outage or receipt.is_throttle):
            return storable(f"The provider refused: {receipt.message} ({receipt.code})")
    return ""


def reset(account: ProviderAccount) -> None:
    """Close the breaker by hand: the next messages go out at once, and may open it again."""
    account.failures_in_row = account.times_opened = 0
    account.closed_until = account.probe_until = None
    account.last_trouble = ""
    account.save(
        update_fields=[
            "failures_in_row",
            "times_opened",
            "closed_until",
            "probe_until",
            "last_trouble",
        ]
    )
