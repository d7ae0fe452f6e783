"""The audience check: 13 steps of the course campaign, rendered for everybody in the segment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from django.conf import settings
from django.db import connections
from django.utils import timezone

from campaigns.models import Campaign
from messaging.audience.run import ask, run_check
from messaging.models import AudienceCheck
from segments.identify import identify
from segments.models import SegmentType
from tests.bench.measure import Figure, cost, execute

NOW = datetime(2026, 3, 4, 6, 30, tzinfo=UTC)  # 12:00 in Kolkata
STEPS = 13
FULL = 100_000

# Every doctor has a course under way; one in ten has completed another, and said so by name.
WORLD = """
    INSERT INTO doctors (external_id, title, first_name, last_name, email, phone, specialty,
        location, may_be_named)
    SELECT 'd' || n, 'Dr.', (ARRAY['Anita', 'Imran', 'Lakshmi', 'Joy'])[1 + n % 4],
           (ARRAY['Rao', 'Deshpande', 'Venkataraman', 'Das'])[1 + n / 4 % 4],
           'd' || n || '@example.com', '+91' || (9800000000 + n), 'Cardiology', 'Mumbai', n % 10 = 0
    FROM generate_series(1, {n}) n;
    INSERT INTO courses (external_id, name, topic, clinical_area, popular_module, instructor_name,
        cpd_points)
    SELECT 'c' || n, 'Hypertension in Practice, Part ' || n, 'blood pressure control',
           'resistant hypertension', '3', 'Meera Iyer', 4
    FROM generate_series(1, 40) n;
    INSERT INTO course_modules (course_id, number, name, duration_minutes, key_learnings)
    SELECT c.id, m, 'Drug interactions ' || m, 15, '{{Choose a drug,Titrate it,Know when to refer}}'
    FROM courses c, generate_series(1, 8) m;
    INSERT INTO course_progress (doctor_id, course_id, started_at, completed_modules,
        time_spent_minutes, last_accessed_at, access_expires_at, completed_at, rating, testimonial)
    SELECT d.id, c.id, '2025-12-01', 2 + d.id % 5, 80, '2026-01-15', '2026-05-01', NULL, NULL, ''
    FROM doctors d JOIN courses c ON c.external_id = 'c' || (1 + d.id % 40);
    INSERT INTO course_progress (doctor_id, course_id, started_at, completed_modules,
        time_spent_minutes, last_accessed_at, access_expires_at, completed_at, rating, testimonial)
    SELECT d.id, c.id, '2025-12-01', 8, 80, '2026-03-01', '2026-05-01', '2026-03-01', 5, 'Clear.'
    FROM doctors d JOIN courses c ON c.external_id = 'c' || (1 + (d.id / 10) % 40)
    WHERE d.may_be_named AND d.id % 40 <> (d.id / 10) % 40;
    ANALYZE
"""


def run(n: int = FULL) -> list[Figure]:
    """Check `n` doctors in an empty, migrated database, and stop a second check in its midst."""
    settings.LOGGING_CONFIG = None
    for statement in WORLD.format(n=n).split(";"):
        execute(statement)
    identify(SegmentType.INCOMPLETE_COURSES, NOW)
    execute("ANALYZE user_segments")
    campaign = Campaign.objects.get(segment_type=SegmentType.INCOMPLETE_COURSES)
    for step in list(campaign.steps.order_by("-sequence_order"))[:-STEPS]:
        step.delete()
    return [_whole(campaign, n), _cancelled(campaign)]


def _clock() -> Callable[[], datetime]:
    """The benchmark's day, going on."""
    began = timezone.now()
    return lambda: NOW + (timezone.now() - began)


def _whole(campaign: Campaign, n: int) -> Figure:
    check, _ = ask(NOW, campaign=campaign)
    with cost() as work:
        run_check(check.pk, _clock())
    check.refresh_from_db()
    rendered = sum(step["rendered"] for step in check.result["steps"])
    if (check.state, check.done) != ("done", n) or rendered < 0.9 * n * STEPS:
        raise RuntimeError(f"{check}: {check.done} of {n}, {rendered} messages. {check.error}")
    cpu = work.app_cpu + work.database_cpu
    at_full_size = "" if n == FULL else f"; 100,000 would take {cpu * FULL / n:.0f} s of CPU"
    return Figure(
        f"audience check of {n:,} doctors x {STEPS} steps, one process",
        f"{work.seconds:.1f} s ({cpu:.1f} s of CPU, {1e6 * cpu / (n * STEPS):.0f} µs a message; "
        f"peak {work.peak_mb:.0f} MB){at_full_size}",
        "180 s for 100,000",
    )


def _cancelled(campaign: Campaign) -> Figure:
    """From the click, in the midst of the check, to the end of the job."""
    check, _ = ask(NOW, campaign=campaign)
    clicked: list[float] = []

    def click() -> None:
        AudienceCheck.objects.filter(pk=check.pk).cancel(NOW)
        clicked.append(time.perf_counter())
        connections.close_all()

    timer = threading.Timer(1.37, click)
    timer.start()
    run_check(check.pk, _clock())
    ended = time.perf_counter()
    timer.join()
    check.refresh_from_db()
    late = f"{1000 * (ended - clicked[0]):.0f} ms" if check.state == "cancelled" else "done before"
    return Figure("a cancelled audience check goes on for", late, "1 s")
