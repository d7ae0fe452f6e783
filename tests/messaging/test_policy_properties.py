"""decide() for any history, zone, window, caps and moment that hypothesis can think of."""

from dataclasses import replace
from datetime import timedelta
from unittest import mock
from zoneinfo import ZoneInfo

from hypothesis import assume, given
from hypothesis import strategies as st

from messaging import caps, hours
from messaging.caps import Taken
from messaging.policy import GATES, PAUSE_RECHECK, Defer, Send, Skip, decide
from tests.messaging.reference import DAY, MINUTE, QUARTER, WEEK, Reference, has_room, is_open, walk
from tests.messaging.worlds import (
    ZONES,
    ages,
    examples,
    moments,
    nights_of_change,
    questions,
    windows,
)

TICK = timedelta(microseconds=1)


def answer(question):
    """When the message goes; None: never."""
    decision = decide(question.now, question.facts)
    if isinstance(decision, Send):
        return question.now
    return decision.until if isinstance(decision, Defer) else None


def end_of(facts):
    return min(facts.expires_at, facts.campaign_end or facts.expires_at)


def is_legal(at, facts):
    """Whether sending at that moment breaks nothing, foresight aside."""
    return (
        (facts.campaign_start or at) <= at < end_of(facts)
        and is_open(at, facts.hours, facts.zone)
        and has_room(at, facts.channel, facts.caps, facts.history)
    )


def in_any_window(at, span, recorded):
    """The most messages that a rolling window with the moment `at` in it holds."""
    ends = [at, *(other for other in recorded if at <= other < at + span)]
    return max(sum(end - span < other <= end for other in [at, *recorded]) for end in ends)


@examples(3)
@given(questions())
def test_decide_gives_the_first_legal_of_all_minutes(question):
    assert answer(question) == Reference(question.now, question.facts).first_legal_moment()


@examples(3)
@given(questions(QUARTER, ahead=5))
def test_decide_with_messages_ahead_gives_the_first_legal_of_all_quarters(question):
    reference = Reference(question.now, question.facts, QUARTER)
    assert answer(question) == reference.first_legal_moment()


@examples(0.3)
@given(questions(ahead=1))
def test_decide_with_a_message_ahead_gives_the_first_legal_of_all_minutes(question):
    assert answer(question) == Reference(question.now, question.facts).first_legal_moment()


@examples(4)
@given(questions(TICK, ahead=4))
def test_decide_answers_with_a_legal_moment_and_never_with_the_past(question):
    facts, at = question.facts, answer(question)
    if at is None:
        return
    assert at >= question.now
    assert isinstance(decide(question.now, facts), Send) == (at == question.now)
    assert is_legal(at, facts)
    recorded = [item.at for item in facts.history]
    same = [item.at for item in facts.history if item.channel == facts.channel]
    assert in_any_window(at, DAY, recorded) <= facts.caps.per_day
    assert in_any_window(at, WEEK, recorded) <= facts.caps.per_week
    assert all(abs(at - other) >= facts.caps.channel_interval for other in same)


@examples(2)
@given(questions(TICK))
def test_decide_defers_to_the_very_moment(question):
    until = answer(question)
    assume(until is not None and until > question.now)
    assert not is_legal(until - TICK, question.facts)


@examples(1.5)
@given(questions())
def test_decide_again_at_the_moment_it_deferred_to_sends(question):
    until = answer(question)
    assume(until is not None)
    assert isinstance(decide(until, question.facts), Send)


@examples(1.5)
@given(questions(QUARTER, ahead=4))
def test_decide_again_after_those_ahead_have_gone_sends(question):
    facts, until = question.facts, answer(question)
    assume(until is not None)
    slots = Reference(question.now, facts, QUARTER).slots_ahead()
    gone = [(at, item) for at, item in slots if at <= until]
    then = replace(
        facts,
        history=(*facts.history, *(Taken(item.channel, at) for at, item in gone)),
        ahead=tuple(item for item in facts.ahead if item not in [other for _, other in gone]),
    )
    assert isinstance(decide(until, then), Send)


@examples(3)
@given(questions(TICK), st.data())
def test_decide_with_more_in_the_history_never_answers_earlier(question, data):
    more = [Taken(channel, question.now - age) for channel, age in data.draw(ages(TICK))]
    fuller = replace(question.facts, history=(*question.facts.history, *more))
    before, after = answer(question), answer(replace(question, facts=fuller))
    assert after is None or (before is not None and before <= after)


@examples(3)
@given(questions(QUARTER, ahead=5), st.data())
def test_decide_does_not_look_at_the_order_of_its_facts(question, data):
    facts = question.facts
    shuffled = replace(
        facts,
        history=tuple(data.draw(st.permutations(facts.history))),
        ahead=tuple(data.draw(st.permutations(facts.ahead))),
    )
    assert decide(question.now, facts) == decide(question.now, shuffled)


@examples(1.5)
@given(questions(ahead=8))
def test_decide_takes_a_bounded_number_of_steps(question):
    with (
        mock.patch.object(caps, "next_open", wraps=hours.next_open) as tried,
        mock.patch.object(hours, "_clock_change", wraps=hours._clock_change) as changes,
    ):
        decide(question.now, question.facts)
    messages = len(question.facts.ahead) + 1
    assert tried.call_count <= messages**3  # whatever the history
    assert changes.call_count <= 2 * (tried.call_count + 1)


@examples(2)
@given(questions(TICK, ahead=3))
def test_decide_explains_itself(question):
    decision = decide(question.now, question.facts)
    names = [*(gate for gate, _ in GATES), "hours", "caps"]
    *passed, last = decision.trace
    assert [verdict.gate for verdict in decision.trace] == names[: len(decision.trace)]
    assert {verdict.verdict for verdict in passed} <= {"pass", "defer"}
    if isinstance(decision, Send):
        assert len(decision.trace) == len(names)
        assert {verdict.verdict for verdict in decision.trace} == {"pass"}
    elif isinstance(decision, Defer):
        assert "defer" in {verdict.verdict for verdict in decision.trace}
        assert decision.reason
    else:
        assert last.verdict == "skip"
        assert last.detail
        caps_refuse = last.gate == "caps"
        assert (decision.reason == "frequency_cap") == caps_refuse


@given(questions())
def test_decide_asks_a_paused_campaign_again(question):
    facts = replace(question.facts, campaign_status="paused")
    decision = decide(question.now, facts)
    if question.now >= facts.expires_at:
        assert isinstance(decision, Skip)
    else:
        assert isinstance(decision, Defer)
        assert decision.until == min(question.now + PAUSE_RECHECK, facts.expires_at)


def first_open_minute(start, window, zone):
    minutes = walk(start, start + 4 * DAY, MINUTE)
    return next(at for at in minutes if is_open(at, window, zone))


@examples(2)
@given(st.sampled_from(ZONES), st.data())
def test_next_open_is_the_first_open_minute(name, data):
    start, window, zone = data.draw(moments(name)), data.draw(windows()), ZoneInfo(name)
    opens = hours.next_open(start, window, zone)
    assert opens == first_open_minute(start, window, zone)
    assert opens == start or opens.utcoffset() == timedelta(0)


@examples(3)
@given(nights_of_change())
def test_next_open_is_the_first_open_minute_when_any_clock_is_changed(night):
    assert hours.next_open(*night) == first_open_minute(*night)
