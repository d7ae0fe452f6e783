"""The Why (not)? page in words: what a doctor gets, what holds it, and where that is mended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.html import format_html
from django.utils.timezone import localtime

from campaigns.models import EnrollmentStatus
from campaigns.why import Step, Why
from messaging import accounts, gates
from messaging.admin.account import state_of, state_words
from messaging.caps import WEEK
from messaging.gates import Gate
from messaging.models import DeliveryStatus, MessageDelivery, ProviderAccount, SkipReason
from messaging.plan import moment
from messaging.policy import Skip, Verdict
from messaging.why import Message, refusal
from reengage.admin_base import Notice, Table
from segments.admin.base import link, list_address
from segments.definitions.common import time_zone

# What would have to change where a gate refuses, and the page on which it is changed.
_MENDS = {
    "campaign": ("Move the campaign's end, or copy the campaign.", "campaign"),
    "returned": ("Nothing: coming back is the aim.", ""),
    "opt-out": ("Only where the doctor asks for it: take the opt-out back.", "optouts"),
    "enrolment": ("Nothing: the enrolment has ended.", ""),
    "segment": ("Nothing: that is whom the campaign is for.", "doctor"),
    "consent": ("Record the doctor's consent, once it is given.", "consents"),
    "address": ("Add the number or address.", "doctor"),
    "suppression": ("Correct the number or address, then lift the suppression.", "suppressions"),
    "template": ("Have the template approved.", "template"),
    "in time": ("Nothing: it is not sent late. The next step comes on its own day.", ""),
    "pause": ("Resume the campaign.", "campaign"),
    "doctor's pause": ("Nothing: the pause ends by itself.", "optouts"),
    "hours": ("Nothing: it waits for the hours, or give the campaign other hours.", "campaign"),
    "caps": (
        "There is room again when messages below no longer count; or move a step to another day.",
        "caps",
    ),
    "account": ("Resume the account: what is still in time goes then.", "account"),
    "variables": (
        "Add what is missing to the doctor's data, or a default for it to the template.",
        "template",
    ),
    "before": ("", "campaign"),
    "quiet": ("", "campaign"),
    "rollout": ("", "campaign"),
    "run": ("", "schedules"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One step on the page. `level`: a colour of the theme's labels."""

    title: str
    template: str
    state: str
    level: str
    when: str
    explained: str
    mend: str
    trace: Sequence[tuple[str, str, str]]
    delivery: MessageDelivery | None


def sentence(why: Why) -> str:
    """The answer, first."""
    name, campaign = str(why.doctor), f"“{why.campaign}”"
    if not why.is_under_way:
        return f"{name} gets nothing from {campaign}: {_not_under_way(why)}"
    if why.enrollment and why.enrollment.is_holdout:
        return (
            f"{name} gets nothing from {campaign}: the doctor is in the holdout, which is never "
            "written to, so that what the messages bring can be told."
        )
    if (coming := why.next) and coming.coming:
        return f"{name} gets {coming.label} on {when(coming.coming.at, why)}."
    left = [one.coming for one in why.steps if one.coming is not None]
    if not left:
        return f"{name} gets nothing more from {campaign}: every step is over."
    reasons = list(dict.fromkeys(_because(one) for one in left))
    more = " Other steps have other reasons: see below." if len(reasons) > 1 else ""
    return f"{name} gets nothing more from {campaign}: {reasons[0]}.{more}"


def _not_under_way(why: Why) -> str:
    if why.obstacles:
        return why.obstacles[0].text
    return (
        "not yet. The doctor is enrolled with the next run, within the hour; who falls into the "
        "holdout then is never written to."
        if why.campaign.holdout_percent
        else "not yet. The doctor is enrolled with the next run, within the hour."
    )


def _because(one: Message) -> str:
    decision = one.decision
    if isinstance(decision, Skip):
        label = SkipReason(decision.reason).label  # of what is past; this is to come
        said = (label[0].lower() + label[1:]).replace(" had ", " has ").replace(" was ", " is ")
        return f"{said}: {refusal(decision)}" if refusal(decision) else said
    return refusal(decision)


def when(moment: datetime, why: Why) -> str:
    """In the office's time; and in the doctor's where that is another."""
    office = localtime(moment)
    theirs = moment.astimezone(time_zone(why.doctor.timezone))
    said = f"{office.day} {office:%b %Y, %H:%M}"
    if theirs.utcoffset() == office.utcoffset():
        return said
    return f"{said} ({theirs:%H:%M} in {why.doctor.timezone})"


def enrollment_lines(why: Why) -> list[str]:
    """What is known of the enrolment, a sentence each."""
    row = why.enrollment
    if row is None:
        return ["Never enrolled in this campaign."]
    about = f" about “{row.subject}”" if row.subject else ""
    found: list[str] = [
        format_html(
            "{} on {}: {}.",
            link("campaigns_campaignenrollment", row.pk, f"Enrolled{about}"),
            when(row.enrolled_at, why),
            row.get_status_display().lower(),
        )
    ]
    if row.status != EnrollmentStatus.ACTIVE and row.completed_at:
        found.append(f"It ended on {when(row.completed_at, why)}.")
    if row.shifted_days:
        moved = f"{row.shifted_days} day{'' if row.shifted_days == 1 else 's'}"
        found.append(f"Its steps were moved by {moved}.")
    if row.is_holdout:
        found.append("In the holdout: never written to.")
    if why.others:
        found.append(f"Other enrolments in this campaign: {why.others}.")
    return found


def obstacle_lines(why: Why) -> list[tuple[str, str, str]]:
    """What keeps the doctor out: the text, what would have to change, and a link to it."""
    return [
        (one.text[0].upper() + one.text[1:], one.mend, _place(_MENDS[one.kind][1], why))
        for one in why.obstacles
    ]


def lines(why: Why) -> list[Line]:
    """Every step, past and to come."""
    return [_coming(one, one.coming, why) if one.coming else _past(one, why) for one in why.steps]


def _past(one: Step, why: Why) -> Line:
    delivery = one.delivery
    if delivery is None:
        row = why.enrollment
        holdout = row is not None and row.is_holdout
        said = "In the holdout: never written to." if holdout else "The enrolment ended before it."
        return _line(one, "Not sent", "default", "", said, "", ())
    reason = delivery.get_skip_reason_display() or delivery.error_message or ""
    detail = f"{reason}: {delivery.skip_detail}" if delivery.skip_detail else reason
    at = delivery.sent_at or delivery.failed_at or delivery.scheduled_at
    trouble = delivery.status in (DeliveryStatus.FAILED, DeliveryStatus.UNKNOWN)
    level = "danger" if trouble else "warning" if delivery.status == "skipped" else "info"
    if delivery.status in ("delivered", "opened", "clicked"):
        level = "success"
    trace = gates.recorded(delivery)
    return _line(one, delivery.get_status_display(), level, when(at, why), detail, "", trace)


def _coming(one: Step, message: Message, why: Why) -> Line:
    decision = message.decision
    trace = [_gate(verdict) for verdict in decision.trace] if decision else ()
    if message.goes:
        return _going(one, message, why, trace)
    mend = _mend(message.held_by[-1], why, one) if message.held_by else ""
    if isinstance(decision, Skip):
        because = _because(message)
        said = because[0].upper() + because[1:] + "."
        due = f"Due {when(moment(message.step.due), why)}"
        return _line(one, "Will not go", "danger", due, said, mend, trace)
    said = refusal(decision)
    return _line(
        one, "Waits", "warning", "No time yet", f"{said[:1].upper()}{said[1:]}.", mend, trace
    )


def _going(one: Step, message: Message, why: Why, trace: Sequence[Gate]) -> Line:
    """A message that goes, with what holds it till then: foreseen, or found by the sender."""
    stored = one.delivery.trace or [] if one.delivery else []
    found = [gate for gate in stored if gate.get("verdict") == "defer"]
    gates, detail = message.held_by, refusal(message.first)
    if found and not gates:
        gates = [str(gate.get("gate", "")) for gate in found]
        said = (str(gate.get("detail", "")) for gate in found)
        detail = "; ".join(text for text in said if text)
    held = f"Held until then: {detail}." if gates else ""
    mend = _mend(gates[-1], why, one) if gates else ""
    return _line(one, "Goes", "success", when(message.at, why), held, mend, trace)


def _mend(gate: str, why: Why, one: Step) -> str:
    """What would have to change where the gate refuses, with a link to it."""
    words, place = _MENDS.get(gate, ("", ""))
    return format_html("{} {}", words, _place(place, why, one)) if words else ""


def _gate(verdict: Verdict) -> Gate:
    return gates.gate_of(verdict.gate, verdict.verdict, verdict.detail)


def _line(  # noqa: PLR0913, PLR0917  a line has this many parts
    one: Step,
    state: str,
    level: str,
    at: str,
    explained: str,
    mend: str,
    trace: Sequence[Gate],
) -> Line:
    said = [(gate.check, gate.answer, gate.because) for gate in trace]
    title = one.step.template.title or one.step.template_id
    return Line(one.label, title, state, level, at, explained, mend, said, one.delivery)


def _place(place: str, why: Why, one: Step | None = None) -> str:
    """A link to the page on which it is changed; '' where there is none."""
    key = why.doctor.pk
    if place == "template" and one is not None:
        return link("messaging_messagetemplate", one.step.template_id, "Open the template")
    if place == "campaign":
        return link("campaigns_campaign", why.campaign.pk, "Open the campaign")
    if place == "doctor":
        return link("segments_doctor", key, "Open the doctor")
    lists = {
        "optouts": ("messaging_unsubscriberecord", "Open the opt-outs"),
        "consents": ("messaging_consentrecord", "Open the consents"),
        "suppressions": ("messaging_suppression", "Open the suppressions"),
        "caps": ("messaging_messagedelivery", "Open the doctor's messages"),
    }
    if place in lists:
        model, text = lists[place]
        return _anchor(list_address(model, doctor__id__exact=key), text)
    pages = {
        "account": ("messaging_provideraccount", "Open the accounts"),
        "schedules": ("django_celery_beat_periodictask", "Open the schedules"),
    }
    if place in pages:
        model, text = pages[place]
        return _anchor(reverse(f"admin:{model}_changelist"), text)
    return ""


def _anchor(address: str, text: str) -> str:
    return format_html('<a href="{}">{}</a>', address, text)


def used_table(why: Why) -> Table:
    """What the caps count now, and until when."""
    return Table(
        title="What the caps count now",
        headers=("Message", "Campaign", "Went", "Counts until"),
        rows=[
            (
                link("messaging_messagedelivery", one.delivery_id, one.delivery.campaign_message),
                one.delivery.enrollment.campaign,
                when(one.authorised_at, why),
                when(one.authorised_at + WEEK, why),
            )
            for one in why.used
        ],
        empty="Nothing was sent to the doctor in the last 7 days: the caps hold nothing back.",
    )


def notices(why: Why) -> list[Notice]:
    """What holds whole channels, which no message can know beforehand."""
    channels = {one.step.channel for one in why.steps if one.coming and one.coming.waits_or_goes}
    found = []
    for account in ProviderAccount.objects.filter(channel__in=channels).order_by("channel"):
        if accounts.is_used(account) and state_of(account, why.now) in ("paused", "waits"):
            title = f"{account.get_channel_display()} waits, whatever is said below:"
            found.append(Notice("warning", title, [state_words(account, why.now)]))
    return found
