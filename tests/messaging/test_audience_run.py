"""The audience check as a job: progress, cancel, a second click, and the death of its worker."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from campaigns.models import CampaignMessage
from messaging.audience import run
from messaging.audience.run import again, ask, cancel, run_check
from messaging.models import AudienceCheck, CheckState, MessageTemplate
from segments.models import Session
from tests import engine
from tests.engine import NOW
from tests.messaging.together import at_once
from tests.office import Office, await_that, kill

SECOND = timedelta(seconds=1)


def still() -> datetime:
    """A clock that stands still."""
    return NOW


def ticking(step: timedelta, then: Callable[[int], None] = lambda call: None) -> Any:
    """A clock that is `step` later each time it is read, and calls `then` before it answers."""
    times: list[datetime] = []

    def clock() -> datetime:
        then(len(times))
        times.append(NOW + len(times) * step)
        return times[-1]

    return clock


def asked(**target: Any) -> AudienceCheck:
    check, is_new = ask(NOW, **target)
    assert is_new
    return check


def done(check: AudienceCheck) -> dict[str, Any]:
    """The result of a check that is done."""
    check.refresh_from_db()
    assert check.state == CheckState.DONE
    return dict(check.result)


@pytest.fixture
def batches_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "BATCH", 1)


# --- results ------------------------------------------------------------------------------


@pytest.mark.django_db
def test_campaign_is_checked_step_by_step() -> None:
    made = engine.campaign(days=(0, 3))
    nameless = engine.member()
    engine.member()
    nameless.first_name = nameless.last_name = " "
    nameless.save()
    check = asked(campaign=made)
    run_check(check.pk, still)
    result = done(check)
    assert result["at"] == NOW.isoformat()
    assert [(s["place"], s["day"], s["channel"]) for s in result["steps"]] == [
        *((1, 0, "whatsapp"), (2, 0, "sms"), (3, 0, "email")),
        *((4, 3, "whatsapp"), (5, 3, "sms"), (6, 3, "email")),
    ]
    assert {(s["rendered"], s["skipped"]) for s in result["steps"]} == {(1, 1)}
    assert [s["missing"][0]["name"] for s in result["steps"][:3]] == [
        *("first_name", "last_name", "first_name")
    ]
    assert result["steps"][0]["missing"][0]["examples"] == [nameless.pk]
    assert result["steps"][1]["sms"]["encodings"] == {"GSM-7": 1}
    assert (check.total, check.done, check.runs) == (2, 2, 1)
    assert (check.started_at, check.finished_at, check.error) == (NOW, NOW, "")


@pytest.mark.django_db
def test_template_is_checked_alone_with_its_defaults() -> None:
    template = engine.campaign(days=(0,), channels=("sms",)).steps.get().template
    engine.member()
    Session.objects.update(title=" ")
    MessageTemplate.objects.filter(pk=template.pk).update(
        defaults={"session_name": "x" * 400}, max_sms_segments=3
    )
    check = asked(template=template)
    run_check(check.pk, still)
    (step,) = done(check)["steps"]
    assert (step["template_key"], step["day"], step["place"]) == (template.template_key, None, None)
    assert (step["rendered"], step["sms"]["over"]["count"], step["sms"]["over"]["allowed"]) == (
        *(1, 1),
        3,
    )


@pytest.mark.django_db
def test_step_with_its_own_subject_and_a_broken_one_are_told() -> None:
    made = engine.campaign(days=(0, 3), channels=("email",))
    engine.member()
    first, second = made.steps.order_by("sequence_order")
    CampaignMessage.objects.filter(pk=first.pk).update(subject_line="x" * 151)
    MessageTemplate.objects.filter(pk=second.template.pk).update(template_content="{{#a}}")
    check = asked(campaign=made)
    run_check(check.pk, still)
    sound, broken = done(check)["steps"]
    assert sound["long_subject"]["count"] == 1
    assert broken["broken"] == ["Line 1: {{#a}} is never closed. Write {{/a}} where it ends."]
    assert broken["place"] == 2


@pytest.mark.django_db
def test_check_of_nobody_is_done_at_once() -> None:
    check = asked(campaign=engine.campaign(days=(0,)))
    run_check(check.pk, still)
    assert [(s["rendered"], s["skipped"]) for s in done(check)["steps"]] == [(0, 0)] * 3
    assert (check.total, check.done) == (0, 0)


@pytest.mark.django_db
def test_queries_do_not_grow_with_the_doctors_or_the_steps() -> None:
    few, many = engine.campaign(days=(0,), channels=("sms",)), engine.campaign(days=(0, 3, 7))

    def count(campaign: Any) -> int:
        check = asked(campaign=campaign)
        with CaptureQueriesContext(connection) as queries:
            run_check(check.pk, still)
        assert done(check)["steps"][0]["rendered"] == people
        return len(queries)

    people = 1
    engine.member()
    count(few)  # figures of social proof are in the cache now
    one = count(few)
    people = 4
    for _ in range(3):
        engine.member()
    assert one == count(few) == count(many)


# --- progress and cancel ------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.usefixtures("batches_of_one")
def test_progress_is_written_once_a_second() -> None:
    made = engine.campaign(days=(0,))
    for _ in range(5):
        engine.member()
    check = asked(campaign=made)
    with CaptureQueriesContext(connection) as queries:
        run_check(check.pk, ticking(SECOND / 2))
    progress = [q["sql"] for q in queries if '"heartbeat_at"' in q["sql"].partition("WHERE")[0]]
    written = [sql for sql in progress if sql.startswith("UPDATE") and "'done'" not in sql]
    assert len(written) == 1 + 2  # the claim, and of five batches every second one
    done(check)
    assert (check.total, check.done) == (5, 5)


@pytest.mark.django_db
@pytest.mark.usefixtures("batches_of_one")
@pytest.mark.parametrize("step", [SECOND / 1000, SECOND * 2], ids=["between", "with progress"])
def test_cancel_stops_after_the_batch(step: timedelta, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[int] = []
    add = run._add
    monkeypatch.setattr(run, "_add", lambda b, *args: (looked_at.append(len(b)), add(b, *args)))
    made = engine.campaign(days=(0,))
    for _ in range(5):
        engine.member()
    check = asked(campaign=made)

    def after_two_batches(call: int) -> None:
        if len(looked_at) == 2:
            cancel(check.pk, NOW)

    run_check(check.pk, ticking(step, after_two_batches))
    assert looked_at == [1, 1]
    check.refresh_from_db()
    assert (check.state, check.result, check.finished_at) == (CheckState.CANCELLED, {}, NOW)


@pytest.mark.django_db
def test_cancelled_before_it_began_is_not_begun() -> None:
    check = asked(campaign=engine.campaign())
    assert cancel(check.pk, NOW)
    run_check(check.pk, still)
    check.refresh_from_db()
    assert (check.state, check.runs, check.started_at) == (CheckState.CANCELLED, 0, None)
    assert not cancel(check.pk, NOW)


@pytest.mark.django_db
def test_cancel_in_the_last_moment_leaves_no_result() -> None:
    check = asked(campaign=engine.campaign())
    # Nobody is in the segment: the third reading of the clock is the one for the end.
    run_check(check.pk, ticking(SECOND, lambda call: call == 2 and cancel(check.pk, NOW)))
    check.refresh_from_db()
    assert (check.state, check.result) == (CheckState.CANCELLED, {})


# --- asking -------------------------------------------------------------------------------


@pytest.mark.django_db
def test_second_click_is_the_same_check() -> None:
    user = User.objects.create(username="asha")
    made, other = engine.campaign(), engine.campaign()
    check, is_new = ask(NOW, user, campaign=made)
    assert (is_new, check.state, check.requested_by, check.requested_at) == (
        *(True, "queued"),
        *(user, NOW),
    )
    assert ask(NOW, campaign=made) == (check, False)
    assert ask(NOW, campaign=other)[1]
    template = made.steps.first().template
    alone = asked(template=template)
    assert ask(NOW, template=template) == (alone, False)
    run_check(check.pk, still)
    assert ask(NOW, campaign=made)[1]


@pytest.mark.django_db(transaction=True)
def test_clicks_at_once_are_one_check() -> None:
    made = engine.campaign()
    answers = at_once(*[lambda: ask(NOW, campaign=made)] * 4)
    assert sorted(is_new for _, is_new in answers) == [False, False, False, True]
    assert AudienceCheck.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_do_it_once() -> None:
    check = asked(campaign=engine.campaign())
    at_once(*[lambda: run_check(check.pk, still)] * 4)
    done(check)
    assert check.runs == 1


@pytest.mark.django_db
@pytest.mark.parametrize("both", [True, False])
def test_check_is_of_a_campaign_or_of_a_template(both: bool) -> None:
    made = engine.campaign()
    target = {"campaign": made, "template": made.steps.first().template} if both else {}
    with pytest.raises(IntegrityError), transaction.atomic():
        ask(NOW, **target)


# --- the end of its worker ----------------------------------------------------------------


@pytest.mark.django_db
def test_error_is_told_and_the_check_can_be_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = engine.campaign(days=(0,))
    engine.member()
    check = asked(campaign=made)
    with monkeypatch.context() as broken:
        broken.setattr(run, "_add", lambda *_: 1 / 0)
        run_check(check.pk, still)
    check.refresh_from_db()
    assert (check.state, check.error, check.finished_at) == (
        CheckState.FAILED,
        "It stopped with an error (ZeroDivisionError). Start the check again.",
        NOW,
    )
    assert again(check.pk, NOW + SECOND)
    check.refresh_from_db()
    assert (check.state, check.error, check.requested_at) == ("queued", "", NOW + SECOND)
    run_check(check.pk, still)
    assert done(check)["steps"][0]["rendered"] == 1
    assert check.runs == 2


@pytest.mark.django_db
def test_again_is_refused_while_one_is_live() -> None:
    made = engine.campaign()
    ended = asked(campaign=made)
    run_check(ended.pk, still)
    live = asked(campaign=made)
    assert not again(live.pk, NOW)
    assert not again(ended.pk, NOW)
    cancel(live.pk, NOW)
    assert again(ended.pk, NOW)


@pytest.mark.django_db
def test_check_without_a_sign_of_life_has_failed() -> None:
    running, queued = asked(campaign=engine.campaign()), asked(campaign=engine.campaign())
    AudienceCheck.objects.filter(pk=running.pk).claim(NOW)
    AudienceCheck.objects.filter(pk=running.pk).update(done=40, total=100)
    checks = AudienceCheck.objects
    assert checks.fail_lost(NOW + timedelta(minutes=1)) == 0
    assert checks.fail_lost(NOW + timedelta(minutes=1, seconds=1)) == 1
    running.refresh_from_db()
    assert (running.state, running.error) == (
        CheckState.FAILED,
        "The worker was lost after 40 of 100 doctors. Start the check again.",
    )
    assert checks.fail_lost(NOW + timedelta(minutes=10)) == 0
    assert checks.fail_lost(NOW + timedelta(minutes=10, seconds=1)) == 1
    queued.refresh_from_db()
    assert queued.error.startswith("No worker took it within ten minutes.")
    assert checks.fail_lost(NOW + timedelta(days=1)) == 0


@pytest.mark.django_db
@pytest.mark.usefixtures("batches_of_one")
def test_worker_that_was_given_up_stops_and_the_next_run_counts() -> None:
    made = engine.campaign(days=(0,))
    for _ in range(3):
        engine.member()
    check = asked(campaign=made)

    def given_up(call: int) -> None:
        if call == 2:  # it hung in its first batch, and another worker has begun anew
            assert AudienceCheck.objects.fail_lost(NOW + timedelta(minutes=2)) == 1
            assert again(check.pk, NOW)
            assert AudienceCheck.objects.filter(pk=check.pk).claim(NOW) == 1

    run_check(check.pk, ticking(SECOND, given_up))
    check.refresh_from_db()
    assert (check.state, check.runs, check.done, check.result) == ("running", 2, 0, {})


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path / "worker.log")
    yield office
    office.close()
    if office.log.exists():
        print(office.log.read_text())  # pytest shows it with a test that failed


@pytest.mark.django_db(transaction=True)
def test_killed_worker_is_noticed_and_the_check_done_by_another(office: Office) -> None:
    made = engine.campaign(days=(0,))
    engine.member()
    check = asked(campaign=made)
    worker = office.start("tests.messaging.audience_worker", str(check.pk))
    await_that(lambda: AudienceCheck.objects.get().total == 1, "the worker is at it")
    kill(worker)
    run_check(check.pk, still)  # rung again: it still seems to run
    check.refresh_from_db()
    assert (check.state, check.runs) == ("running", 1)
    assert AudienceCheck.objects.fail_lost(NOW + timedelta(minutes=2)) == 1
    assert again(check.pk, NOW)
    run_check(check.pk, still)
    assert done(check)["steps"][0]["rendered"] == 1
    assert check.runs == 2
