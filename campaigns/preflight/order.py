"""The steps beside each other: texts that come twice, numbers against days, the first day."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from django.utils.text import get_text_list

from campaigns.models import CampaignMessage
from campaigns.preflight.finding import Finding, Look, counted
from campaigns.preflight.texts import name_of
from messaging.models import Channel

# Of the campaign's page, where its steps are.
STEPS, OPEN = "sequence-section", "Open the steps"


def order(look: Look) -> Iterator[Finding]:
    """No text comes twice, the steps are numbered as they go out, and something goes on day 0."""
    yield from _twice(look)
    yield from _numbers(look)
    yield from _first_day(look)


def _warning(look: Look, key: str, text: str) -> Finding:
    return Finding("warning", key, text, f"{look.page()}#{STEPS}", OPEN)


def _twice(look: Look) -> Iterator[Finding]:
    """Steps that say the same on one channel, whether by one template or by two that are alike."""
    alike: dict[tuple[str, str], list[CampaignMessage]] = {}
    for step in look.steps:
        if text := " ".join(step.template.template_content.split()):
            alike.setdefault((step.channel, text), []).append(step)
    for (channel, _), steps in alike.items():
        if len(steps) < 2:
            continue
        names = get_text_list([name_of(step) for step in steps], "and")
        keys = list(dict.fromkeys(f"“{step.template_id}”" for step in steps))
        by = f"the template {keys[0]}"
        if len(keys) > 1:
            by = f"the templates {get_text_list(keys, 'and')}, which say the same"
        times = "twice" if len(steps) == 2 else f"{len(steps)} times"
        text = (
            f"{names} have one text, {by}: a doctor would get it {times} by "
            f"{Channel(channel).label}. Choose another text for one of them, or leave it out."
        )
        yield _warning(look, "text_twice", text)


def _numbers(look: Look) -> Iterator[Finding]:
    """A step that goes out before one of a smaller number: lists then tell another story."""
    turned = [(a, b) for a, b in pairwise(look.steps) if b.delay_days < a.delay_days]
    if not turned:
        return
    before, after = turned[0]
    more = f" So it is with {counted(len(turned) - 1, 'other pair')}."
    text = (
        f"{name_of(after)} goes out before {name_of(before)}, although it is numbered after it: "
        "days decide, not numbers. Correct its day, or save the steps once more in the grid, which "
        "numbers them by their days."
    )
    yield _warning(look, "numbers_against_days", text + (more if len(turned) > 1 else ""))


def _first_day(look: Look) -> Iterator[Finding]:
    """Doctors who are enrolled hear of it at once; what else is meant is said on purpose."""
    first = min(look.steps, key=lambda step: step.delay_days, default=None)
    if first is None or first.delay_days == 0:
        return
    text = (
        f"Nothing goes out on day 0: the first message, {name_of(first)}, comes "
        f"{counted(first.delay_days, 'day')} after a doctor is enrolled. Is that meant?"
    )
    yield _warning(look, "late_first_step", text)
