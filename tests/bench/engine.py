"""Identify, enrol, schedule and send 100,000 doctors, against plain INSERT ... SELECT."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.conf import settings

from campaigns.enroll import enroll
from campaigns.launch import launch
from campaigns.models import Campaign
from campaigns.schedule import schedule_due
from messaging.models import MessageDelivery
from messaging.send import send_due
from segments.identify import identify
from segments.models import SegmentType
from tests.bench.measure import Cost, Figure, cost, current_mb, execute

NOW = datetime(2026, 3, 4, 6, 30, tzinfo=UTC)  # 12:00 in Kolkata

DOCTORS = """
    INSERT INTO doctors
        (external_id, title, first_name, last_name, email, phone, specialty, location)
    SELECT 'd' || n, 'Dr.', 'Anita', 'Rao', 'd' || n || '@example.com',
           '+91' || (9800000000 + n), 'Cardiology', 'Mumbai'
    FROM generate_series(1, {n}) n;
    INSERT INTO sessions (external_id, title, starts_at, ends_at, speaker_name, speaker_credentials,
        topic, topic_area, cpd_points, key_points, insight_titles, insight_descriptions,
        popular_timestamps, popular_topics)
    SELECT 's' || n, 'Session ' || n, '2026-03-02 10:00+00', '2026-03-02 11:00+00', 'Meera Iyer',
           'MD', 'Heart failure', 'Cardiology', 2, '{{}}', '{{}}', '{{}}', '{{}}', '{{}}'
    FROM generate_series(1, 20) n;
    INSERT INTO certificates (external_id, doctor_id, session_id, issued_at, expires_at)
    SELECT 'c' || d.id, d.id, s.id, '2026-03-03 10:00+00', '2026-05-03 10:00+00'
    FROM doctors d JOIN sessions s ON s.external_id = 's' || (1 + d.id % 20);
    INSERT INTO consent_records (user_id, channel, is_given, recorded_at, source, text_shown)
    SELECT id, 'whatsapp', true, '2026-01-01', 'bench', '' FROM doctors;
    ANALYZE
"""


def run(n: int = 100_000) -> list[Figure]:
    """Measure each step on `n` doctors in an empty, migrated database."""
    settings.LOGGING_CONFIG = None
    for statement in DOCTORS.format(n=n).split(";"):
        execute(statement)
    campaign = Campaign.objects.get(segment_type=SegmentType.UNCLAIMED_CERTIFICATES)
    launch(campaign, NOW - timedelta(days=1))
    figures = [_identify(n), *_enroll_and_schedule(campaign, n)]
    figures += [_nothing_due(n), *_send()]
    return figures


def _floor(*tables: str) -> Cost:
    """One INSERT ... SELECT of the same rows into the same table, with all its keys."""
    for table in tables:
        execute(f"CREATE TEMP TABLE floor_{table} AS SELECT * FROM {table}")
    execute(f"TRUNCATE {', '.join(tables)} CASCADE")
    with cost() as floor:
        for table in tables:
            execute(f"INSERT INTO {table} SELECT * FROM floor_{table}")
    return floor


def _identify(n: int) -> Figure:
    with cost() as work:
        identify(SegmentType.UNCLAIMED_CERTIFICATES, NOW)
    floor = _floor("user_segments")
    return Figure(
        f"identify {n:,} doctors",
        f"{work.seconds / floor.seconds:.2f}x INSERT ... SELECT ({work.seconds:.2f} s; "
        f"{work.per_row(n)})",
        "1.5x",
    )


def _enroll_and_schedule(campaign: Campaign, n: int) -> list[Figure]:
    execute("ANALYZE user_segments")
    with cost() as enrolling:
        enroll(campaign, NOW)
    execute("ANALYZE campaign_enrollments")
    with cost() as scheduling:
        schedule_due(NOW)
    floor = _floor("campaign_enrollments", "message_deliveries")
    both = enrolling.seconds + scheduling.seconds
    cpu = Cost(
        0, enrolling.app_cpu + scheduling.app_cpu, enrolling.database_cpu + scheduling.database_cpu
    )
    return [
        Figure(
            f"enrol {n:,} doctors and schedule {3 * n:,} deliveries",
            f"{both / floor.seconds:.2f}x INSERT ... SELECT ({enrolling.seconds:.2f} s + "
            f"{scheduling.seconds:.2f} s; {cpu.per_row(4 * n)})",
            "1.5x",
        )
    ]


def _nothing_due(n: int) -> Figure:
    execute("VACUUM ANALYZE campaign_enrollments")
    with cost() as work:
        schedule_due(NOW)
    return Figure(
        f"schedule with {n:,} enrolled and nothing due", f"{1000 * work.seconds:.0f} ms", "50 ms"
    )


def _send(windows: int = 40) -> list[Figure]:
    execute("VACUUM ANALYZE message_deliveries")
    figures = []
    for channel in ("whatsapp", "sms", "email"):
        send_due(channel, NOW)  # templates compiled, statements planned
        sent, before = 0, current_mb()
        with cost() as work:
            for _ in range(windows):
                tally = send_due(channel, NOW)
                sent += tally.sent + tally.deferred + tally.skipped
        figures.append(
            Figure(
                f"{channel}: authorise, render, record {sent:,} of "
                f"{MessageDelivery.objects.filter(channel=channel).count():,}",
                f"{sent / work.seconds:,.0f}/s in one process ({work.per_row(sent)}; "
                f"{current_mb() - before:+.0f} MB, peak {work.peak_mb:.0f} MB)",
                "2,000/s",
            )
        )
    return figures
