"""A campaign's page: overview, what the grid is told, and the people behind the counts."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from campaigns import analytics
from campaigns.admin.sequence import EXCERPT, excerpt
from campaigns.models import Campaign, CampaignEnrollment, CampaignMessage, Experiment
from campaigns.people import Why
from messaging.models import MessageDelivery, Suppression
from messaging.optout import opt_out
from tests import engine
from tests.admin.test_campaigns import campaign_form, step_fields
from tests.admin.world import page, staff
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db


def opened(client: Client, campaign: Campaign) -> Any:
    response = client.get(page(Campaign, "change", campaign.pk))
    assert response.status_code == 200
    return response


def people_url(campaign: Campaign, query: str = "") -> str:
    return reverse("admin:campaigns_campaign_people", args=[campaign.pk]) + query


# --- The grid ---------------------------------------------------------------------------------


def test_grid_is_told_the_steps_in_the_campaigns_channel_order(admin_client: Client) -> None:
    draft = engine.campaign(days=(0, 3), status="draft", channel_order=["sms", "email", "whatsapp"])
    told = opened(admin_client, draft).context["sequence"]
    assert [channel["label"] for channel in told["channels"]] == ["SMS", "E-mail", "WhatsApp"]
    assert told["editable"] is True
    assert {
        (step["day"], told["templates"][step["template"]]["channel"])
        for step in told["steps"].values()
    } == {(day, channel) for day in (0, 3) for channel in ("whatsapp", "sms", "email")}
    step = draft.steps.get(delay_days=3, channel="email")
    shown = told["templates"][step.template_id]
    assert shown["subject"] == [("Your certificate", "")]
    assert "".join(words for words, _ in shown["text"]).startswith("Dear Dr. ")
    assert ("first_name" in [name for _, name in shown["text"]]) is True


def test_grid_marks_what_can_never_go_what_is_tested_and_what_is_not_approved(
    admin_client: Client, settings: Any
) -> None:
    made = engine.campaign(days=(0, 1), status="draft")
    step = made.steps.get(delay_days=1, channel="email")
    test = Experiment.objects.create(
        campaign=made, step=step, name="Which subject?", kind="subject", metric="clicked"
    )
    settings.MESSAGE_PROVIDERS = {
        **settings.MESSAGE_PROVIDERS,
        "whatsapp": "messaging.providers.twilio.TwilioWhatsApp",
    }
    told = opened(admin_client, made).context["sequence"]
    steps = told["steps"]
    never = [one["never"] for one in steps.values() if one["never"]]
    assert never
    for words in never:  # two of three channels have room for both days
        assert words.startswith(
            "Never goes out to doctors reachable on every channel; it reaches the others. For the "
            "former 2 a day and 5 a week are used up by"
        )
    assert steps[str(step.pk)]["tests"] == [
        {
            "name": "Which subject?",
            "url": reverse("admin:campaigns_experiment_change", args=[test.pk]),
            "state": "Draft",
            "running": False,
        }
    ]
    other = made.steps.get(delay_days=0, channel="sms")
    add = reverse("admin:campaigns_experiment_add")
    assert steps[str(other.pk)]["test"] == f"{add}?step={other.pk}"


def test_grid_counts_who_waits_was_sent_and_was_skipped(admin_client: Client) -> None:
    enrolled = engine.enrolled(3, days=(0, 3), channels=("sms",))
    made = enrolled[0].campaign
    Suppression.objects.create(
        doctor=enrolled[0].doctor, channel="sms", reason="hard_bounce", since=NOW
    )
    engine.send_all(NOW)
    analytics.catch_up(NOW)
    url = reverse("admin:campaigns_campaign_figures", args=[made.pk])
    told = admin_client.get(url).json()["steps"]
    first, second = made.steps.order_by("delay_days")
    assert [one["text"] for one in told[str(first.pk)]] == ["0 wait for it", "2 sent", "1 skipped"]
    assert [one["text"] for one in told[str(second.pk)]] == ["3 wait for it", "0 sent", "0 skipped"]
    for figure, expected in zip(told[str(first.pk)][1:], (2, 1), strict=True):
        assert admin_client.get(figure["url"]).context["cl"].result_count == expected
    assert MessageDelivery.objects.filter(campaign_message=first).count() == 3


def test_grid_is_told_what_was_wrong_with_which_step(admin_client: Client) -> None:
    draft = engine.campaign(days=(0,), channels=("sms",), status="draft")
    form = campaign_form(draft, [step_fields(draft.steps.get(), 1) | {"delay_days": "999"}])
    response = admin_client.post(page(Campaign, "change", draft.pk), form)
    assert response.status_code == 200
    (found,) = response.context["sequence"]["errors"]["steps-0"]
    assert found.endswith("Ensure this value is less than or equal to 365.")
    assert draft.steps.get().delay_days == 0


def test_steps_keep_their_own_hour(admin_client: Client) -> None:
    draft = engine.campaign(days=(0,), channels=("sms",), status="draft")
    form = campaign_form(draft, [step_fields(draft.steps.get(), 1) | {"send_from": "17:30"}])
    assert admin_client.post(page(Campaign, "change", draft.pk), form).status_code == 302
    step = draft.steps.get()
    assert f"{step.send_from:%H:%M}" == "17:30"
    told = opened(admin_client, draft).context["sequence"]["steps"]
    assert told[str(step.pk)]["hour"] == "17:30"


def test_emptied_row_of_the_grid_is_no_step(admin_client: Client) -> None:
    """What the script leaves of a step that was added and removed before it was saved."""
    draft = engine.campaign(days=(0,), channels=("sms",), status="draft")
    blank = dict.fromkeys(
        ("delay_days", "template", "subject_line", "send_from", "sequence_order"), ""
    )
    form = campaign_form(draft, [step_fields(draft.steps.get(), 1), blank])
    assert admin_client.post(page(Campaign, "change", draft.pk), form).status_code == 302
    assert draft.steps.count() == 1


def test_edit_of_an_active_campaign_is_shown_before_it_is_made(admin_client: Client) -> None:
    made = engine.campaign(days=(0,), channels=("sms",))
    assert opened(admin_client, made).context["sequence"]["editable"] is True
    form = campaign_form(made, [step_fields(made.steps.get(), 1) | {"delay_days": "5"}])
    shown = admin_client.post(page(Campaign, "change", made.pk), form)
    assert "moves from day 0 to day 5" in " ".join(shown.context["ask"].facts)
    assert made.steps.get().delay_days == 0
    hidden = dict(shown.context["ask"].hidden)
    admin_client.post(page(Campaign, "change", made.pk), {**hidden, "confirmed": "yes"})
    assert made.steps.get().delay_days == 5


def test_steps_of_a_completed_campaign_are_only_shown(admin_client: Client) -> None:
    made = engine.campaign(days=(0,), channels=("sms",), status="completed")
    assert opened(admin_client, made).context["sequence"]["editable"] is False


def test_page_costs_the_same_for_any_number_of_steps(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    few, many = engine.campaign(days=(0,)), engine.campaign(days=(0, 3, 7, 10, 14))
    opened(admin_client, few)
    with django_assert_max_num_queries(1_000) as first:
        opened(admin_client, few)
    with django_assert_max_num_queries(len(first)):
        opened(admin_client, many)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Dear Dr. {{first_name}},\n\nhello",
            [("Dear Dr. ", ""), ("X", "first_name"), (", hello", "")],
        ),
        ("{{#list}}a {{first_name}}{{/list}}", [("a ", ""), ("X", "first_name")]),
        ("**Bold** [Go] {{shortlink}}", [("Bold Go ", ""), ("link", "shortlink")]),
        ("{{unknown}}", [("unknown", "unknown")]),
        ("", []),
    ],
)
def test_excerpt_reads_as_a_doctor_would(text: str, expected: list[tuple[str, str]]) -> None:
    assert excerpt(text, {"first_name": "X", "list": [{}]}) == expected


def test_excerpt_of_a_long_text_ends() -> None:
    ((words, _),) = excerpt("word " * 200, {})
    assert len(words) <= EXCERPT + 1
    assert words.endswith("…")


# --- Overview -----------------------------------------------------------------------------------


def test_draft_says_what_to_do_next(admin_client: Client) -> None:
    draft = engine.campaign(status="draft")
    found = opened(admin_client, draft).context["overview"]
    assert [item.title for item in found["todo"]][:2] == ["Look at the texts.", "Pre-flight."]
    assert found["todo"][-1].title == "Launch."
    assert found["cards"] == []
    html = opened(admin_client, draft).content.decode()
    for item in found["todo"]:
        assert not item.url or f'href="{item.url}"' in html


def test_running_campaign_shows_its_numbers_and_the_rows_behind_them(admin_client: Client) -> None:
    enrolled = engine.enrolled(2, days=(0, 3), channels=("sms",))
    engine.send_all(NOW)
    analytics.catch_up(NOW)
    found = opened(admin_client, enrolled[0].campaign).context["overview"]
    cards = {card.title: card for card in found["cards"]}
    assert {title: card.value for title, card in cards.items()} == {
        "Under way": "2",
        "Came back": "0",
        "Sent in 7 days": "2",
        "Next message": "07 Mar 2026, 10:00",
    }
    for title, count in (("Under way", 2), ("Came back", 0), ("Sent in 7 days", 2)):
        assert admin_client.get(cards[title].url).context["cl"].result_count == count
    assert found["todo"] == []


def test_add_page_opens_without_steps_or_overview(admin_client: Client) -> None:
    response = admin_client.get(page(Campaign, "add"))
    assert response.status_code == 200
    assert "overview" not in response.context


# --- People ---------------------------------------------------------------------------------------


def test_people_counts_lead_to_the_doctors(admin_client: Client) -> None:
    made = engine.campaign(inactivity_days=0)
    fine, out = engine.member(), engine.member()
    opt_out(out.pk, None, None, source="test", now=NOW)
    response = admin_client.get(people_url(made, "?part=1"))
    lines = {line.why: line for group in response.context["groups"] for line in group.lines}
    assert {why: line.count for why, line in lines.items() if line.count} == {
        Why.ENROLLED: 1,
        Why.OPTED_OUT: 1,
    }
    assert set(lines) == set(Why.values)
    assert sum(group.count for group in response.context["groups"]) == 2
    for why, doctor in ((Why.ENROLLED, fine), (Why.OPTED_OUT, out)):
        html = admin_client.get(lines[why].url).content.decode()
        assert re.findall(r"/admin/segments/doctor/(\d+)/change/", html) == [str(doctor.pk)]
    assert "<html" not in response.content.decode()
    page = admin_client.get(people_url(made)).content.decode()
    assert "Back to the campaign" in page
    assert 'data-part="?part=1"' in page  # counts are loaded once the page stands
    whole = admin_client.get(people_url(made, "?counts=1")).content.decode()
    assert "Back to the campaign" in whole
    assert "data-part" not in whole


def test_people_are_paged(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaigns.admin.people.PAGE", 2)
    made = engine.campaign()
    everybody = sorted(engine.member().pk for _ in range(5))
    seen: list[int] = []
    query = f"?why={Why.ENROLLED}"
    while query:
        response = admin_client.get(people_url(made, query))
        found = re.findall(r"/admin/segments/doctor/(\d+)/change/", response.content.decode())
        seen += map(int, found)
        query = response.context["next"]
    assert seen == everybody


def test_people_without_the_right_to_see_doctors_are_counts_only() -> None:
    client = staff("campaigns.view_campaign")
    made = engine.campaign()
    engine.member()
    response = client.get(people_url(made, "?counts=1"))
    assert all(not line.url for group in response.context["groups"] for line in group.lines)
    assert client.get(people_url(made, f"?why={Why.ENROLLED}")).status_code == 403


@pytest.mark.parametrize("query", ["?why=nonsense", "?why=enrolled&after=x"])
def test_people_of_a_forged_address(admin_client: Client, query: str) -> None:
    expected = 404 if "nonsense" in query else 200
    assert admin_client.get(people_url(engine.campaign(), query)).status_code == expected


def test_people_and_figures_are_refused_without_permission() -> None:
    client, made = staff(), engine.campaign()
    urls = (people_url(made), reverse("admin:campaigns_campaign_figures", args=[made.pk]))
    assert [client.get(url).status_code for url in urls] == [403, 403]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": "draft"}, "not launched"),
        ({"status": "paused"}, "paused"),
        ({"status": "completed"}, "over"),
        ({"start_date": NOW + DAY}, "starts on"),
        ({"end_date": NOW - DAY}, "end date is past"),
        ({"days": ()}, "no steps"),
        ({}, ""),
    ],
)
def test_people_says_why_nobody_is_enrolled_whatever_the_counts(
    admin_client: Client, fields: dict[str, Any], words: str
) -> None:
    made = engine.campaign(**fields)
    said = admin_client.get(people_url(made, "?part=1")).context["condition"]
    assert words in said
    assert bool(said) is bool(words)
    assert CampaignEnrollment.objects.count() == 0
    assert CampaignMessage.objects.count() == made.steps.count()


# --- The buttons ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "first"),
    [
        ({"status": "draft"}, ["Launch", "Submit for review", "Pre-flight"]),
        ({"status": "active"}, ["Pause", "Results", "Pre-flight"]),
        (
            {"status": "active", "rollout_percent": 25},
            ["Widen rollout", "Pause", "Results", "Pre-flight"],
        ),
        ({"status": "paused"}, ["Resume", "Results", "Pre-flight"]),
        ({"status": "completed"}, ["Results", "Copy"]),
    ],
)
def test_buttons_of_the_state_come_first_and_the_rest_is_in_a_menu(
    admin_client: Client, fields: dict[str, Any], first: list[str]
) -> None:
    made = engine.campaign(**fields)
    response = admin_client.get(page(Campaign, "change", made.pk))
    *shown, menu = response.context["actions_detail"]
    assert [button["title"] for button in shown] == first
    rest = [button["title"] for button in menu["actions"]]
    assert {"Check audience", "Why (not)?"} <= set(rest)
    assert not set(rest) & set(first)
    header, _, behind = response.text.partition('<details class="page-menu">')
    behind = behind.partition("</details>")[0]
    for button in (*shown, *menu["actions"]):
        place = header if button in shown else behind
        assert f'href="{button["path"]}"' in place
    assert "/history/" in behind


def test_health_of_a_rollout_under_way_is_open(admin_client: Client) -> None:
    made = engine.campaign(rollout_percent=25)
    address = page(Campaign, "change", made.pk)
    assert '<details class="campaign-health" open>' in admin_client.get(address).text
    Campaign.objects.update(rollout_percent=100)
    assert '<details class="campaign-health">' in admin_client.get(address).text


def test_list_says_how_far_a_rollout_is_and_whether_it_stopped(admin_client: Client) -> None:
    engine.campaign(rollout_percent=25, rollout_halted="Too many failed.")
    assert "25 %, stopped by itself" in admin_client.get(page(Campaign)).text


def test_dates_say_whose_clock_they_are_by(admin_client: Client) -> None:
    made = engine.campaign()
    assert '<span class="clock-zone">IST</span>' in (
        admin_client.get(page(Campaign, "change", made.pk)).text
    )
