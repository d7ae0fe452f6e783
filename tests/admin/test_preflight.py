"""The page Pre-flight: what it says, and mends that change what they said."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from campaigns.digest import digest
from campaigns.feasibility import sequence_of, tried
from campaigns.models import Campaign
from campaigns.preflight import counts, mend, static
from segments.models import UserSegment
from tests import engine
from tests.admin.world import messages_of, staff
from tests.engine import NOW

pytestmark = pytest.mark.django_db
MAY_MOVE = (
    "campaigns.view_campaign",
    "campaigns.change_campaign",
    "campaigns.change_campaignmessage",
)
MAY_CHANGE = (*MAY_MOVE, "campaigns.delete_campaignmessage")
NO_SHOW = (0, 2, 5, 9)  # days of the strategy's campaign for no-shows


@pytest.fixture
def draft() -> Campaign:
    return engine.campaign(days=NO_SHOW, status="draft", start_date=None)


def page(campaign: Campaign) -> str:
    return reverse("admin:campaigns_campaign_preflight", args=[campaign.pk])


def days_of(campaign: Campaign) -> list[tuple[int, str]]:
    steps = campaign.steps.order_by("sequence_order")
    return list(steps.values_list("delay_days", "channel"))


def said(run) -> list[tuple[int, str, bool]]:
    """Day, channel and fate of each message of a run."""
    return sorted((one.step.day, one.step.channel, one.went) for one in run.outcomes)


def do(client, campaign: Campaign, key: str, **more: str):
    data = {"mend": key, "confirmed": "yes", "token": digest(campaign), **more}
    return client.post(page(campaign), data, follow=True)


def test_page_shows_what_is_wrong_with_the_campaign_for_no_shows(draft, admin_client):
    shown = admin_client.get(page(draft))
    text = shown.content.decode()
    assert "What will really be sent: 8 of 12 messages" in text
    assert "4 of 12 messages can never go out." in text
    assert "SMS of day 5 can never go out: 2 a day and 5 a week are used up by" in text
    assert "Move day 2 to day 6, and all after it as far" in text
    rows = {row.day: row for row in shown.context["p"]["days"]}
    assert list(rows) == [0, 1, 2, 5, 9, 10]
    assert [
        (channel, [(mark.kind, mark.words) for mark in marks]) for channel, marks in rows[0].cells
    ] == [
        ("WhatsApp", [("sent", "sent, 10:00")]),
        ("SMS", [("sent", "sent, 10:00")]),
        ("E-mail", [("moved", "waits until day 1")]),
    ]
    assert rows[1].cells[2][1][0].words == "sent, 10:00 (of day 0)"
    assert [mark.kind for _, marks in rows[5].cells for mark in marks] == ["sent", "never", "never"]


def test_page_of_a_campaign_without_steps_says_so(admin_client):
    empty = engine.campaign(days=(), status="draft")
    text = admin_client.get(page(empty)).content.decode()
    assert "1 thing keeps this campaign from sending" in text
    assert "What will really be sent" not in text


@pytest.mark.parametrize("number", range(5))
def test_each_mend_of_a_draft_does_what_it_said(draft, admin_client, number):
    found = tried(sequence_of(draft)).mends[number]
    asked = admin_client.post(page(draft), {"mend": found.key}).content.decode()
    assert found.effect in asked
    assert days_of(draft) == days_of(Campaign.objects.get(pk=draft.pk))
    response = do(admin_client, draft, found.key)
    assert messages_of(response)[0].startswith(f"“{draft}” was changed. ")
    draft.refresh_from_db()
    again = tried(sequence_of(draft)).before
    assert said(again) == said(found.after)
    assert [step.number for step in again.sequence.steps] == list(range(1, len(again.outcomes) + 1))
    assert draft.changed_by.username == "admin"


def test_mending_all_leaves_nothing_lost(draft, admin_client):
    last = tried(sequence_of(draft)).together[-1].after
    do(admin_client, draft, mend.ALL)
    again = tried(sequence_of(Campaign.objects.get(pk=draft.pk))).before
    assert (again.lost, again.sent) == ((), last.sent)


@pytest.mark.parametrize(
    "key", ["", "drop-1", "drop-99", "move-2-200", "day-0-3", "order-sms", "x"]
)
def test_forged_key_changes_nothing_and_is_answered(draft, admin_client, key):
    before = days_of(draft)
    assert messages_of(do(admin_client, draft, key)) == [mend.GONE]
    assert days_of(draft) == before


@pytest.mark.parametrize("token", ["", "0" * 64])
def test_campaign_that_was_changed_since_is_not_mended(draft, admin_client, token):
    before = days_of(draft)
    response = do(admin_client, draft, "drop-5", token=token)
    assert messages_of(response) == [
        "Nothing was changed. The campaign was changed since you looked: look at it again."
    ]
    assert days_of(draft) == before


def test_in_review_days_are_moved_but_no_step_is_deleted(admin_client):
    made = engine.campaign(days=NO_SHOW, status="in_review")
    before = days_of(made)
    asked = admin_client.post(page(made), {"mend": "drop-5"}).content.decode()
    assert "Steps are deleted from drafts only: send it back to draft first." in asked
    do(admin_client, made, "drop-5")
    assert days_of(made) == before
    asked = admin_client.post(page(made), {"mend": "from-2-6"}).content.decode()
    assert "submit it again afterwards" in asked
    do(admin_client, made, "from-2-6")
    assert sorted({day for day, _ in days_of(made)}) == [0, 6, 9, 13]


@pytest.mark.parametrize("status", ["active", "paused"])
def test_campaign_under_way_is_mended_through_a_revision(admin_client, status):
    made = engine.campaign(days=NO_SHOW, status=status)
    asked = admin_client.post(page(made), {"mend": "from-2-6"})
    text = asked.content.decode()
    assert "moves from day 2 to day 6: 0 doctors wait for it and move with it" in text
    assert sorted({day for day, _ in days_of(made)}) == list(NO_SHOW)
    hidden = dict(asked.context["ask"].hidden)
    admin_client.post(page(made), {**hidden, "confirmed": "yes"})
    assert sorted({day for day, _ in days_of(made)}) == [0, 6, 9, 13]
    # The same answer again, to a campaign that is another one now.
    again = admin_client.post(page(made), {**hidden, "confirmed": "yes"}, follow=True)
    assert messages_of(again)[-1] == mend.GONE


def test_test_of_a_step_keeps_it_as_it_is(draft, admin_client):
    step = draft.steps.get(sequence_order=5)
    draft.experiments.create(step=step, name="Which hour?", kind="send_time")
    before = days_of(draft)
    (message,) = messages_of(do(admin_client, draft, "drop-5"))
    assert message.startswith("Nothing was changed. Step 5 has an A/B test, “Which hour?”")
    assert days_of(draft) == before


@pytest.mark.parametrize(
    ("permissions", "method", "code"),
    [
        ((), "get", 403),
        ((), "post", 403),
        (("campaigns.view_campaign",), "get", 200),
        (("campaigns.view_campaign",), "post", 403),
        (MAY_MOVE[:2], "get", 200),
        (MAY_MOVE[:2], "post", 403),
        (MAY_MOVE, "post", 403),
        (MAY_CHANGE, "get", 200),
        (MAY_CHANGE, "post", 302),
    ],
)
def test_who_may_look_and_who_may_mend(draft, permissions, method, code):
    client = staff(*permissions)
    data = {"mend": "drop-5", "confirmed": "yes", "token": digest(draft)}
    response = getattr(client, method)(page(draft), data if method == "post" else None)
    assert response.status_code == code
    assert (len(days_of(draft)) == 11) == (code == 302)
    if code == 200:
        assert (b'name="mend"' in response.content) == (permissions == MAY_CHANGE)


def test_who_may_not_delete_steps_may_move_them(draft):
    client, before = staff(*MAY_MOVE), len(draft.steps.all())
    html = client.get(page(draft)).content.decode()
    assert 'value="drop-5"' not in html
    found = tried(sequence_of(draft)).mends
    key = next(one.key for one in found if len(one.sequence.steps) == before)
    assert f'value="{key}"' in html
    days = days_of(draft)
    assert client.post(page(draft), {"mend": "drop-5"}).status_code == 403
    assert days_of(draft) == days
    assert do(client, draft, key).status_code == 200
    assert days_of(draft) != days


def test_completed_campaign_is_shown_but_not_mended(admin_client):
    made = engine.campaign(days=NO_SHOW, status="completed")
    assert b'name="mend"' not in admin_client.get(page(made)).content
    assert admin_client.post(page(made), {"mend": "drop-5"}).status_code == 403


def test_page_of_no_campaign_is_not_found(admin_client, draft):
    address = page(draft).replace(str(draft.pk), "01900000-0000-7000-8000-000000000000")
    assert admin_client.get(address).status_code == 404


def test_crowd_is_told_on_the_page(admin_client, draft):
    other = engine.campaign(days=(0, 2), channels=("whatsapp", "sms"), name="Theirs", priority=1)
    other.enrollments.create(doctor=engine.member(), enrolled_at=NOW)
    told = "1 doctor of 1 is under way in “Theirs”, too"
    at_once = admin_client.get(page(draft)).content.decode()
    assert told not in at_once
    assert 'data-part="?part=1"' in at_once
    assert 'href="?counts=1"' in at_once  # without JavaScript
    part = admin_client.get(page(draft), {"part": "1"}).content.decode()
    assert told in part
    assert "<html" not in part
    whole = admin_client.get(page(draft), {"counts": "1"}).content.decode()
    assert told in whole
    assert "data-part" not in whole


def test_page_opens_without_a_look_at_the_doctors(draft, admin_client):
    with CaptureQueriesContext(connection) as asked:
        admin_client.get(page(draft))
    counted = ('"user_segments"', '"doctors"', '"consent_records"', "user_segments g")
    assert [one["sql"] for one in asked if any(name in one["sql"] for name in counted)] == []


def test_counts_are_kept_until_the_campaign_is_changed(draft, admin_client):
    def nobody() -> bool:
        text = admin_client.get(page(draft), {"part": "1"}).content.decode()
        return "Nobody is in the segment" in text

    assert nobody()
    engine.member()
    assert nobody()
    do(admin_client, draft, "from-2-6")
    assert not nobody()


def test_counts_without_redis_are_counted_each_time(draft, admin_client, settings):
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1"},
    }
    for _ in range(2):
        members = UserSegment.objects.count()
        text = admin_client.get(page(draft), {"part": "1"}).content.decode()
        assert ("Nobody is in the segment" in text) == (members == 0)
        engine.member()


def test_launch_question_counts_the_warnings(draft, admin_client):
    launch = reverse("admin:campaigns_campaign_launch", args=[draft.pk])
    asked = admin_client.get(launch, {"counts": "1"}).content.decode()
    assert f'href="{page(draft)}"' in asked
    shown = admin_client.get(page(draft)).context["p"]["warnings"]
    found = [one for one in static(draft, NOW) if one.level == "warning"]
    assert 0 < len(shown) < len(found)  # what never goes is one warning on the page
    words = f"{len(shown)} warning{'' if len(shown) == 1 else 's'}"
    assert f"The pre-flight has {words} about steps, times and settings" in asked


def test_page_takes_as_many_queries_for_three_doctors_as_for_one(
    draft, admin_client, django_assert_max_num_queries, monkeypatch
):
    def count() -> int:
        with django_assert_max_num_queries(60) as asked:
            admin_client.get(page(draft), {"counts": "1"})
        return len(asked)

    monkeypatch.setattr(counts, "KEPT", 0)

    others = [engine.campaign(days=(0,), channels=("sms",)) for _ in range(3)]
    others[0].enrollments.create(doctor=engine.member(), enrolled_at=NOW)
    count()  # the first may set something up
    once = count()
    for other in others:
        other.enrollments.create(doctor=engine.member(), enrolled_at=NOW)
    assert count() == once


@pytest.mark.parametrize("status", ["active", "draft"])
def test_mend_of_a_step_under_test_says_why_it_waits(admin_client, status):
    made = engine.campaign(days=NO_SHOW, status=status)
    step = made.steps.get(sequence_order=5)
    test = made.experiments.create(step=step, name="Which hour?", kind="send_time")
    made.experiments.update(status="running")
    shown = admin_client.get(page(made))
    html = shown.content.decode()
    offers = shown.context["p"]["mends"]
    kept = [one for one in offers if one.why_not]
    assert 0 < len(kept) < len(offers)
    for one in offers:
        assert (f'value="{one.mend.key}"' in html) == (not one.why_not)
    (why,) = kept[0].why_not
    assert why == (
        f"Step 5 is being tested (A/B), “{test}”: it stays as it is until the test ends. End it, "
        "or choose another mend."
    )
    assert "Step 5 is being tested (A/B), “Which hour?”" in html
    for one in offers:
        asked = admin_client.post(page(made), {"mend": one.mend.key})
        assert bool(asked.context["ask"].problems) == bool(one.why_not)


def test_test_that_does_not_run_keeps_no_step_of_a_campaign_under_way(admin_client):
    made = engine.campaign(days=NO_SHOW)
    for step in made.steps.all():
        made.experiments.create(step=step, name="Which hour?", kind="send_time")
    shown = admin_client.get(page(made))
    assert not any(one.why_not for one in shown.context["p"]["mends"])


def test_figures_of_the_counts_say_for_whom_they_are(draft, admin_client):
    Campaign.objects.update(rollout_percent=10, inactivity_days=0, holdout_percent=20)
    part = admin_client.get(page(draft), {"part": "1"}).content.decode()
    assert "as if its rollout were at 100 % (it is at 10 %)" in part
    assert "20 % of 0" not in part
    assert "large enough can&#x27;t be told: nobody is enrolled, or would be now, with its" in part
    Campaign.objects.update(rollout_percent=100)
    assert "as if its rollout" not in admin_client.get(page(draft), {"part": "1"}).content.decode()
