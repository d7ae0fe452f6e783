"""Sending: authorise (authorize.py), hand off, record (record.py)."""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from messaging import render
from messaging.authorize import Authorized, Claim, authorize_due, authorize_one
from messaging.models import DeliveryStatus, ProviderAccount
from messaging.providers import provider_for
from messaging.providers.base import Outgoing
from messaging.record import Tally, Unsent, record, record_unsent
from segments.definitions import definition
from segments.definitions.base import Subject

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Rendered:
    claims: list[Claim] = field(default_factory=list)
    messages: list[Outgoing] = field(default_factory=list)
    unsent: list[Unsent] = field(default_factory=list)


def send_due(channel: str, now: datetime) -> Tally:
    """Send one window of what is due on a channel; an empty tally means that nothing is."""
    if is_paused(channel):
        return Tally()
    return _send(authorize_due(channel, now), channel, now)


def run_lane(channel: str, clock: Callable[[], datetime], until: datetime) -> Tally:
    """Send what is due on a channel, a window at a time, until nothing is or `until` has come.

    Where other lanes hold every doctor of a window, it waits a moment and looks again. Returns
    the sum of all windows.
    """
    total = Tally()
    while (now := clock()) < until:
        tally = send_due(channel, now)
        total += tally
        if tally:
            continue
        if not tally.left:
            break
        time.sleep(random.uniform(0.02, 0.1))  # noqa: S311  so that two lanes get out of step
    return total


def send_one(delivery_id: uuid.UUID, channel: str, now: datetime) -> Tally:
    """Send one given delivery through the same three steps, if it is due and on this channel."""
    if is_paused(channel):
        return Tally()
    return _send(authorize_one(delivery_id, channel, now), channel, now)


def is_paused(channel: str) -> bool:
    """Whether somebody paused the account that the channel sends through."""
    provider = provider_for(channel).name
    accounts = ProviderAccount.objects.filter(channel=channel, provider=provider)
    return accounts.filter(is_paused=True).exists()


def _send(authorized: Authorized, channel: str, now: datetime) -> Tally:
    tally = Tally(deferred=authorized.deferred, skipped=authorized.skipped, left=authorized.left)
    if not authorized.claims:
        return tally
    rendered = _render(authorized.claims, now)
    if rendered.unsent:
        record_unsent(rendered.unsent, now, tally)
    if rendered.messages:
        receipts = provider_for(channel).send(rendered.messages, now)
        record(rendered.claims, receipts, now, tally)
    return tally


def _render(claims: Sequence[Claim], now: datetime) -> _Rendered:
    """Render each message; one with a variable that has no value is left out, naming it."""
    result = _Rendered()
    by_segment: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        by_segment[claim.segment_type].append(claim)
    for segment_type, group in by_segment.items():
        subjects = [Subject(c.doctor_id, c.subject, c.enrolled_at) for c in group]
        try:
            values = definition(segment_type).variables(subjects, now)
        except Exception as error:
            logger.exception("variables of %s could not be read", segment_type)
            detail = f"variables could not be read: {type(error).__name__}"
            result.unsent += [Unsent(c, DeliveryStatus.SCHEDULED, detail) for c in group]
            continue
        for claim, variables in zip(group, values, strict=True):
            _render_one(claim, variables, result)
    return result


def _render_one(claim: Claim, variables: dict[str, object], result: _Rendered) -> None:
    content, subject = claim.template_content, claim.subject_line
    links = render.links(claim.token)
    try:
        if absent := render.missing(content, variables, subject):
            result.unsent.append(Unsent(claim, DeliveryStatus.SKIPPED, ", ".join(absent)))
            return
        rendered = render.render_message(claim.channel, content, subject, variables, links)
    except render.TemplateError as error:
        detail = f"The template is broken: {error}"
        result.unsent.append(Unsent(claim, DeliveryStatus.FAILED, detail))
        return
    result.claims.append(claim)
    result.messages.append(
        Outgoing(
            delivery_id=claim.delivery_id,
            channel=claim.channel,
            recipient=claim.recipient,
            text=rendered.text,
            subject=rendered.subject,
            html=rendered.html,
            unsubscribe_url=links.unsubscribe,
        )
    )
