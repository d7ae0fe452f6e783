"""Send through real providers with two workers, against django-post_office and against latency."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

from campaigns.enroll import enroll
from campaigns.launch import launch
from campaigns.models import Campaign, CampaignMessage
from campaigns.schedule import schedule_due
from messaging.audit.run import audit
from messaging.models import DeliveryAttempt, MessageDelivery, MessageTemplate
from segments.identify import identify
from tests.bench.engine import DOCTORS, NOW
from tests.bench.measure import Figure, cpu_of_tree, execute, postmaster
from tests.providers.http_peer import http_peer
from tests.providers.peer import Plan
from tests.providers.smtp_sink import smtp_sink

WORKERS = 2
LANES = 4  # of a provider that takes its time: two a worker, so that one decides while one waits
POST_OFFICE = "django-post_office==3.12.0"
# 1.1 KB with ten different variables, once filled in.
TEXT = """\
Dear Dr. {{first_name}} {{last_name}},

Your certificate {{certificate_id}} for **{{session_name}}** of {{session_date}} has been waiting
for you since {{issue_date}}. It counts {{cpd_points}} CPD points for {{specialty}}.

The session with {{speaker_name}} was one of the most visited of the month, and most of those who
took part have claimed theirs by now. It takes one click: the link below leads straight to your
certificate, and you need not fill in anything again. You can keep it as a file, print it, or send
it on to your council, whichever suits you best. Points that are not claimed by the end of the
period cannot be counted, so please do not leave it until the last day.

• Claim the certificate with the button below
• Check the name that is printed on it
• Send it to your council, or keep it for your next renewal

[Download the certificate →] {{shortlink}}

If anything on it is wrong, answer to this message and we will put it right within one working day.
We are glad that you were with us, and hope to see you again at the next session on this topic.

With best regards,
Team CLIRNET
"""

# What WhatsApp allows: 1,024 characters.
SHORT = TEXT.partition("\nIf anything on it is wrong")[0]


def run(rows: int = 100_000) -> list[Figure]:
    """Measure on up to `rows` deliveries in an empty, migrated database."""
    settings.LOGGING_CONFIG = None
    return [*_smtp(rows), *_http(min(rows, 20_000))]


def _smtp(rows: int) -> Iterator[Figure]:
    few = max(rows // 10, 1_000)
    floor = _post_office(few)
    yield Figure(
        "django-post_office, tuned, 2 processes",
        f"{floor['sent'] / floor['seconds']:,.0f}/s, {_ms(floor['cpu'], floor['sent'])} of its own",
    )
    small = _send("email", few, "smtp")
    large = _send("email", rows, "smtp")
    for work in (small, large):
        ratio = work["rate"] / (floor["sent"] / floor["seconds"])
        yield Figure(
            f"e-mail to {work['sent']:,} by SMTP, each recorded, 2 workers",
            f"{work['rate']:,.0f}/s, {ratio:.1f}x django-post_office; {_cpu(work)}; "
            f"{work['peak_mb']:.0f} MB a worker; audit: {work['audit']} rows",
            "3.2x, 0.30 ms, 150 MB",
        )
    growth = large["each"] / small["each"]
    yield Figure(f"cost of a message at {rows:,} against {few:,}", f"{growth:.2f}x", "1.1x")


def _http(rows: int) -> Iterator[Figure]:
    latency, in_flight = 0.1, 200
    work = _send("whatsapp", rows, "peer", latency, in_flight=in_flight, lanes=LANES)
    share = work["rate"] / (in_flight / latency)
    yield Figure(
        f"WhatsApp to {work['sent']:,} by HTTP that answers in 100 ms, "
        f"200 in flight, {LANES} lanes",
        f"{work['rate']:,.0f}/s, {share:.2f} of concurrency / latency; {_cpu(work)}; "
        f"audit: {work['audit']} rows",
        "0.75, 0.6 ms",
    )


def _ms(cpu: float, count: int) -> str:
    return f"{1000 * cpu / count:.3f} ms of CPU each"


def _cpu(work: dict[str, Any]) -> str:
    return (
        f"{work['each']:.3f} ms of CPU each ({1000 * work['cpu'] / work['sent']:.3f} workers + "
        f"{1000 * work['database_cpu'] / work['sent']:.3f} database)"
    )


def prepare(channel: str, rows: int) -> None:
    """A running campaign with one step, and everybody's delivery due."""
    for statement in DOCTORS.format(n=rows).split(";"):
        execute(statement)
    key = f"bench.{channel}"
    MessageTemplate.objects.create(
        template_key=key,
        channel=channel,
        segment_type="unclaimed_certificates",
        sequence_order=1,
        template_content=TEXT if channel == "email" else SHORT,
        subject_line="Your certificate, Dr. {{last_name}}" if channel == "email" else None,
    )
    campaign = Campaign.objects.create(
        name=key, segment_type="unclaimed_certificates", inactivity_days=0, goal_days=14
    )
    CampaignMessage.objects.create(
        campaign=campaign, sequence_order=1, channel=channel, delay_days=0, template_id=key
    )
    launch(campaign, NOW - timedelta(days=1))
    identify("unclaimed_certificates", NOW)
    enroll(campaign, NOW)
    schedule_due(NOW)
    execute("VACUUM ANALYZE")


def clear() -> None:
    tables = "message_deliveries, campaign_enrollments, campaigns, message_templates, doctors"
    execute(f"TRUNCATE {tables}, sessions CASCADE")


def _send(
    channel: str,
    rows: int,
    provider: str,
    latency: float = 0.0,
    *,
    in_flight: int = 1,
    lanes: int = WORKERS,
) -> dict[str, Any]:
    """Send everything that is due, and check that all of it was recorded and none sent twice."""
    clear()
    prepare(channel, rows)
    with ExitStack() as stack:
        fake = smtp_sink if provider == "smtp" else http_peer
        peer = stack.enter_context(fake(plan=Plan(latency=latency)))
        environment = {
            f"{channel.upper()}_PROVIDER": provider,
            "SMTP_URL": peer.url,
            "HTTP_PEER_URL": peer.url,
            "IN_FLIGHT": str(in_flight // lanes),
        }
        work = _race(channel, environment, lanes)
        ledger = [entry.delivery_id for entry in peer.ledger()]
        outcomes = audit(NOW + timedelta(minutes=5), ledgers=[peer.path])
    assert len(ledger) == len(set(ledger)) == work["sent"] == rows, work
    recorded = MessageDelivery.objects.filter(status="sent").count()
    accepted = DeliveryAttempt.objects.filter(outcome="accepted").count()
    assert recorded == accepted == rows, (recorded, accepted)
    return {**work, "audit": sum(outcome.found.count for outcome in outcomes)}


def _race(channel: str, environment: dict[str, str], count: int) -> dict[str, Any]:
    """Start the senders, let them go at once, and add up what they cost."""
    command = [sys.executable, "-m", "tests.bench.lane", channel]
    lanes = [
        subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    for lane in lanes:
        assert lane.stdout.readline() == "ready\n"
    database = postmaster()
    before = cpu_of_tree(database)
    for lane in lanes:
        lane.stdin.write("go\n")
        lane.stdin.flush()
    done = [json.loads(lane.stdout.readline()) for lane in lanes]
    database_cpu = cpu_of_tree(database) - before
    for lane in lanes:
        lane.stdin.close()
        lane.wait()
    sent = sum(result["sent"] for result in done)
    cpu = sum(result["cpu"] for result in done)
    return {
        "sent": sent,
        "rate": sent / max(result["seconds"] for result in done),
        "cpu": cpu,
        "database_cpu": database_cpu,
        "each": 1000 * (cpu + database_cpu) / max(sent, 1),
        "peak_mb": max(result["peak_mb"] for result in done),
        "tallies": [result["tally"] for result in done],
    }


def _post_office(rows: int) -> dict[str, float]:
    """The same text through django-post_office, in an environment of its own."""
    execute("CREATE DATABASE post_office")
    url = os.environ["DATABASE_URL"].rpartition("/")[0] + "/post_office"
    with tempfile.TemporaryDirectory() as directory, smtp_sink() as sink:
        packages = [POST_OFFICE, "django~=5.2.0", "psycopg[binary]"]
        options = [option for package in packages for option in ("--with", package)]
        script = Path(__file__).with_name("floor_post_office.py")
        command = ["uv", "run", "--isolated", "--no-project", *options, "python", str(script)]
        done = subprocess.run(
            [*command, url, "127.0.0.1", str(sink.port), str(rows)],
            input=TEXT,
            cwd=directory,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        assert len(sink.ledger()) == result["sent"] == rows
    execute("DROP DATABASE post_office")
    return result
