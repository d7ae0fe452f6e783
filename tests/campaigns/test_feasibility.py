"""What of a campaign can go out at all, why the rest cannot, and what would help."""

from datetime import UTC, datetime, time
from functools import partial

import pytest

from campaigns.feasibility import (
    PlannedStep,
    Sequence,
    assess,
    mend_all,
    mend_of,
    mends,
    tried,
    typical,
)
from messaging.caps import Caps
from tests.messaging.simulate import CHANNELS, KOLKATA, fixture_campaigns

# 02:50 in Kolkata, when whoever was found in the night is enrolled.
ENROLLED = datetime(2026, 3, 1, 21, 20, tzinfo=UTC)
FIXTURES = fixture_campaigns()
NO_SHOW = FIXTURES["No-Show Registrants"]
reckon = partial(assess, enrolled_at=ENROLLED, zone=KOLKATA, caps=Caps())


def sequence(*places: tuple[int, str], **rest) -> Sequence:
    """A campaign with these days and channels."""
    steps = tuple(PlannedStep(number, *place) for number, place in enumerate(places, start=1))
    return Sequence("Ours", steps, **rest)


def days(feasibility) -> dict[int, tuple[list[str], list[str]]]:
    """Day: channels that go out then, and channels lost on it."""
    return {
        day.day: (
            [one.step.channel for one in day.sent],
            [one.step.channel for one in day.lost],
        )
        for day in feasibility.calendar()
    }


def test_strategys_campaigns_lose_9_of_51_messages():
    lost = {name: [one.step.label for one in reckon(c).lost] for name, c in FIXTURES.items()}
    assert lost == {
        "Certificate Non-Claimers": ["E-mail of day 3", "E-mail of day 12"],
        "No-Show Registrants": [
            "SMS of day 2",
            "E-mail of day 2",
            "SMS of day 5",
            "E-mail of day 5",
        ],
        "Incomplete Course Users": ["E-mail of day 4"],
        "AiDA Users → AI Agent Adoption": ["E-mail of day 3", "E-mail of day 12"],
    }
    assert sum(len(campaign.steps) for campaign in FIXTURES.values()) == 51


def test_lost_message_says_what_has_its_room():
    lost = reckon(NO_SHOW).lost[0]
    assert lost.words == (
        "SMS of day 2 can never go out: 2 a day and 5 a week are used up by WhatsApp of day 0, "
        "SMS of day 0, E-mail of day 0 (sent a day later) and WhatsApp of day 2; the room that is "
        "left is kept for WhatsApp of day 5."
    )


def test_messages_of_one_channel_and_day_are_told_apart_by_their_step():
    twice = reckon(sequence(*[(0, "email")] * 4, *[(day, "sms") for day in range(1, 6)]))
    lost = next(one for one in twice.lost if one.step.day == 0)
    assert lost.words.startswith(f"E-mail of day 0 (step {lost.step.number}) can never go out")
    assert "E-mail of day 0 (step 1)" in lost.words.split(":", 1)[1]
    assert twice.sequence.label_of(twice.sequence.steps[-1]) == "SMS of day 5"
    alone = reckon(sequence(*[(0, "email")] * 4))
    assert all("E-mail of day 0 (step " in one.words for one in mends(alone, reckon))
    assert mends(alone, reckon)


def test_calendar_shows_the_sequence_that_is_really_sent():
    assert days(reckon(NO_SHOW)) == {
        0: (["whatsapp", "sms"], []),
        1: (["email"], []),
        2: (["whatsapp"], ["sms", "email"]),
        5: (["whatsapp"], ["sms", "email"]),
        9: (["whatsapp", "sms"], []),
        10: (["email"], []),
    }


def test_day_0_of_a_late_enrolment_is_the_next_day():
    late = datetime(2026, 3, 1, 16, 0, tzinfo=UTC)  # 21:30 in Kolkata
    assert list(days(reckon(NO_SHOW, enrolled_at=late))) == [0, 1, 2, 5, 9, 10]


def test_hours_that_a_channel_does_not_share_are_told():
    early = sequence((0, "sms"), send_from=time(8), send_until=time(10))
    (lost,) = reckon(early).lost
    assert lost.words == (
        "SMS of day 0 can never go out: the campaign's hours and the channel's have no hour in "
        "common."
    )


def test_campaign_with_better_priority_takes_the_room_of_another():
    ours = sequence((0, "whatsapp"), (1, "whatsapp"), priority=20)
    rival = Sequence("Theirs", sequence((0, "whatsapp"), (1, "whatsapp")).steps, priority=5)
    alone = reckon(ours)
    assert (alone.sent, alone.lost) == (2, ())
    both = reckon(ours, beside=[(rival, ENROLLED)])
    (lost,) = both.lost
    assert both.sent == 1
    assert "WhatsApp of day 0 of “Theirs”" in lost.words


@pytest.mark.parametrize("name", FIXTURES)
def test_mends_do_what_they_say(name):
    before = reckon(FIXTURES[name])
    offered = mends(before, reckon)
    assert offered
    assert len({mend.key for mend in offered}) == len(offered)
    for mend in offered:
        again = reckon(mend_of(mend.key, before))
        assert again.sent == mend.after.sent >= before.sent
        assert len(again.lost) < len(before.lost)
        assert len(again.silent_days) <= len(before.silent_days)


def test_mends_of_the_no_show_campaign():
    before = reckon(NO_SHOW)
    first = mends(before, reckon)[0]
    assert (first.words, first.effect) == (
        "Move day 2 to day 6, and all after it as far",
        "11 of 12 messages go out instead of 8; the campaign is 4 days longer.",
    )


@pytest.mark.parametrize("name", FIXTURES)
def test_mending_all_loses_nothing_in_the_end(name):
    before = reckon(FIXTURES[name])
    last = mend_all(before, reckon)[-1]
    assert last.after.lost == ()
    assert last.after.sent >= before.sent


def test_mends_keep_each_channels_story_in_order():
    before = reckon(NO_SHOW)
    for mend in mends(before, reckon):
        for channel in CHANNELS:
            numbers = [
                step.number
                for step in sorted(mend.sequence.steps, key=lambda step: step.day)
                if step.channel == channel
            ]
            assert numbers == sorted(numbers)


def test_campaign_that_loses_nothing_is_offered_nothing():
    fits = reckon(sequence((0, "whatsapp"), (3, "email")))
    assert (fits.lost, mends(fits, reckon), mend_all(fits, reckon)) == ((), [], [])
    assert mend_of("drop-1", fits) is None


def test_campaign_without_steps_has_an_empty_calendar():
    empty = reckon(sequence())
    assert (empty.sent, empty.lost, empty.calendar(), empty.silent_days) == (0, (), [], ())


@pytest.mark.parametrize(
    ("own", "hour"), [(None, 10), (time(17), 17), (time(9), 10), (time(22), 10)]
)
def test_step_with_an_hour_of_its_own_goes_out_then(own, hour):
    steps = (PlannedStep(1, 0, "sms"), PlannedStep(2, 3, "sms", own))
    _, second = reckon(Sequence("Ours", steps)).outcomes
    assert (second.went, second.at.astimezone(KOLKATA).hour) == (True, hour)


def test_typical_run_is_that_of_any_night():
    typically = typical(NO_SHOW)
    assert days(typically) == days(reckon(NO_SHOW))
    assert [lost.words for lost in typically.lost] == [lost.words for lost in reckon(NO_SHOW).lost]


def test_what_was_tried_is_what_is_tried_one_by_one():
    found = tried(NO_SHOW)
    keys = [mend.key for mend in mends(reckon(NO_SHOW), reckon)]
    assert [mend.key for mend in found.mends] == keys
    assert found.together[-1].after.lost == ()


def test_other_caps_are_reckoned_anew(settings):
    assert typical(NO_SHOW).sent == 8
    settings.CAP_PER_DAY, settings.CAP_PER_WEEK = 3, 20
    assert typical(NO_SHOW).sent == 12
    assert tried(NO_SHOW).mends == []
