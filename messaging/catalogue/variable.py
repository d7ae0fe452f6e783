"""What is said of a variable, and the segments that one can belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["text", "number", "date", "list", "link"]

AIDA = ("aida_users",)
COURSE = ("incomplete_courses",)
SESSION = ("no_show",)
CERTIFICATE = ("unclaimed_certificates",)
EVERY = AIDA + COURSE + SESSION + CERTIFICATE


@dataclass(frozen=True, slots=True)
class Variable:
    """A name that a template may use.

    `segments` are the segment types whose definition supplies it; `source` says in a marketer's
    words where its value comes from. A list has `items`: the names of each of its entries, for
    use between {{#name}} and {{/name}}. Only a list that `has_length` may be written as {{name}},
    which is the number of its entries. A variable that `counts_people` is the true number where a
    text says “2,847 doctors”; by segment, `counted_days` are the last days that it counts, where
    it does not count everybody there ever was.
    """

    name: str
    segments: tuple[str, ...]
    description: str
    example: str
    kind: Kind = "text"
    source: str = ""
    items: tuple[Variable, ...] = ()
    has_length: bool = False
    counts_people: bool = False
    counted_days: Mapping[str, int] = field(default_factory=dict)


def numbered(
    pattern: str, segments: tuple[str, ...], description: str, examples: Sequence[str], source: str
) -> tuple[Variable, ...]:
    """Variables such as key_point_1 and key_point_2; {} stands for the number in both texts."""
    kind: Kind = "date" if "date" in pattern else "text"
    return tuple(
        Variable(pattern.format(n), segments, description.format(n), example, kind, source)
        for n, example in enumerate(examples, 1)
    )
