"""decide(): each gate, their order, the trace."""

from dataclasses import replace
from datetime import timedelta

import pytest

from messaging.caps import Taken
from messaging.hours import Hours
from messaging.policy import PAUSE_RECHECK, Defer, Send, Skip, decide
from tests.messaging.simulate import DUE, OPEN

NOW = DUE + timedelta(hours=2)

GATES = [
    "campaign",
    "returned",
    "opt-out",
    "enrolment",
    "segment",
    "consent",
    "address",
    "suppression",
    "template",
    "in time",
    "hours",
    "caps",
]


def test_decide_open_facts_sends_and_every_gate_passes():
    decision = decide(NOW, OPEN)
    assert isinstance(decision, Send)
    assert [(v.gate, v.verdict) for v in decision.trace] == [(gate, "pass") for gate in GATES]


@pytest.mark.parametrize(
    ("change", "reason", "gate"),
    [
        ({"campaign_status": "completed"}, "campaign_over", "campaign"),
        ({"campaign_end": NOW}, "campaign_over", "campaign"),
        ({"has_returned": True}, "converted", "returned"),
        ({"enrollment_status": "converted"}, "converted", "returned"),
        ({"opted_out": True}, "unsubscribed", "opt-out"),
        ({"enrollment_status": "unsubscribed"}, "unsubscribed", "opt-out"),
        ({"enrollment_status": "completed"}, "enrollment_over", "enrolment"),
        ({"enrollment_status": "bounced"}, "enrollment_over", "enrolment"),
        ({"in_segment": False}, "left_segment", "segment"),
        ({"has_consent": False}, "no_consent", "consent"),
        ({"has_address": False}, "no_address", "address"),
        ({"suppressed": "Hard bounce, 3 Mar 2026"}, "suppressed", "suppression"),
        ({"template_problem": "it was rejected"}, "template_not_approved", "template"),
        ({"expires_at": NOW}, "too_late", "in time"),
        ({"hours": None}, "too_late", "hours"),
    ],
)
def test_decide_closed_gate_skips_with_its_reason(change, reason, gate):
    decision = decide(NOW, replace(OPEN, **change))
    assert isinstance(decision, Skip)
    assert decision.reason == reason
    assert decision.trace[-1].gate == gate
    assert decision.trace[-1].verdict == "skip"
    assert decision.trace[-1].detail
    assert [v.gate for v in decision.trace] == GATES[: GATES.index(gate) + 1]


def test_decide_asks_gates_in_order():
    decision = decide(NOW, replace(OPEN, opted_out=True, has_address=False, in_segment=False))
    assert isinstance(decision, Skip)
    assert decision.reason == "unsubscribed"


def test_decide_paused_campaign_waits_and_is_asked_again():
    decision = decide(NOW, replace(OPEN, campaign_status="paused"))
    assert isinstance(decision, Defer)
    assert decision.until == NOW + PAUSE_RECHECK


def test_decide_before_the_campaign_starts_waits_for_it():
    decision = decide(NOW, replace(OPEN, campaign_start=NOW + timedelta(hours=3)))
    assert isinstance(decision, Defer)
    assert decision.until == NOW + timedelta(hours=3)


def test_decide_at_night_waits_for_the_morning():
    night = DUE - timedelta(hours=4)  # 06:00
    decision = decide(night, OPEN)
    assert isinstance(decision, Defer)
    assert decision.until == DUE
    assert decision.trace[-2].detail == "open at 01 Mar 2026, 10:00 IST"


def test_decide_when_no_hour_is_left_before_it_expires_is_too_late():
    night = OPEN.expires_at - timedelta(hours=3)  # 07:00, expires 10:00
    decision = decide(night, OPEN)
    assert isinstance(decision, Skip)
    assert decision.reason == "too_late"


def test_decide_full_day_defers_with_the_cap_in_words():
    history = (Taken("sms", NOW - timedelta(hours=1)), Taken("email", NOW - timedelta(hours=1)))
    decision = decide(NOW, replace(OPEN, history=history))
    assert isinstance(decision, Defer)
    assert decision.until == NOW + timedelta(hours=23)
    assert decision.reason == "2 messages in 24 hours"


def test_decide_full_week_skips_by_the_cap():
    history = tuple(Taken(f"c{n}", NOW - timedelta(days=1 + n / 2)) for n in range(5))
    decision = decide(NOW, replace(OPEN, history=history))
    assert isinstance(decision, Skip)
    assert decision.reason == "frequency_cap"


def test_decide_keeps_the_narrower_window():
    decision = decide(
        NOW, replace(OPEN, hours=Hours(OPEN.hours.opens.replace(hour=15), OPEN.hours.closes))
    )
    assert isinstance(decision, Defer)
    assert decision.until == DUE + timedelta(hours=5)
