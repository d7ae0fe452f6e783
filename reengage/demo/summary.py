"""What happened, by segment, as a plain table that fits 100 columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection

from messaging.models import Channel, SkipReason
from segments.models import SegmentType

Counts = dict[str, int]
# Short names of the segments, for the heads of the columns.
COLUMNS = {
    SegmentType.AIDA_USERS: "AiDA users",
    SegmentType.INCOMPLETE_COURSES: "Courses",
    SegmentType.NO_SHOW: "No-shows",
    SegmentType.UNCLAIMED_CERTIFICATES: "Certificates",
}
ALL = "All"
FIRST_WIDTH, WIDTH = 34, 13

_FIGURES = """
    SELECT segment_type, 'members' AS figure, count(*) FROM user_segments
    WHERE expires_at IS NULL OR expires_at > %(now)s
    GROUP BY 1
    UNION ALL
    SELECT c.segment_type, f.figure, count(*)
    FROM campaign_enrollments e JOIN campaigns c ON c.id = e.campaign_id
    CROSS JOIN LATERAL (VALUES
        ('enrolled', true), ('returned', e.converted_at IS NOT NULL)
    ) f (figure, is_so)
    WHERE f.is_so GROUP BY 1, 2
    UNION ALL
    SELECT c.segment_type, f.figure, count(*)
    FROM message_deliveries m
    JOIN campaign_messages s ON s.id = m.campaign_message_id
    JOIN campaigns c ON c.id = s.campaign_id
    CROSS JOIN LATERAL (VALUES
        ('planned', true),
        ('sent', m.sent_at IS NOT NULL),
        ('sent ' || m.channel, m.sent_at IS NOT NULL),
        ('delivered', m.delivered_at IS NOT NULL),
        ('opened', m.opened_at IS NOT NULL),
        ('clicked', m.clicked_at IS NOT NULL),
        ('bounced', m.sent_at IS NOT NULL AND m.status = 'failed'),
        ('refused', m.sent_at IS NULL AND m.status = 'failed'),
        ('skipped', m.status = 'skipped'),
        ('skipped ' || m.skip_reason, m.status = 'skipped'),
        ('waiting', m.status IN ('scheduled', 'sending')),
        ('unknown', m.sent_at IS NULL AND m.status = 'unknown')
    ) f (figure, is_so)
    WHERE f.is_so GROUP BY 1, 2
    UNION ALL
    SELECT c.segment_type, 'opted out', count(DISTINCT u.user_id)
    FROM unsubscribe_records u
    JOIN message_deliveries m ON m.id = u.delivery_id
    JOIN campaign_messages s ON s.id = m.campaign_message_id
    JOIN campaigns c ON c.id = s.campaign_id
    WHERE u.paused_until IS NULL
    GROUP BY 1
"""


@dataclass(slots=True)
class Figures:
    """Counts by segment and figure; `ALL` is over all segments."""

    counts: dict[str, Counts] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))

    def of(self, column: str, figure: str) -> int:
        """One count."""
        return self.counts[column][figure]


def figures(now: datetime) -> Figures:
    """Count everything, as the database stands; `now` says which memberships are still good."""
    found = Figures()
    with connection.cursor() as cursor:
        cursor.execute(_FIGURES, {"now": now})
        for segment_type, figure, number in cursor.fetchall():
            found.counts[segment_type][figure] = number
            found.counts[ALL][figure] += number
    return found


def table(found: Figures) -> str:
    """The figures as lines of text."""
    return "\n".join(_lines(found))


def _lines(found: Figures) -> Iterator[str]:
    yield _line("", [*COLUMNS.values(), ALL])
    yield "-" * (FIRST_WIDTH + WIDTH * (len(COLUMNS) + 1))
    yield _counted(found, "In the segment now", "members")
    yield _counted(found, "Enrolled", "enrolled")
    yield _counted(found, "  came back (of enrolled)", "returned", of="enrolled")
    yield _counted(found, "  opted out (doctors)", "opted out")
    yield _counted(found, "Messages whose day came", "planned")
    yield _counted(found, "  sent", "sent", of="planned")
    for channel in Channel:
        yield _counted(found, f"    by {channel.label}", f"sent {channel.value}")
    yield _counted(found, "  skipped", "skipped", of="planned")
    for reason in SkipReason:
        if found.of(ALL, f"skipped {reason.value}"):
            label = reason.label.lower().removeprefix("the doctor ")
            yield _counted(found, f"    {label}", f"skipped {reason.value}")
    for label, figure in (
        ("  refused by the provider", "refused"),
        ("  unknown", "unknown"),
        ("  waiting", "waiting"),
    ):
        if found.of(ALL, figure):
            yield _counted(found, label, figure)
    yield _counted(found, "Delivered (of sent)", "delivered", of="sent")
    yield _counted(found, "Opened (of delivered)", "opened", of="delivered")
    yield _counted(found, "Clicked (of delivered)", "clicked", of="delivered")
    yield _counted(found, "Failed after sending", "bounced")


def _counted(found: Figures, label: str, figure: str, of: str = "") -> str:
    cells = []
    for column in (*COLUMNS, ALL):
        number, whole = found.of(column, figure), found.of(column, of) if of else 0
        cells.append(
            f"{number:,} {f'({100 * number / whole:.0f}%)':>5}" if whole else f"{number:,}"
        )
    return _line(label, cells)


def _line(label: str, cells: list[str]) -> str:
    return (f"{label:<{FIRST_WIDTH}}" + "".join(f"{cell:>{WIDTH}}" for cell in cells)).rstrip()
