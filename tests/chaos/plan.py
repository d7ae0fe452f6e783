"""The plan of faults: a pure function of the seed and the length."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.chaos.points import FREEZABLE, FREEZE, KILL, POINTS

WORKERS = ("w1", "w2")
CHANNELS = ("whatsapp", "sms", "email")


@dataclass(frozen=True, order=True)
class Fault:
    """What happens when, to what. `lasts`: seconds until it is undone, where it is undone."""

    at: float
    kind: str
    target: str = ""
    lasts: float = 0.0

    def __str__(self) -> str:
        lasts = f" for {self.lasts:.1f} s" if self.lasts else ""
        return f"{self.at:7.2f} s  {self.kind:<20} {self.target}{lasts}"


# Kind: targets, and how long it lasts (from, to).
Kinds = dict[str, tuple[tuple[str, ...], tuple[float, float]]]
NO_TIME = (0.0, 0.0)

# What stops a server or a worker for a while. More often, and nothing would go out in between.
HEAVY_SPACING = 5.0  # seconds from one to the next, on average
HEAVY: Kinds = {
    f"{FREEZE} at": (FREEZABLE, (6.5, 8)),  # past the lease, which is 6 s
    "freeze worker": (WORKERS, (2, 8)),
    "kill worker": (WORKERS, NO_TIME),
    "kill head": (WORKERS, NO_TIME),  # its children are left to themselves
    "stop worker": (WORKERS, NO_TIME),  # SIGTERM
    "kill valkey": (("valkey",), (0.5, 5)),
    "freeze valkey": (("valkey",), (2, 6)),
    "restart postgres": (("immediate",), NO_TIME),
    "hold": (("postgres", "valkey"), (1, 4)),
    "delay": (("postgres", "valkey"), (1, 3)),
}
LIGHT_SPACING = 0.9
LIGHT: Kinds = {
    f"{KILL} at": (POINTS, NO_TIME),
    "kill child": (WORKERS, NO_TIME),
    "clock": (("w1 +3600", "w1 -3600", "w2 +3600", "w2 -3600"), (3, 6)),
    "flush valkey": (("valkey",), NO_TIME),
    "terminate backends": (("1", "3", "all"), NO_TIME),
    "cut": (("postgres", "valkey"), NO_TIME),
    "provider": (
        tuple(
            f"{channel} {fault}"
            for channel in CHANNELS
            for fault in (
                *("refuse now", "refuse", "error", "hang", "slow", "garbage", "reset"),
                *("take and reset", "take and hang", "close", "kill", "freeze"),
            )
        ),
        (1, 3),
    ),
    "opt-outs": (("race", "race", "link", "link", "all", "consent"), NO_TIME),
    "reports": (("forged", "forged"), NO_TIME),
    "send again": (("unknown",), NO_TIME),
    "second beat": (("beat2",), (3, 6)),
    "kill beat": (("beat",), NO_TIME),
    "kill web": (("web",), NO_TIME),
}


def plan(seed: int, seconds: float) -> list[Fault]:
    """Every kind on every target once before any comes again, in an order of the seed's."""
    chance = random.Random(seed)
    heavy = _dealt(HEAVY, HEAVY_SPACING, seconds, chance)
    return sorted([*heavy, *_dealt(LIGHT, LIGHT_SPACING, seconds, chance)])


def _dealt(kinds: Kinds, spacing: float, seconds: float, chance: random.Random) -> Iterator[Fault]:
    deck: list[tuple[str, str]] = []
    at = 0.0
    while (at := at + chance.uniform(0.2, 1.8) * spacing) < seconds:
        if not deck:
            deck = [(kind, target) for kind, (targets, _) in kinds.items() for target in targets]
            chance.shuffle(deck)
        kind, target = deck.pop()
        shortest, longest = kinds[kind][1]
        lasts = round(chance.uniform(shortest, longest), 1) if longest else 0.0
        yield Fault(round(at, 2), kind, target, lasts)
