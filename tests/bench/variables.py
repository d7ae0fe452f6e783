"""All variables of a segment's doctors, 500 at a time: queries, and what each delivery costs."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from messaging.audience.members import Audience
from reengage.demo.generate import Sample
from reengage.demo.load import load
from segments.definitions import DEFINITIONS
from segments.identify import identify
from tests.bench.measure import Figure, cost, execute

NOW = datetime(2026, 3, 4, 6, 30, tzinfo=UTC)  # 12:00 in Kolkata
BATCH = 500
MOST = 20_000  # doctors of the sample, which is written as files first
TIMES = 5  # that each batch is read


def run(rows: int = 100_000) -> list[Figure]:
    """Measure on the sample's doctors, up to `rows` of them, in an empty, migrated database."""
    settings.LOGGING_CONFIG = None
    sample = Sample.until(NOW, min(rows, MOST), seed=1)
    with tempfile.TemporaryDirectory() as directory:
        load(sample, Path(directory), lambda _: None)
    execute("ANALYZE")
    for name in DEFINITIONS:
        identify(name, sample.start)
    return [_measure(name, sample.start) for name in DEFINITIONS]


def _measure(segment_type: str, now: datetime) -> Figure:
    audience = Audience(segment_type, tuple(settings.MESSAGE_PROVIDERS), now)
    few, many = audience.after(0, BATCH // 10), audience.after(0, BATCH)
    audience.variables(few)  # what is read once for all is known from here on
    queries = []
    for members in (few, many):
        with CaptureQueriesContext(connection) as captured:
            audience.variables(members)
        queries.append(len(captured))
    with cost() as work:
        for _ in range(TIMES):
            audience.variables(many)
    each = 1000 * (work.app_cpu + work.database_cpu) / (TIMES * len(many))
    return Figure(
        f"variables of {len(many)} doctors in {segment_type}",
        f"{queries[1]} queries ({queries[0]} for {len(few)}), {each:.3f} ms of CPU each",
        "a fixed number, 0.3 ms",
    )
