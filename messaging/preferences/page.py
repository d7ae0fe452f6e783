"""What the page shows of a doctor's wishes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from messaging.models import Channel, MessageDelivery, UnsubscribeRecord
from messaging.preferences.wish import standing
from segments.definitions import DEFINITIONS, definition
from segments.models import SegmentType

_LABELS = {Channel.EMAIL: "E-mail"}
# The segments' own labels are words of the marketing team; a new segment has its label until then.
_KINDS: dict[str, str] = {
    SegmentType.AIDA_USERS: "AiDA and its AI agents",
    SegmentType.INCOMPLETE_COURSES: "Courses that you have begun",
    SegmentType.NO_SHOW: "Sessions that you missed",
    SegmentType.UNCLAIMED_CERTIFICATES: "Certificates that wait for you",
}


@dataclass(frozen=True, slots=True)
class Tick:
    """A channel or a kind of message, and whether the doctor gets it."""

    value: str
    label: str
    is_wanted: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that the template needs. `others`: opt-outs of one kind on one channel."""

    channel: Tick  # of the message
    kind: Tick
    channels: Sequence[Tick]
    kinds: Sequence[Tick]
    others: Sequence[str]
    paused_until: datetime | None
    wants_nothing: bool

    @property
    def has_wishes(self) -> bool:
        """Whether anything is stopped or paused."""
        stopped = not all(tick.is_wanted for tick in (*self.channels, *self.kinds))
        return stopped or bool(self.others) or self.paused_until is not None


def page_of(delivery: MessageDelivery) -> Page:
    """The doctor's wishes as they stand, asked by way of this message."""
    records = standing(delivery.doctor_id)
    out = [record for record in records if record.paused_until is None]
    said = {(record.channel or "", record.segment_type or "") for record in out}
    nothing = ("", "") in said
    channels = [
        Tick(value, _channel(value), not nothing and (value, "") not in said)
        for value in Channel.values
    ]
    kinds = [
        Tick(value, _kind(value), not nothing and ("", value) not in said) for value in DEFINITIONS
    ]
    return Page(
        channel=_of(delivery.channel, channels),
        kind=_of(delivery.enrollment.campaign.segment_type, kinds),
        channels=channels,
        kinds=kinds,
        others=[_words(record) for record in out if record.channel and record.segment_type],
        paused_until=max(
            (record.paused_until for record in records if record.paused_until), default=None
        ),
        wants_nothing=not any(tick.is_wanted for tick in channels)
        or not any(tick.is_wanted for tick in kinds),
    )


def _of(value: str, ticks: Sequence[Tick]) -> Tick:
    return next(tick for tick in ticks if tick.value == value)


def _channel(value: str) -> str:
    return _LABELS.get(Channel(value), Channel(value).label)


def _kind(value: str) -> str:
    return _KINDS.get(value) or definition(value).label


def _words(record: UnsubscribeRecord) -> str:
    return f"{_channel(record.channel or '')} about “{_kind(record.segment_type or '')}”"
