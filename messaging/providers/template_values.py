"""The values of a template's numbers, as WhatsApp's providers take them."""

from __future__ import annotations

from collections.abc import Sequence

from messaging.audience.tally import VALUE_LIMIT, value_rule
from messaging.mustache import VISIBLE
from messaging.providers.http import UnfitError

_WORDS = {
    "too_long": f"is longer than {VALUE_LIMIT:,} characters",
    "line_break": "has a line break",
    "spaces": "has five spaces in a row",
}


def checked(values: Sequence[str]) -> Sequence[str]:
    """The same values. UnfitError: one is none that WhatsApp's providers take.

    None may be left out or empty: the template's sample text would stand there.
    """
    for number, value in enumerate(values, 1):
        why = "is empty" if not VISIBLE.search(value) else _WORDS.get(value_rule(value) or "")
        if why:
            raise UnfitError(f"The value of {{{{{number}}}}} {why}.")
    return values


def by_number(values: Sequence[str]) -> dict[str, str]:
    """{"1": the first value, ...}. UnfitError as in checked()."""
    return {str(number): value for number, value in enumerate(checked(values), 1)}
