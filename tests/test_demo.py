"""The demo: a month replayed by the real engine keeps every promise, and can be gone on with."""

import signal
import socket
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection

from campaigns.analytics.roi import roi
from campaigns.models import (
    Campaign,
    CampaignAnalytics,
    CampaignEnrollment,
    EnrollmentStatus,
    Experiment,
)
from messaging import send
from messaging.models import (
    DeliveryAttempt,
    DeliveryStatus,
    MessageDelivery,
    ProviderAccount,
    ProviderEvent,
    SandboxMessage,
    SkipReason,
    UnsubscribeRecord,
)
from reengage import initial
from reengage.demo import load, money, replay, serve, summary
from reengage.demo.generate import Sample
from segments.models import Doctor, ImportRejection, ImportRun

CHECKOUT = Path(__file__).resolve().parents[1]
DOCTORS = 120
DAY = timedelta(days=1)
KINDS = 10  # of files
MARK = "DEMO_TEST"


def demo(now: datetime, files: Path, **options: Any) -> str:
    """Runs the command at `now`, without serving; returns what it said."""
    out = StringIO()
    arguments = {"doctors": DOCTORS, "no_serve": True, "files": files, **options}
    with time_machine.travel(now, tick=False):
        call_command("demo", stdout=out, **arguments)
    return out.getvalue()


def broken(condition: str) -> int:
    """How many messages that went out, or may have, fulfil an SQL condition (`a` the attempt)."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT count(*) FROM delivery_attempts a
            JOIN message_deliveries m ON m.id = a.delivery_id
            JOIN campaign_enrollments e ON e.id = m.enrollment_id
            JOIN campaigns c ON c.id = e.campaign_id
            WHERE a.outcome IN ('accepted', 'unknown', 'pending') AND {condition}
            """
        )
        (count,) = cursor.fetchone()
    return int(count)


def sent_within(span: str, more: str = "") -> str:
    """SQL: the doctor's messages that ended with this one, in a window that rolls."""
    return f"""
        (SELECT count(*) FROM delivery_attempts b
         WHERE b.user_id = a.user_id AND b.outcome IN ('accepted', 'unknown', 'pending')
           AND b.authorised_at > a.authorised_at - interval '{span}'
           AND b.authorised_at <= a.authorised_at {more})
    """


PROMISES = {
    "two in 24 hours": f"{sent_within('24 hours')} > 2",
    "five in seven days": f"{sent_within('7 days')} > 5",
    "24 hours between two of one channel": (
        f"{sent_within('24 hours', 'AND b.channel = a.channel')} > 1"
    ),
    "in the daytime": "NOT (a.authorised_at AT TIME ZONE a.timezone)::time"
    " BETWEEN c.send_from AND c.send_until - interval '1 microsecond'",
    "nothing after an opt-out": """
        EXISTS (SELECT FROM unsubscribe_records u
                WHERE u.user_id = a.user_id AND u.unsubscribed_at < a.authorised_at
                  AND (u.channel IS NULL OR u.channel = a.channel)
                  AND (u.segment_type IS NULL OR u.segment_type = c.segment_type))
    """,
    "nothing after coming back": "e.converted_at < a.authorised_at",
    "nothing that expired": "a.authorised_at >= m.expires_at",
    "no WhatsApp without consent": """
        a.channel = 'whatsapp' AND NOT COALESCE(
            (SELECT k.is_given FROM consent_records k
             WHERE k.user_id = a.user_id AND k.channel = 'whatsapp'
             ORDER BY k.recorded_at DESC LIMIT 1), false)
    """,
}


def state() -> dict[str, Any]:
    """Everything that a run could change, in a form to compare."""
    return {
        "doctors": Doctor.objects.count(),
        "imports": ImportRun.objects.count(),
        "enrolments": sorted(CampaignEnrollment.objects.values_list("pk", "status")),
        "deliveries": dict(MessageDelivery.objects.values_list("pk", "status")),
        "attempts": DeliveryAttempt.objects.count(),
        "events": ProviderEvent.objects.count(),
        "opt-outs": UnsubscribeRecord.objects.count(),
    }


NOW = datetime(2026, 3, 5, 9, 15, tzinfo=UTC)  # a Thursday, 14:45 in Kolkata


@pytest.fixture(scope="class")
def said(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A month up to NOW is in the database; what the command said."""
    with django_db_blocker.unblock():
        yield demo(NOW, tmp_path_factory.mktemp("sample"))
        call_command("flush", interactive=False, verbosity=0)


class TestMonth:
    """One month, looked at from all sides."""

    def test_every_good_row_is_there_and_every_bad_one_is_reported(self, said: str) -> None:
        assert Doctor.objects.count() == DOCTORS
        runs = ImportRun.objects.values_list("kind", "rejected", "error")
        assert {kind: (n, error) for kind, n, error in runs if n or error} == {
            "doctors": (4, ""),
            "aida_usage": (2, ""),
        }
        fields = ImportRejection.objects.filter(run__kind="doctors").values_list("field", flat=True)
        assert sorted(fields) == ["email", "first_name", "phone", "phone"]

    @pytest.mark.parametrize("promise", PROMISES)
    def test_promise_is_kept(self, said: str, promise: str) -> None:
        assert broken("true") > 100
        assert broken(PROMISES[promise]) == 0

    def test_something_of_every_kind_happens(self, said: str) -> None:
        statuses = set(MessageDelivery.objects.values_list("status", flat=True))
        assert statuses >= {"delivered", "opened", "clicked", "failed", "skipped"}
        assert set(CampaignEnrollment.objects.values_list("status", flat=True)) >= {
            *("active", "completed", "converted")
        }
        assert UnsubscribeRecord.objects.filter(source="link", delivery__isnull=False).exists()
        assert ProviderEvent.objects.filter(is_machine=True).exists()
        assert not ProviderEvent.objects.filter(processed_at=None).exists()
        assert CampaignAnalytics.objects.values("date").distinct().count() > 25

    def test_every_step_that_fell_due_has_a_delivery(self, said: str) -> None:
        going = CampaignEnrollment.objects.filter(
            status__in=[EnrollmentStatus.ACTIVE, EnrollmentStatus.COMPLETED]
        ).select_related("campaign", "doctor")
        assert going
        for enrollment in going.prefetch_related("campaign__steps", "deliveries"):
            zone = ZoneInfo(enrollment.doctor.timezone)
            # Whoever is enrolled after 21:00 has the next day as day 0.
            day_0 = (enrollment.enrolled_at.astimezone(zone) + timedelta(hours=3)).date()
            expected = {
                step.pk
                for step in enrollment.campaign.steps.all()
                for ten in [datetime.combine(day_0 + step.delay_days * DAY, time(10), zone)]
                if max(enrollment.enrolled_at, ten) < NOW + timedelta(hours=1)
            }
            assert {d.campaign_message_id for d in enrollment.deliveries.all()} == expected

    def test_every_campaign_has_a_return_on_investment(self, said: str) -> None:
        assert said
        span = (NOW.date() - 31 * DAY, NOW.date())
        for campaign in Campaign.objects.all():
            found = roi(campaign, *span)
            assert found.ratio, campaign
            assert not found.cost.unpriced
            assert (found.cost.unmeasured, found.cost.at_present_price) == (0, 0)
        sms = ProviderAccount.objects.get(channel="sms")
        assert sms.price_per_message == money.PRICES["sms"]

    def test_summary_adds_up(self, said: str) -> None:
        found = summary.figures(NOW)
        for column in (*summary.COLUMNS, summary.ALL):
            parts = ("sent", "skipped", "refused", "waiting", "unknown")
            assert found.of(column, "planned") == sum(found.of(column, part) for part in parts)
            channels = ("whatsapp", "sms", "email")
            assert found.of(column, "sent") == sum(found.of(column, f"sent {c}") for c in channels)
            reasons = [name for name in found.counts[column] if name.startswith("skipped ")]
            assert found.of(column, "skipped") == sum(found.of(column, name) for name in reasons)
            assert found.of(column, "enrolled") > found.of(column, "returned") > 0
        kept = SandboxMessage.objects.filter(pk__in=MessageDelivery.objects.values("pk"))
        assert found.of(summary.ALL, "sent") == kept.count()
        assert found.of(summary.ALL, "enrolled") == CampaignEnrollment.objects.count()

    def test_labels_fit_their_column(self) -> None:
        labels = [reason.label.removeprefix("The doctor ") for reason in SkipReason]
        assert max(map(len, labels)) + 4 < summary.FIRST_WIDTH

    def test_summary_fits_a_plain_terminal(self, said: str) -> None:
        lines = said[said.index("AiDA users") :].splitlines()
        assert max(map(len, said.splitlines())) <= 100
        labels = [line[: summary.FIRST_WIDTH].strip() for line in lines]
        assert {"Enrolled", "by WhatsApp", "by SMS", "by E-mail", "had opted out"} <= {*labels}
        assert "\x1b" not in said

    def test_again_at_the_same_moment_changes_nothing(self, said: str, tmp_path: Path) -> None:
        before = state()
        assert "0 sent" in demo(NOW, tmp_path)
        assert state() == before

    def test_again_next_day_goes_on_from_there(self, said: str, tmp_path: Path) -> None:
        before, sent = state(), SandboxMessage.objects.count()
        told = demo(NOW + DAY, tmp_path, doctors=DOCTORS + 1)
        after = state()
        assert f"has a sample already ({DOCTORS} doctors, seed 1)" in told
        assert (after["doctors"], after["imports"]) == (DOCTORS, KINDS)
        assert after["deliveries"].keys() > before["deliveries"].keys()
        assert SandboxMessage.objects.filter(accepted_at__gt=NOW).count() > 0
        assert SandboxMessage.objects.filter(accepted_at__lte=NOW).count() == sent
        assert {promise for promise in PROMISES if broken(PROMISES[promise])} == set()


@pytest.fixture
def _sigint() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_sigint")
def test_interrupted_in_a_send_goes_on_and_sends_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 4, 9, 9, 15, tzinfo=UTC)
    calls = Counter[str]()
    record = send.record

    def stop_after_ten(results: list[Any], *args: Any, **options: Any) -> None:
        # Of what was handed over: what could not be prepared is recorded before that.
        calls["record"] += bool(results) and "is_all" not in options
        if calls["record"] > 10:
            raise KeyboardInterrupt
        record(results, *args, **options)

    monkeypatch.setattr(send, "record", stop_after_ten)
    with pytest.raises(SystemExit) as stopped:
        demo(now, tmp_path, doctors=40)
    assert stopped.value.code == 130
    assert MessageDelivery.objects.filter(status=DeliveryStatus.SENDING).exists()

    monkeypatch.setattr(send, "record", record)
    demo(now, tmp_path, doctors=40)
    assert ImportRun.objects.count() == KINDS
    assert not MessageDelivery.objects.filter(status=DeliveryStatus.SENDING).exists()
    assert MessageDelivery.objects.filter(status=DeliveryStatus.UNKNOWN).exists()
    unknown = MessageDelivery.objects.filter(status=DeliveryStatus.UNKNOWN)
    not_begun = unknown.filter(sandbox_message=None).count()  # of the window that was lost
    kept = SandboxMessage.objects.filter(pk__in=MessageDelivery.objects.values("pk"))
    assert broken("true") == kept.count() + not_begun
    assert broken("true") > 10 * 3
    assert {promise for promise in PROMISES if broken(PROMISES[promise])} == set()


@pytest.mark.django_db(transaction=True)
def test_interrupted_import_goes_on_with_the_same_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 5, 9, 9, 15, tzinfo=UTC)
    import_file = load.import_file

    def stop_at_sessions(kind: str, *args: Any, **options: Any) -> ImportRun:
        if kind == "sessions":
            raise ZeroDivisionError
        return import_file(kind, *args, **options)

    monkeypatch.setattr(load, "import_file", stop_at_sessions)
    with pytest.raises(ZeroDivisionError):
        demo(now, tmp_path, doctors=7, seed=3)
    monkeypatch.setattr(load, "import_file", import_file)
    told = demo(now + DAY, tmp_path, doctors=99)
    assert "(7 doctors, seed 3)" in told
    assert Doctor.objects.count() == 7
    names = ImportRun.objects.values_list("file_name", flat=True)
    assert sorted(names) == sorted({*names})
    assert {name.partition("-")[2] for name in names} == {"sample-7-seed3-2026-04-09.csv"}


@pytest.mark.django_db
def test_database_with_other_doctors_is_left_alone(tmp_path: Path) -> None:
    Doctor.objects.create(external_id="CLR-1", first_name="Asha", last_name="Rao")
    with pytest.raises(CommandError, match="has 1 doctors that are not the sample's"):
        demo(datetime(2026, 3, 5, tzinfo=UTC), tmp_path)
    assert (Doctor.objects.count(), ImportRun.objects.count()) == (1, 0)


@pytest.mark.django_db
def test_real_provider_is_refused(tmp_path: Path, settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**settings.MESSAGE_PROVIDERS, "sms": "sns"}
    with pytest.raises(CommandError, match="sns for sms"):
        demo(datetime(2026, 3, 5, tzinfo=UTC), tmp_path)
    assert Doctor.objects.count() == 0


@pytest.mark.parametrize("number", ["0", "-3", "many", "12.5", "100001", "٣"])
def test_number_of_doctors_that_will_not_do_is_named(number: str) -> None:
    with pytest.raises(CommandError, match=f"“{number}” will not do: give a whole number from 1"):
        call_command("demo", f"--doctors={number}")


def test_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    now = NOW
    written = [
        Sample.until(moment, 50, seed).write(tmp_path / str(place))
        for place, (moment, seed) in enumerate(((now, 7), (now + timedelta(hours=2), 7), (now, 8)))
    ]
    texts = [[path.read_bytes() for path in files.values()] for files in written]
    assert len(texts[0]) == KINDS
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


def test_sample_is_known_by_the_name_of_its_files() -> None:
    sample = Sample.until(datetime(2026, 3, 5, 20, tzinfo=UTC), 50, 7)
    assert sample.file_name("doctors") == "doctors-sample-50-seed7-2026-02-04.csv"
    assert Sample.of_file(sample.file_name("doctors")) == sample
    assert Sample.of_file("doctors.csv") is None


def test_phones_are_different_indian_mobiles(tmp_path: Path) -> None:
    sample = Sample.until(datetime(2026, 3, 5, tzinfo=UTC), 300, 1)
    lines = sample.write(tmp_path)["doctors"].read_text().splitlines()[1:]
    cells = [line.split(",") for line in lines if not line.startswith("DEMO-BAD")]
    numbers = [phonenumbers.parse(cell, "IN") for row in cells for cell in (row[4], row[5]) if cell]
    assert len(numbers) > 280
    assert len({number.national_number for number in numbers}) == len(numbers)
    mobile = phonenumbers.PhoneNumberType.MOBILE
    assert {phonenumbers.number_type(number) for number in numbers} == {mobile}


def test_taken_port_makes_way_for_the_next() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port, keeper = serve.reserve("127.0.0.1", taken.getsockname()[1])
        keeper.close()
        assert port > taken.getsockname()[1]


def test_address_of_another_machine_is_named() -> None:
    with pytest.raises(serve.PortError, match=r"Cannot serve on 192\.0\.2\.1, port 8000: "):
        serve.reserve("192.0.2.1", 8000)


@pytest.mark.django_db
def test_under_four_eyes_somebody_who_can_not_log_in_launches(settings: Any) -> None:
    settings.FOUR_EYES = True
    initial.create_missing()
    replay.begin(NOW)
    assert set(Campaign.objects.values_list("status", flat=True)) == {"active"}
    approver = User.objects.get()
    assert not approver.is_active
    assert not approver.has_usable_password()
    starters = set(Experiment.objects.values_list("status", "started_by"))
    assert starters == {("running", approver.pk)}
