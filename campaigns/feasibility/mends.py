"""Changes that would have more of a campaign go out, each with what it would do.

Tried one by one on the reckoning itself: moving a message, a day, or all from a day on; leaving a
message out that never goes; another order of channels. What costs a message that goes is no mend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Sequence as Rows
from dataclasses import dataclass
from itertools import permutations

from campaigns.feasibility.sequence import PlannedStep, Sequence
from campaigns.feasibility.verdict import Feasibility
from messaging.models import Channel

Assess = Callable[[Sequence], Feasibility]

FARTHEST = 4  # days by which something is moved
MOST = 6  # mends offered


@dataclass(frozen=True, slots=True)
class Mend:
    """A change and its effect. `key`: what a form sends back; see mend_of()."""

    key: str
    words: str
    sequence: Sequence  # as it would be
    after: Feasibility
    effect: str


def mends(before: Feasibility, assess: Assess, *, spares_tests: bool = False) -> list[Mend]:
    """The best changes, most useful first; none where nothing is lost.

    `assess` reckons a sequence under the same circumstances as `before`. `spares_tests`: only those
    that change no step that an A/B test needs as it is.
    """
    if not before.lost:
        return []
    found = [
        Mend(key, words, changed, after, effect_of(before, after))
        for key, words, changed in _candidates(before)
        if not (spares_tests and _breaks_test(before.sequence, changed))
        and _is_better(before, after := assess(changed))
    ]
    found.sort(key=lambda mend: (*_worth(mend.after), abs(_moved(before, mend))))
    return _distinct(found)[:MOST]


def mend_all(before: Feasibility, assess: Assess) -> list[Mend]:
    """Mends one after the other until nothing is lost, or none helps: each on top of the last.

    They are done at once or not at all, so none touches a step that an A/B test needs as it is.
    """
    done: list[Mend] = []
    now = before
    while (
        now.lost
        and len(done) < len(before.outcomes)
        and (best := mends(now, assess, spares_tests=True))
    ):
        done.append(best[0])
        now = best[0].after
    return done


def mend_of(key: str, before: Feasibility) -> Sequence | None:
    """The sequence that a mend of this key makes; None: there is no such mend (any more)."""
    return next((changed for own, _, changed in _candidates(before) if own == key), None)


def _worth(after: Feasibility) -> tuple[int, int, int]:
    """Smaller is better: silent days, lost messages, length."""
    return (len(after.silent_days), len(after.lost), -after.sent)


def _is_better(before: Feasibility, after: Feasibility) -> bool:
    """Fewer are lost, none of the days falls silent, and as many go out."""
    return (
        len(after.lost) < len(before.lost)
        and after.sent >= before.sent
        and len(after.silent_days) <= len(before.silent_days)
    )


def _breaks_test(before: Sequence, after: Sequence) -> bool:
    """Whether a step leaves, or moves, that an A/B test keeps."""
    days = {step.number: step.day for step in after.steps}
    return any(
        not step.may_leave if step.number not in days else not step.may_move
        for step in before.steps
        if days.get(step.number) != step.day
    )


def _moved(before: Feasibility, mend: Mend) -> int:
    """Days by which the mend moves messages, all together."""
    was = {step.number: step.day for step in before.sequence.steps}
    return sum(abs(step.day - was[step.number]) for step in mend.sequence.steps)


def _distinct(found: Rows[Mend]) -> list[Mend]:
    """The best of each kind: a message is moved in one way, not in four."""
    best: dict[str, Mend] = {}
    results: set[tuple[tuple[PlannedStep, ...], tuple[str, ...]]] = set()
    for mend in found:
        result = (mend.sequence.steps, mend.sequence.order)
        if result not in results:
            results.add(result)
            kind, _, what = mend.key.partition("-")
            best.setdefault(kind if kind == "order" else f"{kind}-{what.partition('-')[0]}", mend)
    return list(best.values())


def effect_of(before: Feasibility, after: Feasibility) -> str:
    """Such as: 9 of 12 messages go out instead of 8; day 5 is no longer silent."""
    was, now = before.sent, after.sent
    total = len(after.outcomes)
    if now > was:
        words = f"{now} of {total} messages go out instead of {was}"
    else:
        words = f"the same {now} messages go out, and of {total} none is planned in vain"
        if after.lost:
            lost = "1 is" if len(after.lost) == 1 else f"{len(after.lost)} are"
            words = f"the same {now} messages go out; {lost} still lost"
    heard = sorted(set(before.silent_days) - set(after.silent_days))
    if heard:
        words += f"; day {', '.join(map(str, heard))} is no longer silent"
    longer = after.sequence.last_day - before.sequence.last_day
    if longer:
        span = "a day" if abs(longer) == 1 else f"{abs(longer)} days"
        words += f"; the campaign is {span} {'longer' if longer > 0 else 'shorter'}"
    return f"{words}."


def _candidates(before: Feasibility) -> Iterator[tuple[str, str, Sequence]]:
    """Every change that is tried: key, words, the sequence with it."""
    sequence = before.sequence
    for lost in before.lost:
        step = lost.step
        words = f"Leave out {sequence.label_of(step)}"
        yield f"drop-{step.number}", words, sequence.without(step.number)
    yield from _moves_of_steps(before)
    yield from _moves_of_days(sequence)
    for order in permutations(sequence.order):
        if order != sequence.order:
            names = ", ".join(Channel(channel).label for channel in order)
            yield (
                f"order-{'-'.join(order)}",
                f"Let channels go first in the order {names}",
                (sequence.ordered(order)),
            )


def _moves_of_steps(before: Feasibility) -> Iterator[tuple[str, str, Sequence]]:
    for lost in before.lost:
        step = lost.step
        for day in _days_near(step.day):
            changed = before.sequence.moved(step.number, day)
            if _keeps_turns(before.sequence, changed):
                words = f"Move {before.sequence.label_of(step)} to day {day}"
                yield f"move-{step.number}-{day}", words, changed


def _moves_of_days(sequence: Sequence) -> Iterator[tuple[str, str, Sequence]]:
    days = sorted({step.day for step in sequence.steps})
    for day in days[1:]:
        for new in _days_near(day):
            by = new - day
            alone = _shifted(sequence, [day], by)
            if _keeps_turns(sequence, alone):
                words = f"Move day {day} to day {new}"
                yield f"day-{day}-{new}", words, alone
            after = _shifted(sequence, [later for later in days if later >= day], by)
            if _keeps_turns(sequence, after):
                words = f"Move day {day} to day {new}, and all after it as far"
                yield f"from-{day}-{new}", words, after


def _shifted(sequence: Sequence, days: Rows[int], by: int) -> Sequence:
    changed = sequence
    for step in sequence.steps:
        if step.day in days:
            changed = changed.moved(step.number, step.day + by)
    return changed


def _days_near(day: int) -> list[int]:
    return [
        new
        for distance in range(1, FARTHEST + 1)
        for new in (day + distance, day - distance)
        if 0 <= new <= 365
    ]


def _keeps_turns(before: Sequence, after: Sequence) -> bool:
    """Whether each channel tells its story in the same order, on days of its own."""
    was = {step.number: step for step in before.steps}
    for channel in before.order:
        own = [step for step in after.steps if step.channel == channel]
        for one in own:
            for other in own:
                if was[one.number].day < was[other.number].day and one.day >= other.day:
                    return False
    return True
