"""Promises broken on purpose, to see the audit notice: what keeps them is taken out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _claim() -> None:
    """What is due is read and not locked: two lanes take the same."""
    from messaging.models.delivery import DeliveryQuerySet  # noqa: PLC0415

    DeliveryQuerySet.select_for_update = _not_locked


def _doctor_lock() -> None:
    """Doctors are read and not locked: two lanes, or a lane and an opt-out, pass each other."""
    from segments.models.doctor import DoctorQuerySet  # noqa: PLC0415

    DoctorQuerySet.select_for_update = _not_locked


def _not_locked(rows: Any, **_: Any) -> Any:
    return rows


def _hand_over() -> None:
    """A window goes out although it was taken away."""
    from messaging import send  # noqa: PLC0415

    send.hand_over = lambda *_: True


def _record() -> None:
    """A result is written whoever holds the delivery by now."""
    from messaging import record  # noqa: PLC0415

    record._RECORD = _but(record._RECORD, "m.claim_id = %(claim)s AND ", "")


def _earliest() -> None:
    """The last report says when it was delivered, and not the one with the earliest time."""
    from messaging import track  # noqa: PLC0415

    earliest = "LEAST(m.delivered_at, f.delivered_at)"
    last = "COALESCE(f.delivered_at, m.delivered_at)"
    track._APPLY_NEW = _but(track._APPLY_NEW, earliest, last)


def _highest() -> None:
    """The last report says what has become of it, and not the highest rank."""
    from messaging import track  # noqa: PLC0415

    for fact in ("clicked_at", "opened_at", "delivered_at"):
        highest = f"WHEN COALESCE(m.{fact}, f.{fact}) IS NOT NULL"
        track._APPLY_NEW = _but(track._APPLY_NEW, highest, f"WHEN f.{fact} IS NOT NULL")


def _but(text: str, old: str, new: str) -> str:
    assert old in text, f"It no longer says {old!r}: this sabotage breaks nothing."
    return text.replace(old, new)


BREAKS: dict[str, Callable[[], None]] = {
    "claim": _claim,
    "doctor-lock": _doctor_lock,
    "hand-over": _hand_over,
    "record": _record,
    "earliest": _earliest,
    "highest": _highest,
}
