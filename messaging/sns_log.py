"""Delivery status of SMS from Amazon SNS, which writes it to a CloudWatch log and calls nobody.

A line is JSON as SNS writes it, alone, after the time that an export to S3 puts before it, or in
the `message` of what `aws logs filter-log-events` gives. Number and carrier are not kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from messaging import track
from messaging.models import EventKind
from messaging.providers.codes import SNS
from messaging.track import Event

PROVIDER = "sns"
_KINDS = {"SUCCESS": EventKind.DELIVERED, "FAILURE": EventKind.FAILED}


@dataclass(slots=True)
class Imported:
    """What became of the lines; `new` of those read were not known before."""

    read: int = 0
    new: int = 0
    unreadable: int = 0


def import_lines(lines: Iterable[str], now: datetime) -> Imported:
    """Store the reports, each once, however often a log is imported; a worker counts them."""
    done = Imported()

    def events() -> Iterator[Event]:
        for line in filter(str.strip, lines):
            try:
                event = _event(_read(line), now)
            except (ValueError, KeyError, TypeError, RecursionError):
                done.unreadable += 1
            else:
                done.read += 1
                yield event

    done.new = track.store(events(), now)
    return done


def _read(line: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(line[line.index("{") :])
    wrapped = told.get("message")
    return json.loads(wrapped) if isinstance(wrapped, str) else told


def _event(told: dict[str, Any], now: datetime) -> Event:
    kind = _KINDS[told["status"]]
    message_id = str(told["notification"]["messageId"])
    said = str(told["delivery"].get("providerResponse") or "")
    failed = kind == EventKind.FAILED
    return Event(
        provider=PROVIDER,
        key=f"{message_id}:{told['status']}",
        kind=kind,
        occurred_at=min(_moment(told["notification"]["timestamp"]), now),
        external_id=message_id,
        detail={
            "raw": {"status": told["status"], "providerResponse": said},
            **({"error": said or "Amazon SNS: failed"} if failed else {}),
        },
        verdict=(SNS.get(said).verdict or "") if failed else "",
    )


def _moment(text: str) -> datetime:
    """`2016-06-28 00:40:34.558`, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
