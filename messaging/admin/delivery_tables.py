"""The tables of a delivery's page: why it could go, how it went, what came back.

Each table shows so many rows and says how many more there are; the number of queries is fixed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from django.db.models import Count, Max, Min, Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.timezone import localtime

from messaging import gates, reported
from messaging.evidence import WENT_OUT
from messaging.models import (
    AttemptOutcome,
    DeliveryAttempt,
    DeliveryStatus,
    EventKind,
    HandedOver,
    MessageDelivery,
    ProviderEvent,
)
from messaging.providers.codes import TABLES, Fate
from messaging.timeline.wishes import scope
from messaging.webhooks.codes import TWILIO_WORDS
from reengage.admin_base import Table
from segments.admin.base import link, list_address, when

MOST = 50
MOST_RAW = 20_000  # characters of a report's raw JSON
M = TypeVar("M", bound=Model)


def of(request: HttpRequest, delivery: MessageDelivery) -> list[Table]:
    """In the order in which somebody reads who was asked about the message."""
    attempts, more_attempts = _first(
        delivery.attempts.select_related("account").order_by("-authorised_at", "-pk")
    )
    events, more_events = _first(delivery.events.order_by("-occurred_at", "-pk"))
    found = [
        _gates(delivery, attempts),
        _attempts(delivery, attempts, more_attempts),
        _reports(request, delivery, events, more_events, attempts),
        _followed(delivery),
    ]
    if request.user.has_perm("messaging.view_unsubscriberecord"):
        found.append(_opt_outs(delivery))
    if request.user.has_perm("messaging.view_inboundmessage"):
        found.append(_answers(delivery))
    return found


def _first(rows: QuerySet[M, M]) -> tuple[list[M], int]:
    """So many rows, and how many more there are."""
    found = list(rows[: MOST + 1])
    return found[:MOST], rows.count() - MOST if len(found) > MOST else 0


def _titled(title: str, more: int, which: str = "last") -> str:
    return f"{title}: the {which} {MOST}, and {more:,} more" if more else title


def _second(moment: datetime | None) -> str:
    return f"{localtime(moment):%d %b %Y, %H:%M:%S}" if moment else ""


def _gates(delivery: MessageDelivery, attempts: Sequence[DeliveryAttempt]) -> Table:
    """The stored trace where it was held back; else what the records show of the yes."""
    counted = [attempt for attempt in attempts if attempt.counts]
    waits = delivery.status == DeliveryStatus.SCHEDULED
    if delivery.trace or waits or not attempts:
        rows, title = gates.recorded(delivery), "Checks, when its turn last came"
    else:
        attempt = [*counted, *attempts][0]
        rows = gates.passed(delivery, attempt)
        at = _second(attempt.authorised_at)
        title = f"Checks: all were met on {at}. The reasons are what the records show today"
    return Table(
        title=title,
        headers=("Check", "Met?", "Because"),
        rows=[(gate.check, _met(gate), _long(gate.because)) for gate in rows],
        empty="It is checked when its time comes."
        if waits
        else "None is on record: it was decided before its turn came.",
    )


def _met(gate: gates.Gate) -> str:
    return "yes then; look at this" if gate.is_doubted else gate.answer


def _long(text: str) -> str:
    """A text that may have words longer than its column."""
    return format_html('<span class="evidence-long">{}</span>', text) if text else ""


def _attempts(delivery: MessageDelivery, attempts: Sequence[DeliveryAttempt], more: int) -> Table:
    handed = HandedOver.objects.filter(pk__in=[attempt.claim_id for attempt in attempts])
    handed_at = dict(handed.values_list("pk", "at"))
    later: list[DeliveryAttempt | None] = [None, *attempts]
    return Table(
        title=_titled("Attempts", more),
        headers=(
            "Authorised",
            "Handed over",
            "Answered",
            "Account",
            "Outcome",
            "Provider said",
            "Then",
        ),
        rows=[
            (
                _second(attempt.authorised_at),
                _second(handed_at.get(attempt.claim_id)),
                _second(attempt.finished_at),
                attempt.account,
                f"{attempt.get_outcome_display()}; {_for_the_caps(attempt)}",
                _long(_answer(attempt)),
                _then(delivery, attempt, following),
            )
            for attempt, following in zip(attempts, later, strict=False)
        ],
        empty="It was not handed to a provider.",
    )


def _for_the_caps(attempt: DeliveryAttempt) -> str:
    """Whether the frequency caps count it (messaging/facts.py)."""
    is_counted = attempt.counts or attempt.outcome == AttemptOutcome.WRITTEN_OFF
    return f"{'counts' if is_counted else 'does not count'} for the caps"


_FATES = {
    Fate.FOR_GOOD: "This message is refused for good.",
    Fate.FOR_NOW: "This message may be tried again.",
    Fate.THROTTLE: "Too many at once: all messages wait.",
    Fate.OUTAGE: "The account or the provider is at fault, not the message.",
}


def _answer(attempt: DeliveryAttempt) -> str:
    """The provider's words, and what its code means; of an accepted one the provider's id."""
    if not (attempt.error_message or attempt.error_code):
        return attempt.external_id or ""
    words = [attempt.error_message or attempt.error_code]
    provider = attempt.account.provider if attempt.account else ""
    code = TABLES[provider].codes.get(attempt.error_code) if provider in TABLES else None
    if provider == "twilio" and attempt.error_code in TWILIO_WORDS:
        words.append(TWILIO_WORDS[attempt.error_code])
    if code:
        words.append(_FATES[code.fate])
    return " ".join(words)


def _then(
    delivery: MessageDelivery, attempt: DeliveryAttempt, following: DeliveryAttempt | None
) -> str:
    if following is not None:
        return f"Tried again on {when(following.authorised_at)}"
    if attempt.outcome in WENT_OUT:
        return ""
    if delivery.status == DeliveryStatus.SCHEDULED:
        return f"Will be tried again on {when(delivery.scheduled_at)}"
    return "Not tried again"


def _reports(
    request: HttpRequest,
    delivery: MessageDelivery,
    events: Sequence[ProviderEvent],
    more: int,
    attempts: Sequence[DeliveryAttempt],
) -> Table:
    now = timezone.now()
    may_see_raw = request.user.has_perm("messaging.view_providerevent")
    authorised = [attempt.authorised_at for attempt in attempts if attempt.counts]
    return Table(
        title=_titled("Reports, as they came", more),
        headers=("Happened", "Received", "What", "From", "What was done", "By a machine?", "Raw"),
        rows=[
            (
                _second(event.occurred_at),
                _second(event.received_at),
                reported.which(event),
                event.provider,
                reported.fate(event, now),
                _long(reported.why_machine(event, authorised, _others(event, events)) or "no"),
                raw(event) if may_see_raw else "You have no permission to view reports.",
            )
            for event in events
        ],
        empty="No report has come. Forged ones are refused at the door and leave no row.",
        more=list_address("messaging_providerevent", delivery__id__exact=delivery.pk)
        if more and may_see_raw
        else "",
    )


def _others(event: ProviderEvent, events: Sequence[ProviderEvent]) -> list[ProviderEvent]:
    """The other hits on the message's links."""
    return [other for other in events if other.provider == "link" and other.pk != event.pk]


def raw(event: ProviderEvent) -> str:
    """A report as it is kept, folded."""
    kept = {
        "event": event.event_key,
        "message": event.external_id,
        "verdict": event.verdict,
        "detail": event.detail,
    }
    text = json.dumps(kept, indent=2, ensure_ascii=False, sort_keys=True)
    return format_html(
        '<details class="evidence-raw"><summary>Show</summary><pre>{}</pre></details>',
        text if len(text) <= MOST_RAW else f"{text[:MOST_RAW]}…",
    )


_DONE = {
    EventKind.OPENED: "Opened",
    EventKind.CLICKED: "Followed the link",
    EventKind.LOOKED: "Looked at the preferences",
}


def _followed(delivery: MessageDelivery) -> Table:
    """Opens and clicks: what counts once, how often in truth, and what machines did."""
    tally = {
        (row["kind"], row["is_machine"]): row
        for row in delivery.events.filter(kind__in=list(_DONE), processed_at__isnull=False)
        .order_by()
        .values("kind", "is_machine")
        .annotate(times=Count("pk"), first=Min("occurred_at"), last=Max("occurred_at"))
    }
    target = delivery.target_url
    rows = []
    for kind, word in _DONE.items():
        own, machine = tally.get((kind, False)), tally.get((kind, True))
        if own or machine:
            rows.append(
                (
                    _long(f"{word} to {target}" if target and kind == EventKind.CLICKED else word),
                    _times(own["times"]) if own else "never",
                    when(own["first"]) if own else "",
                    when(own["last"]) if own and own["times"] > 1 else "",
                    f"{machine['times']:,}" if machine else "0",
                )
            )
    return Table(
        title="Opens and clicks",
        headers=("What", "By the doctor", "First", "Last", "By machines, not counted"),
        rows=rows,
        empty="None has been counted." + (f" The link leads to {target}" if target else ""),
    )


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times, counted once"


def _opt_outs(delivery: MessageDelivery) -> Table:
    records, more = _first(delivery.unsubscribes.order_by("-pk"))
    return Table(
        title=_titled("Opt-outs and pauses from its links", more),
        headers=("Said", "What", "Reason", "State"),
        rows=[
            (
                link("messaging_unsubscriberecord", record.pk, when(record.unsubscribed_at)),
                f"A pause until {when(record.paused_until)}"
                if record.paused_until
                else f"Opt-out of {scope(record)}",
                record.reason,
                f"Taken back or over, {when(record.revoked_at)}" if record.revoked_at else "Holds",
            )
            for record in records
        ],
        empty="None.",
    )


def _answers(delivery: MessageDelivery) -> Table:
    answers, more = _first(delivery.answers.order_by("-pk"))
    return Table(
        title=_titled("What the doctor wrote in answer", more),
        headers=("Received", "Message", "Taken for", "State"),
        rows=[
            (
                link("messaging_inboundmessage", answer.pk, when(answer.received_at)),
                _long(answer.text or f"[{answer.button}]"),
                answer.get_kind_display(),
                f"Handled {when(answer.handled_at)}" if answer.handled_at else "Waits",
            )
            for answer in answers
        ],
        empty="Nothing.",
    )
