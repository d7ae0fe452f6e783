"""Accounts at providers: what each is called, and its keys, senders and addresses.

`twilio` is the first account at Twilio, set by TWILIO_ACCOUNT_SID and so on; `twilio:second` is
another one, set by TWILIO_SECOND_ACCOUNT_SID and so on. Any number of them, and any name of
letters and digits; which one carries a channel is said by WHATSAPP_PROVIDER and its like.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Variable:
    """Something that an account is set by."""

    name: str  # after the account's prefix, such as AUTH_TOKEN
    what: str  # in words
    default: str | None = None  # None: it must be set
    channel: str = ""  # needed where the account carries this channel only; '': always


@dataclass(frozen=True, slots=True)
class Account:
    """One account, by the name that settings give it."""

    name: str

    @property
    def kind(self) -> str:
        """Which provider it is at."""
        return kind_of(self.name)

    def variable(self, name: str) -> str:
        """The environment's name of a variable, such as TWILIO_SECOND_AUTH_TOKEN."""
        return "_".join((*self.name.upper().split(":"), name))

    def get(self, variable: Variable) -> str:
        """Its value; the default, or '', where it is not set."""
        name = self.variable(variable.name)
        value = getattr(settings, name, None) or settings.PROVIDER_VARIABLES.get(name)
        return str(value) if value else variable.default or ""

    def missing(self, variables: Iterable[Variable], channel: str) -> Iterator[str]:
        """What must be set before the account carries a channel, in words."""
        for variable in variables:
            is_needed = variable.default is None and variable.channel in ("", channel)
            if is_needed and not self.get(variable):
                yield f"{self.variable(variable.name)} is not set: {variable.what}."


LONGEST_NAME = 30  # characters, ProviderAccount.provider


def kind_of(name: str) -> str:
    """Which provider an account is at."""
    return name.partition(":")[0]


def is_name(name: str) -> bool:
    """Whether an account may be called so: `kind`, or `kind:name`."""
    _, colon, own = name.partition(":")
    return len(name) <= LONGEST_NAME and (not colon or (own.isascii() and own.isalnum()))


def names_in(environment: Iterable[str], kind: str, variables: Iterable[Variable]) -> Iterator[str]:
    """The accounts at one provider of which something is set, by the names of what is set."""
    ends = [f"_{variable.name}" for variable in variables]
    start = kind.upper()
    for name in environment:
        for end in ends:
            if name == start + end:
                yield kind
            elif name.startswith(f"{start}_") and name.endswith(end):
                own = name[len(start) + 1 : -len(end)].lower()
                if own and is_name(f"{kind}:{own}"):
                    yield f"{kind}:{own}"
