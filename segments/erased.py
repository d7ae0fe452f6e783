"""People who asked to be erased: how they are recognised without knowing who they are.

Of each id and address a keyed hash is kept (HMAC-SHA256), which cannot be turned back into it
without the key, and the key stands in no database. A new key makes new hashes; older ones are read
with the key that made them, so that key stays in the settings for as long as they do.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.utils.timezone import localtime

from segments.models import Doctor, ErasedPerson

ID, EMAIL, PHONE = "id", "email", "phone"  # a number is the same by phone and by WhatsApp
# Fields of doctors that name a person, and what sort of name each is.
NAMES = {"external_id": ID, "email": EMAIL, "phone": PHONE, "whatsapp": PHONE}


class LostKeyError(ValueError):
    """People were erased under a key that the settings no longer have; the text says what to do."""


def key_id(key: str) -> str:
    """What tells keys apart, and says nothing of the key."""
    return hmac.digest(key.encode(), b"key id", "sha256").hex()[:16]


def fingerprints(doctor: Doctor) -> list[str]:
    """The hashes of everything that names this doctor elsewhere, by the newest key."""
    hashes = _Hashes(settings.ERASURE_KEYS[0])
    known = ((kind, getattr(doctor, field)) for field, kind in NAMES.items())
    return sorted({hashes.of(kind, value) for kind, value in known if value})


def is_erased_number(number: str) -> bool:
    """Whether somebody who was erased had this number (E.164); one query."""
    hashes = [_Hashes(key).of(PHONE, number) for key in settings.ERASURE_KEYS]
    return ErasedPerson.objects.filter(fingerprints__overlap=hashes).exists()


class _Hashes:
    """Hashes by one key, which is worked in once and not for each of a file's values."""

    def __init__(self, key: str) -> None:
        self._keyed = {
            kind: hmac.new(key.encode(), f"{kind}:".encode(), "sha256")
            for kind in (ID, EMAIL, PHONE)
        }

    def of(self, kind: str, value: str) -> str:
        """The hash of a value: a number as E.164, an id and an address in any case.

        An address with a tag (name+tag@…) is one of its own: whether it reaches the same person
        is known to the domain alone.
        """
        keyed = self._keyed[kind].copy()
        keyed.update(value.strip().casefold().encode())
        return keyed.hexdigest()


@dataclass(slots=True)
class Register:
    """Everybody who asked to be erased, to be asked about many values."""

    erased_at: dict[str, datetime] = field(default_factory=dict)  # by hash
    hashes: Sequence[_Hashes] = ()

    def __bool__(self) -> bool:
        return bool(self.erased_at)

    def when(self, kind: str, value: str) -> datetime | None:
        """When the person of this id, number or address was erased; None: nobody was."""
        found = (self.erased_at.get(hashes.of(kind, value)) for hashes in self.hashes)
        return next(filter(None, found), None)

    def refusals(self, doctor: Doctor, fields: Iterable[str]) -> dict[str, str]:
        """Those of the fields that name somebody who was erased, with why in words."""
        told = {}
        for name in NAMES.keys() & set(fields):
            value = getattr(doctor, name)
            if value and (at := self.when(NAMES[name], value)):
                told[name] = refused(at)
        return told


def register() -> Register:
    """Who was erased so far, in one query. LostKeyError: some of them cannot be recognised."""
    rows = list(ErasedPerson.objects.values_list("key_id", "erased_at", "fingerprints"))
    keys = {key_id(key): key for key in settings.ERASURE_KEYS}
    made_with = {row[0] for row in rows}
    if lost := sum(row[0] not in keys for row in rows):
        raise LostKeyError(
            f"People who asked to be erased cannot be recognised ({lost}): their key is missing. "
            "Put the former key back at the end of ERASURE_KEYS."
        )
    return Register(
        {value: at for _, at, values in rows for value in values},
        [_Hashes(key) for name, key in keys.items() if name in made_with],
    )


def refused(at: datetime) -> str:
    """What is told whoever enters somebody that was erased; it names nobody."""
    return (
        f"This person asked to be erased on {localtime(at):%d %b %Y} and may not be entered "
        "again: leave them out. Should they wish to come back, delete their entry under “Erased "
        "persons” first."
    )
