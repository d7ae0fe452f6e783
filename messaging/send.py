"""Sending: authorise (authorize.py), hand off, record (record.py)."""

from __future__ import annotations

import json
import logging
import random
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings

from messaging import accounts, render, suppress
from messaging.accounts import Allowance
from messaging.authorize import (
    Authorized,
    Claim,
    authorize_due,
    authorize_one,
    hand_over,
    skip_expired,
)
from messaging.catalogue import with_defaults
from messaging.models import Verdict
from messaging.models.version import Content
from messaging.mustache import Texts
from messaging.outgoing import call, outgoing, sms_parts
from messaging.providers import provider_for
from messaging.providers.base import (
    HandOff,
    NotSent,
    Outgoing,
    Receipt,
    Refused,
)
from messaging.record import Result, Tally, answered, not_prepared, record, retries, without_value
from segments.definitions import definition
from segments.definitions.base import Subject

logger = logging.getLogger(__name__)

# A message whose variables could not be read is prepared again after this time.
PREPARE_AGAIN = timedelta(minutes=5)
SMALLEST_WINDOW = 10

Clock = Callable[[], datetime]


@dataclass(slots=True)
class _Prepared:
    claims: list[Claim] = field(default_factory=list)
    messages: list[Outgoing] = field(default_factory=list)
    contents: dict[str, Content] = field(default_factory=dict)
    unsent: list[Result] = field(default_factory=list)


def send_due(
    channel: str, now: datetime, size: int | None = None, clock: Clock | None = None
) -> Tally:
    """Send one window of what is due on a channel; an empty tally means that nothing is.

    `size`: at most so many, else SEND_WINDOW_SIZE. `clock` says when answers came, else at `now`.
    """
    allowance = accounts.admit(channel, size or settings.SEND_WINDOW_SIZE, now)
    return _send_window(channel, now, allowance, clock or (lambda: now))


def run_lane(channel: str, clock: Clock, until: datetime) -> Tally:
    """Send what is due on a channel, a window at a time, until nothing is or `until` has come.

    Where other lanes hold every doctor of a window, it waits a moment and looks again. Where the
    provider is too slow for a window, the next ones are smaller. Returns the sum of all windows.
    """
    total = Tally()
    size = settings.SEND_WINDOW_SIZE
    is_first = True  # then what ended a worker has its turn, or a backlog would keep it waiting
    while (now := clock()) < until:
        allowance = accounts.admit(channel, size, now)
        tally = _send_window(channel, now, allowance, clock, crashed_first=is_first)
        total += tally
        is_first = False
        if tally.given_back:
            size = max(SMALLEST_WINDOW, size // 2)
        elif tally:
            size = min(settings.SEND_WINDOW_SIZE, size * 2)
        elif tally.left:
            time.sleep(random.uniform(0.02, 0.1))  # noqa: S311  so that two lanes get out of step
        elif allowance.until and allowance.until < until:
            time.sleep(max(0.01, (allowance.until - now).total_seconds()))
        else:
            break
    return total


def _send_window(
    channel: str, now: datetime, allowance: Allowance, clock: Clock, *, crashed_first: bool = False
) -> Tally:
    if not allowance.messages:
        return Tally(skipped=skip_expired(channel, now, allowance.why))
    provider_for(channel)  # one that does not exist is told before anything is claimed
    authorized = authorize_due(
        channel, now, allowance.messages, allowance.account_id, crashed_first=crashed_first
    )
    return _send(authorized, channel, allowance, clock)


def send_one(delivery_id: uuid.UUID, channel: str, now: datetime) -> Tally:
    """Send one given delivery through the same three steps, if it is due and on this channel."""
    allowance = accounts.admit(channel, 1, now)
    if not allowance.messages:
        return Tally()
    authorized = authorize_one(delivery_id, channel, now, allowance.account_id)
    return _send(authorized, channel, allowance, lambda: now)


def _send(authorized: Authorized, channel: str, allowance: Allowance, clock: Clock) -> Tally:
    """Hand an authorised window over and record what became of it."""
    tally = Tally(deferred=authorized.deferred, skipped=authorized.skipped, left=authorized.left)
    now = clock()
    prepared = _prepare(authorized.claims, now)
    if prepared.unsent:  # nobody hears of these, whatever becomes of the call
        record(prepared.unsent, now, tally, is_all=not prepared.messages)
    receipts: Sequence[Receipt] = []
    if prepared.messages and _hand_over(prepared, clock()):
        receipts = call(provider_for(channel), prepared.messages, HandOff(now, authorized.at))
    now = clock()
    results = _results(prepared, receipts, now) if receipts else []
    record(results, now, tally)
    begun = sum(not isinstance(receipt, NotSent) for receipt in receipts)
    accounts.give_back(allowance, allowance.messages - begun)
    accounts.note(allowance, receipts, now)
    for claim, receipt in zip(prepared.claims, receipts):  # noqa: B905  no receipts: none
        if isinstance(receipt, Refused) and receipt.verdict:
            detail = f"{receipt.message} ({receipt.code})"
            suppress.note_refusal(claim.delivery_id, Verdict(receipt.verdict), now, detail)
    return tally


def _hand_over(prepared: _Prepared, now: datetime) -> bool:
    """Before the first call, so that what went out is known also where nobody lives to tell."""
    return hand_over(prepared.claims[0].claim_id, now, json.dumps(prepared.contents, default=str))


def _results(prepared: _Prepared, receipts: Sequence[Receipt], now: datetime) -> list[Result]:
    """One for each claim and its receipt; a refusal for now is tried again by the ladder."""
    pairs = list(zip(prepared.claims, receipts, strict=True))
    again = retries(
        [
            (claim.delivery_id, claim.expires_at, receipt)
            for claim, receipt in pairs
            if isinstance(receipt, Refused) and not receipt.permanent
        ],
        now,
    )
    return [
        answered(claim.delivery_id, claim.claim_id, receipt, again.get(claim.delivery_id))._replace(
            sms_parts=sms_parts(message)
        )
        for (claim, receipt), message in zip(pairs, prepared.messages, strict=True)
    ]


def _prepare(claims: Sequence[Claim], now: datetime) -> _Prepared:
    """Render each message; one with a variable that has no value is left out, naming it."""
    prepared = _Prepared()
    by_segment: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        by_segment[claim.step.segment_type].append(claim)
    for segment_type, group in by_segment.items():
        subjects = [Subject(c.doctor_id, c.subject, c.enrolled_at) for c in group]
        try:
            values = definition(segment_type).variables(subjects, now)
        except Exception as error:
            logger.exception("variables of %s could not be read", segment_type)
            why = f"variables could not be read: {type(error).__name__}"
            again = now + PREPARE_AGAIN
            prepared.unsent += [not_prepared(c.delivery_id, c.claim_id, why, again) for c in group]
            continue
        for claim, variables in zip(group, values, strict=True):
            _prepare_one(claim, variables, prepared)
    return prepared


def _prepare_one(claim: Claim, variables: dict[str, object], prepared: _Prepared) -> None:
    links = render.links(claim.token, claim.channel)
    step = claim.step
    texts = render.texts_of(with_defaults(variables, step.defaults), links)
    try:
        message = render.compile_message(
            claim.channel, step.template_content, step.subject_line, step.preheader
        )
        if absent := message.missing(texts):
            prepared.unsent.append(without_value(claim.delivery_id, claim.claim_id, absent))
            return
        rendered = message.fill(texts, links)
    except render.TemplateError as error:
        why = f"The template is broken: {error}"
        prepared.unsent.append(not_prepared(claim.delivery_id, claim.claim_id, why))
        return
    prepared.claims.append(claim)
    prepared.contents[str(claim.delivery_id)] = Content(
        step.version_id,
        message.used(texts),
        step.subject_line,
        claim.recipient,
        claim.is_free_text,
    )
    prepared.messages.append(_outgoing(claim, rendered, texts, links))


def _outgoing(
    claim: Claim, rendered: render.Rendered, texts: Texts, links: render.Links
) -> Outgoing:
    made = outgoing(
        claim.delivery_id,
        claim.channel,
        claim.recipient,
        rendered=rendered,
        texts=texts,
        links=links,
        registered=claim.step.registered,
    )
    return made._replace(is_free_text=True) if claim.is_free_text else made
