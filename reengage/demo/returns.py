"""Doctors who come back: the platform's rows that say so, written set-based."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from reengage.demo.behaviour import Reaction
from segments.models import SegmentType

# What doctors do who come back, by segment; all may be repeated and change nothing then.
# Of the doctors who missed a session, one in three registers for the next one that is to come;
# whether they will be there is known by its own rows only.
_RETURN: dict[str, tuple[str, ...]] = {
    SegmentType.AIDA_USERS: (
        """
        INSERT INTO agent_usage (doctor_id, agent, specialty_area, used_at)
        SELECT v.doctor, 'Diagnostic Support', d.specialty, v.at
        FROM {values} JOIN doctors d ON d.id = v.doctor
        ON CONFLICT DO NOTHING
        """,
    ),
    SegmentType.INCOMPLETE_COURSES: (
        """
        UPDATE course_progress p
        SET completed_at = v.at, last_accessed_at = GREATEST(p.last_accessed_at, v.at),
            completed_modules = t.modules,
            time_spent_minutes = p.time_spent_minutes + t.minutes
        FROM {values}
        JOIN courses c ON c.external_id = v.subject
        CROSS JOIN LATERAL (
            SELECT count(*) AS modules, COALESCE(sum(m.duration_minutes), 0) AS minutes
            FROM course_modules m WHERE m.course_id = c.id
        ) t
        WHERE p.doctor_id = v.doctor AND p.course_id = c.id AND p.completed_at IS NULL
        """,
    ),
    SegmentType.NO_SHOW: (
        """
        UPDATE session_registrations r SET recording_viewed_at = v.at
        FROM {values} JOIN sessions s ON s.external_id = v.subject
        WHERE r.doctor_id = v.doctor AND r.session_id = s.id AND r.recording_viewed_at IS NULL
          AND v.doctor %% 3 <> 0
        """,
        """
        INSERT INTO session_registrations (doctor_id, session_id, registered_at)
        SELECT v.doctor, s.id, v.at
        FROM {values}
        CROSS JOIN LATERAL (
            SELECT id FROM sessions WHERE starts_at > v.at + interval '1 hour'
            ORDER BY starts_at LIMIT 1
        ) s
        WHERE v.doctor %% 3 = 0
        ON CONFLICT DO NOTHING
        """,
    ),
    SegmentType.UNCLAIMED_CERTIFICATES: (
        """
        UPDATE certificates c SET downloaded_at = v.at
        FROM {values}
        WHERE c.external_id = v.subject AND c.doctor_id = v.doctor AND c.downloaded_at IS NULL
        """,
    ),
}
_ACTIVE = """
    UPDATE doctors d SET last_active_at = v.at FROM {values}
    WHERE d.id = v.doctor AND (d.last_active_at IS NULL OR d.last_active_at < v.at)
"""
_VALUES = """
    (SELECT doctor, subject, min(at) AS at
     FROM unnest(%(doctors)s::int[], %(subjects)s::text[], %(moments)s::timestamptz[])
         AS u(doctor, subject, at)
     GROUP BY doctor, subject) v
"""


def come_back(returns: Sequence[Reaction]) -> int:
    """Write what the doctors did, dated when they did it; returns how many had not done it yet."""
    done = 0
    groups: dict[str, list[Reaction]] = defaultdict(list)
    for reaction in returns:
        groups[reaction.message.segment_type].append(reaction)
    for segment_type, group in groups.items():
        done += sum(_execute(statement, group) for statement in _RETURN[segment_type])
        _execute(_ACTIVE, group)
    return done


def _execute(statement: str, group: Sequence[Reaction]) -> int:
    doctors: list[int] = [reaction.message.doctor_id for reaction in group]
    subjects: list[str] = [reaction.message.subject for reaction in group]
    moments: list[datetime] = [reaction.at for reaction in group]
    with connection.cursor() as cursor:
        cursor.execute(
            statement.replace("{values}", _VALUES),
            {"doctors": doctors, "subjects": subjects, "moments": moments},
        )
        return int(cursor.rowcount)
