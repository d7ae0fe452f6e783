"""Which gates a message went through, for somebody who asks long after (messaging/policy.py).

Of what was held back the trace is stored. Of what went out nothing is, since every gate had said
yes: an attempt is written in the same transaction as the decision, under the doctor's lock. What
each of them looked at is read again from the records, by the attempt's consent counter and time,
and a record that speaks against the answer is named. What no record keeps is said to be so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils.timezone import localtime

from messaging import suppress
from messaging.caps import DAY, WEEK
from messaging.due import hour_of
from messaging.facts import caps_from_settings, sending_hours
from messaging.models import (
    AttemptOutcome,
    Channel,
    ConsentRecord,
    DeliveryAttempt,
    DeliveryStatus,
    HandedOver,
    MessageDelivery,
    Suppression,
    UnsubscribeRecord,
)
from messaging.models.version import Content
from segments.definitions.common import time_zone

# What each gate asks for, by its name in a trace and in the order of policy.decide.
CHECKS = {
    "campaign": "The campaign is running",
    "returned": "The doctor has not come back",
    "opt-out": "The doctor has not opted out",
    "enrolment": "The enrolment is running",
    "segment": "The doctor is in the segment still",
    "consent": "There is consent for the channel",
    "address": "There is an address",
    "suppression": "The channel reaches the doctor",
    "template": "The template is approved",
    "in time": "It is in time",
    "pause": "The campaign is not paused",
    "doctor's pause": "The doctor has not asked for a pause",
    "hours": "It is within the sending hours",
    "caps": "There is room under the caps",
}
# What stands in a message's way that the policy knows nothing of.
_BEYOND = {
    "account": "The channel's account sends",
    "variables": "Every variable of its text has a value",
}
NOTHING_ELSE = "Nothing else stood in its way"
VERDICTS = {"pass": "yes", "defer": "not yet", "skip": "no"}
NOT_KEPT = "Checked then; what it saw is not kept."


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate and its answer. `is_doubted`: a record of today speaks against a yes."""

    check: str
    answer: str
    because: str = ""
    is_doubted: bool = False


def recorded(delivery: MessageDelivery) -> list[Gate]:
    """What the stored trace says: of a message that was held back or not sent.

    It is of the last time that the sender looked. What something else skipped afterwards has
    another end, which stands below it.
    """
    found = [
        gate_of(
            str(gate.get("gate") or ""),
            str(gate.get("verdict") or ""),
            str(gate.get("detail") or ""),
        )
        for gate in delivery.trace or []
    ]
    is_skipped = delivery.status == DeliveryStatus.SKIPPED
    if is_skipped and found and found[-1].answer != VERDICTS["skip"]:
        why = delivery.skip_detail or str(delivery.get_skip_reason_display() or "Nobody noted why")
        because = f"{why[:1].upper()}{why[1:]}. It was skipped for that, after the checks above."
        found.append(Gate(NOTHING_ELSE, VERDICTS["skip"], because))
    return found


def gate_of(gate: str, verdict: str, detail: str) -> Gate:
    """A gate's verdict (policy.Verdict) in words."""
    because = f"{detail[:1].upper()}{detail[1:]}"
    return Gate(
        {**CHECKS, **_BEYOND}.get(gate, gate.capitalize()), VERDICTS.get(verdict, verdict), because
    )


def passed(delivery: MessageDelivery, attempt: DeliveryAttempt) -> list[Gate]:
    """What all gates said when the attempt was authorised, with what the records show of it.

    Five queries, and one for the variant of an A/B test; the doctor, the enrolment, its campaign
    and the step's are the delivery's own.
    """
    kept = HandedOver.objects.content(attempt.claim_id, delivery.pk)
    found = [
        _campaign(delivery, attempt),
        _returned(delivery, attempt),
        *_wishes(delivery, attempt),
        _enrollment(delivery, attempt),
        _kept_nowhere("segment"),
        _consent(attempt),
        _address(delivery, attempt, kept),
        _suppression(attempt),
        _template(kept),
        _in_time(delivery, attempt),
        _kept_nowhere("pause"),
        _hours(delivery, attempt),
        _caps(attempt),
    ]
    order = list(CHECKS.values())
    return sorted(found, key=lambda gate: order.index(gate.check))


def _said(gate: str, because: str, against: str = "") -> Gate:
    """A gate that said yes; `against`: what a record says to the contrary."""
    return Gate(CHECKS[gate], "yes", against or because, bool(against))


def _kept_nowhere(gate: str) -> Gate:
    return _said(gate, NOT_KEPT)


def _at(moment: datetime) -> str:
    return f"{localtime(moment):%d %b %Y, %H:%M}"


def _campaign(delivery: MessageDelivery, attempt: DeliveryAttempt) -> Gate:
    campaign = delivery.campaign_message.campaign
    until = f"It ends {_at(campaign.end_date)}." if campaign.end_date else "It has no end."
    over = campaign.end_date is not None and campaign.end_date <= attempt.authorised_at
    return _said("campaign", until, f"By today's record it ended {until[8:]}" if over else "")


def _returned(delivery: MessageDelivery, attempt: DeliveryAttempt) -> Gate:
    back = delivery.enrollment.converted_at
    if back is None:
        return _said("returned", "No coming back is on record.")
    words = f"Came back {_at(back)}, {{}}."
    if back > attempt.authorised_at:
        return _said("returned", words.format("afterwards"))
    # An import may tell later of what was done before.
    return _said("returned", "", words.format("which is before; it may have become known later"))


def _enrollment(delivery: MessageDelivery, attempt: DeliveryAttempt) -> Gate:
    enrollment = delivery.enrollment
    since = f"Since {_at(enrollment.enrolled_at)}"
    end = enrollment.completed_at
    if end is None:
        return _said("enrolment", f"{since}; it is running still.")
    words = f"{since}; it ended {_at(end)}."
    return _said("enrolment", words, words if end <= attempt.authorised_at else "")


def standing_then(attempt: DeliveryAttempt) -> Q:
    """Opt-outs and suppressions that stood for an attempt, by the doctor's consent counter."""
    return Q(consent_version__lte=attempt.consent_version) & (
        Q(revoked_version=None) | Q(revoked_version__gt=attempt.consent_version)
    )


def _wishes(delivery: MessageDelivery, attempt: DeliveryAttempt) -> Iterator[Gate]:
    """Opt-outs and pauses: both are in one table."""
    kind = delivery.campaign_message.campaign.segment_type
    stood = list(
        UnsubscribeRecord.objects.filter(
            standing_then(attempt),
            Q(channel=None) | Q(channel=attempt.channel),
            Q(segment_type=None) | Q(segment_type=kind),
            doctor_id=attempt.doctor_id,
        )
    )
    known = f"{_wishes_known(attempt)}, and no {{}} was in force."
    outs = [str(record) for record in stood if record.paused_until is None]
    pauses = [str(record) for record in stood if record.paused_until is not None]
    against = f"{_wishes_known(attempt)}, and this was in force: "
    yield _said("opt-out", known.format("opt-out"), against + "; ".join(outs) if outs else "")
    yield _said(
        "doctor's pause", known.format("pause"), against + "; ".join(pauses) if pauses else ""
    )


def _wishes_known(attempt: DeliveryAttempt) -> str:
    """Up to where the doctor's record had been read: the counter is raised by each change."""
    count = attempt.consent_version
    changes = "1 change" if count == 1 else f"{count} changes"
    return (
        f"On {_at(attempt.authorised_at)} the record of the doctor's opt-outs, pauses, consents "
        f"and closed channels had had {changes}"
    )


def _consent(attempt: DeliveryAttempt) -> Gate:
    newest = (
        ConsentRecord.objects.filter(
            Q(recorded_at__lte=attempt.authorised_at) | Q(is_given=False),
            doctor_id=attempt.doctor_id,
            channel=attempt.channel,
            consent_version__lte=attempt.consent_version,
        )
        .order_by("-recorded_at")
        .first()
    )
    if newest is None:
        needed = attempt.channel in settings.CONSENT_REQUIRED
        against = "None is on record from before, and the channel needs it." if needed else ""
        return _said("consent", "This channel needs none, and none was withdrawn.", against)
    words = f"{{}} {_at(newest.recorded_at)}, source: {newest.source}."
    if newest.is_given:
        return _said("consent", words.format("Given"))
    return _said("consent", "", words.format("Withdrawn"))


def _template(kept: Content | None) -> Gate:
    """How it went; the approval of the day is kept nowhere, but without one it goes as no template.

    Of what went out before that was kept, the address is missing, too.
    """
    if kept is None or not kept.recipient:
        return _kept_nowhere("template")
    if kept.is_free_text:
        return _said("template", "It was not, so it went as free text: a session was open.")
    return _said("template", "It went as approved, or its channel asked for no approval.")


def _address(delivery: MessageDelivery, attempt: DeliveryAttempt, kept: Content | None) -> Gate:
    """Of old messages it is not kept; the doctor's record tells it where it has not changed."""
    if kept is not None and kept.recipient:
        return _said("address", f"It went to {kept.recipient}.")
    doctor, what = delivery.doctor, "number"
    if attempt.channel == Channel.EMAIL:
        address, what = doctor.email, "address"
    elif attempt.channel == Channel.WHATSAPP:
        address = doctor.whatsapp or doctor.phone
    else:
        address = doctor.phone
    changed = f"the doctor's record was last changed on {_at(doctor.updated_at)}"
    if not address:
        return _said("address", f"None is on record any more: {changed}.")
    now = f"The {what} on record now is {address}; {changed}"
    if doctor.updated_at <= attempt.authorised_at:
        return _said("address", f"{now}, which was before: it went there.")
    return _said("address", f"{now}, which was afterwards: it may have been another then.")


def _suppression(attempt: DeliveryAttempt) -> Gate:
    held = Suppression.objects.filter(
        standing_then(attempt), doctor_id=attempt.doctor_id, channel=attempt.channel
    ).first()
    return _said(
        "suppression",
        f"{_wishes_known(attempt)}, and this channel was open.",
        suppress.words(held) if held else "",
    )


def _in_time(delivery: MessageDelivery, attempt: DeliveryAttempt) -> Gate:
    words = f"Good until {_at(delivery.expires_at)}, authorised {_at(attempt.authorised_at)}."
    return _said("in time", words, words if attempt.authorised_at >= delivery.expires_at else "")


def _hours(delivery: MessageDelivery, attempt: DeliveryAttempt) -> Gate:
    campaign = delivery.campaign_message.campaign
    local = attempt.authorised_at.astimezone(time_zone(attempt.timezone))
    own = (delivery.variant and delivery.variant.send_from) or delivery.campaign_message.send_from
    opens = hour_of(own, campaign.send_from, campaign.send_until)
    hours = sending_hours(attempt.channel, opens, campaign.send_until)
    words = f"{local:%H:%M} for the doctor ({attempt.timezone})"
    if hours is None:
        return _said("hours", "", f"{words}; by today's settings there are no sending hours.")
    words += f"; open {hours.opens:%H:%M} to {hours.closes:%H:%M} by today's settings."
    return _said("hours", words, "" if hours.opens <= local.time() < hours.closes else words)


def _caps(attempt: DeliveryAttempt) -> Gate:
    """What the doctor had got before, by the attempts that count today."""
    caps, at = caps_from_settings(), attempt.authorised_at
    before = _counted(attempt)
    day = sum(1 for _, then in before if then > at - DAY)
    week = sum(1 for _, then in before if then > at - WEEK)
    last = max((then for channel, then in before if channel == attempt.channel), default=None)
    words = f"Had {day} of {caps.per_day} in 24 hours and {week} of {caps.per_week} in 7 days"
    words += f"; the last {attempt.get_channel_display()} was {_at(last)}." if last else "."
    too_many = day >= caps.per_day or week >= caps.per_week
    too_soon = last is not None and last > at - caps.channel_interval
    return _said("caps", words, words if too_many or too_soon else "")


def _counted(attempt: DeliveryAttempt) -> Sequence[tuple[str, datetime]]:
    """Channel and time of what the caps had to count, by idx_delivery_attempts_doctor."""
    at = attempt.authorised_at
    span = max(WEEK, caps_from_settings().channel_interval)
    attempts: QuerySet[DeliveryAttempt, Any] = DeliveryAttempt.objects.filter(
        Q(counts=True) | Q(outcome=AttemptOutcome.WRITTEN_OFF),
        Q(authorised_at__lt=at) | Q(authorised_at=at, pk__lt=attempt.pk),
        doctor_id=attempt.doctor_id,
        authorised_at__gt=at - span,
    ).exclude(pk=attempt.pk)
    return list(attempts.order_by().values_list("channel", "authorised_at"))
