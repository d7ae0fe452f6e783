"""The run of a doctor who is enrolled at night, on any day: what pages and mends are about.

Which day it is changes nothing but the dates, so a sequence is reckoned once, and kept.
"""

from __future__ import annotations

from collections.abc import Sequence as Rows
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings

from campaigns.feasibility.mends import Mend, mend_all, mends
from campaigns.feasibility.sequence import PlannedStep, Sequence
from campaigns.feasibility.verdict import Feasibility, assess
from messaging.caps import Caps
from messaging.facts import caps_from_settings

# strategy, Celery Beat Schedule: segments are calculated at two, and the next full hour enrols.
NIGHT = datetime(2026, 1, 5, 3)  # noqa: DTZ001  by the clock of the zone, below


class Circumstances(NamedTuple):
    """What else decides a run, all of it settings."""

    zone: str
    caps: Caps
    term: timedelta


def circumstances() -> Circumstances:
    """Those in force."""
    return Circumstances(settings.TIME_ZONE, caps_from_settings(), settings.STEP_EXPIRES_AFTER)


Beside = tuple[tuple[Sequence, int], ...]  # other campaigns, and how many days before this one


def typical(sequence: Sequence, beside: Rows[tuple[Sequence, int]] = ()) -> Feasibility:
    """The run of `sequence`; `beside`: campaigns in which the doctor is, since so many days."""
    return _run(sequence, tuple(beside), circumstances())


def reaches_others(sequence: Sequence, step: PlannedStep) -> bool:
    """Whether a message that is lost goes to doctors who lack some of the other channels."""
    rest = {one.channel for one in sequence.steps} - {step.channel}
    fewer = (set(some) for count in range(len(rest)) for some in combinations(sorted(rest), count))
    return any(
        one.went and one.step == step
        for channels in fewer
        for one in typical(sequence.only({*channels, step.channel})).outcomes
    )


class Tried(NamedTuple):
    """A sequence's run, what would help, and all mends that together help most."""

    before: Feasibility
    mends: list[Mend]
    together: list[Mend]


def tried(sequence: Sequence) -> Tried:
    """Its run and its mends."""
    return _tried(sequence, circumstances())


@lru_cache(maxsize=64)
def _tried(sequence: Sequence, given: Circumstances) -> Tried:
    runs: dict[Sequence, Feasibility] = {}

    def reckon(changed: Sequence) -> Feasibility:
        """Mends on top of mends come by the same sequences again."""
        if changed not in runs:
            runs[changed] = _reckon(changed, (), given)
        return runs[changed]

    before = reckon(sequence)
    return Tried(before, mends(before, reckon), mend_all(before, reckon))


@lru_cache(maxsize=256)
def _run(sequence: Sequence, beside: Beside, given: Circumstances) -> Feasibility:
    return _reckon(sequence, beside, given)


def _reckon(sequence: Sequence, beside: Beside, given: Circumstances) -> Feasibility:
    zone = ZoneInfo(given.zone)
    night = NIGHT.replace(tzinfo=zone)
    others = [(other, night - timedelta(days=days)) for other, days in beside]
    return assess(sequence, night, zone, beside=others, caps=given.caps)
