"""The pages of A/B tests: write one on a step, start, watch, end, take over; nothing forged."""

from datetime import time, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from campaigns.experiments import lifecycle
from campaigns.models import CampaignMessage, Experiment, Variant
from campaigns.schedule import schedule_due
from messaging.models import MessageDelivery
from tests import engine
from tests.admin.world import messages_of, page, seen, staff
from tests.campaigns.experiments.worlds import another_text, experiment, running
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db

B = {"subject_line": "Another subject"}


@pytest.fixture
def step() -> CampaignMessage:
    return engine.campaign(days=(0,), channels=("email",)).steps.get()


def form(*variants: dict[str, str], initial: int = 0, **fields: str) -> dict[str, str]:
    """What the form posts; the first of `variants` is A."""
    posted = {
        "name": "Which subject?",
        "kind": "subject",
        "metric": "opened",
        "min_per_arm": "100",
        "horizon_days": "7",
        "variants-TOTAL_FORMS": "4",
        "variants-INITIAL_FORMS": str(initial),
        "variants-MIN_NUM_FORMS": "0",
        "variants-MAX_NUM_FORMS": "4",
        **fields,
    }
    for n in range(4):
        own = variants[n] if n < len(variants) else {}
        for name, value in {"weight": "1", "label": "", **own}.items():
            posted[f"variants-{n}-{name}"] = value
    return posted


A_FORM = {"label": "As it is now"}


def add(client: Client, step: CampaignMessage, *variants: dict[str, str], **fields: str):
    url = f"{page(Experiment, 'add')}?step={step.pk}"
    return client.post(url, form(A_FORM, *variants, **fields))


def errors(response) -> str:
    found = response.context["inline_admin_formsets"][0].formset
    return " ".join([*found.non_form_errors(), *map(str, response.context["errors"])])


# --- Writing --------------------------------------------------------------------------------


def test_add_without_a_step_offers_the_steps(admin_client: Client, step):
    html = admin_client.get(page(Experiment, "add")).content.decode()
    assert f"?step={step.pk}" in html
    forged = admin_client.get(f"{page(Experiment, 'add')}?step=nonsense")
    assert "Test this step" in forged.content.decode()


def test_add_shows_the_step_as_variant_a(admin_client: Client, step):
    response = admin_client.get(f"{page(Experiment, 'add')}?step={step.pk}")
    html = response.content.decode()
    assert 'placeholder="Your certificate"' in html
    assert html.count('name="variants-0-subject_line"') == 1
    first = response.context["inline_admin_formsets"][0].formset.forms[0]
    assert all(first.fields[name].disabled for name in ("subject_line", "template", "send_from"))


def test_add_makes_a_draft_with_lettered_variants(admin_client: Client, step):
    response = add(admin_client, step, B, {"subject_line": "A third", "weight": "2"})
    assert response.status_code == 302, errors(response)
    made = Experiment.objects.get()
    assert (made.campaign, made.step, made.status) == (step.campaign, step, "draft")
    rows = made.variants.order_by("letter").values_list("letter", "label", "subject_line", "weight")
    assert list(rows) == [
        ("A", "As it is now", "", 1),
        ("B", "", "Another subject", 1),
        ("C", "", "A third", 2),
    ]
    assert Experiment.objects.values_list("author__username", "changed_by__username").get() == (
        "admin",
        "admin",
    )


def test_add_ignores_what_is_forged_for_a(admin_client: Client, step):
    url = f"{page(Experiment, 'add')}?step={step.pk}"
    forged = form({**A_FORM, "subject_line": "Forged", "send_from": "17:00"}, B)
    assert admin_client.post(url, forged).status_code == 302
    first = Variant.objects.get(letter="A")
    assert (first.subject_line, first.send_from) == ("", None)


@pytest.mark.parametrize(
    ("variants", "fields", "words"),
    [
        ((), {}, "A test needs 2 to 4 variants; this one has 1."),
        (({"label": "B"},), {}, "Variant B needs a subject of its own."),
        (({"subject_line": "Your certificate"},), {}, "have the same subject"),
        (({"send_from": "08:00"},), {"kind": "send_time"}, "Choose an hour between them"),
        (({"subject_line": "x"},), {"kind": "cta"}, "needs another template"),
    ],
)
def test_add_says_in_words_what_is_no_comparison(admin_client, step, variants, fields, words):
    response = add(admin_client, step, *variants, **fields)
    assert response.status_code == 200
    assert words in errors(response)
    assert not Experiment.objects.exists()


def test_change_of_a_draft_deletes_a_variant_and_letters_the_rest(admin_client: Client, step):
    made = experiment(step, B, {"subject_line": "A third"})
    keys = [str(variant.pk) for variant in made.variants.order_by("letter")]
    rows = [
        {"id": keys[0]},
        {"id": keys[1], **B, "DELETE": "on"},
        {"id": keys[2], "subject_line": "A third"},
        {"subject_line": "A fourth"},
    ]
    posted = {**form(*rows, initial=3), **seen(made)}
    response = admin_client.post(page(Experiment, "change", made.pk), posted)
    assert response.status_code == 302, errors(response)
    rows = made.variants.order_by("letter").values_list("letter", "subject_line")
    assert list(rows) == [("A", ""), ("B", "A third"), ("C", "A fourth")]


def test_draft_says_what_it_can_tell(admin_client: Client, step):
    made = experiment(step, B)
    titles = {
        notice.title: notice.lines
        for notice in admin_client.get(page(Experiment, "change", made.pk)).context["notices"]
    }
    assert list(titles) == ["Ready. It begins when you press Start.", "Think again:"]
    assert "60 doctors are needed" in " ".join(titles["Ready. It begins when you press Start."])
    assert "Too small to tell" in titles["Think again:"][0]


# --- Buttons --------------------------------------------------------------------------------


def press(client: Client, made: Experiment, button: str, **posted: str):
    return client.post(page(Experiment, button, made.pk), posted, follow=True)


def test_start_asks_with_numbers_then_starts(admin_client: Client, step):
    made = experiment(step, B)
    asked = press(admin_client, made, "start")
    assert "doctors are needed" in asked.content.decode()
    made.refresh_from_db()
    assert made.status == "draft"
    done = press(admin_client, made, "start", confirmed="yes")
    assert messages_of(done) == [
        "“A test” is running. Messages planned from now on are shared out."
    ]
    made.refresh_from_db()
    assert (made.status, made.started_by.username) == ("running", "admin")
    assert LogEntry.objects.get().change_message == "Started."


def test_start_says_what_is_missing(admin_client: Client, step):
    made = experiment(step, {})
    for posted in ({}, {"confirmed": "yes"}):
        shown = press(admin_client, made, "start", **posted)
        assert "Variant B needs a subject of its own." in messages_of(shown)
    assert Experiment.objects.get().status == "draft"


def test_end_says_that_it_is_too_early(admin_client: Client):
    made = running(B, doctors=0)
    assert "It is too early." in press(admin_client, made, "end").content.decode()
    done = press(admin_client, made, "end", confirmed="yes")
    assert messages_of(done)[0].startswith("Ended early, on 04 Mar 2026: no winner.")


def test_promote_shows_what_changes_for_how_many(admin_client: Client):
    made = running(B, doctors=3)
    winner = made.variants.get(letter="B")
    Experiment.objects.filter(pk=made.pk).update(
        status="ended", winner=winner, conclusion="B wins."
    )
    asked = press(admin_client, made, "promote").content.decode()
    assert "Subject: “Your certificate” becomes “Another subject”." in asked
    assert "For 0 planned messages and 3 doctors to come." in asked
    press(admin_client, made, "promote", confirmed="yes")
    assert CampaignMessage.objects.get().subject_line == "Another subject"
    again = press(admin_client, made, "promote", confirmed="yes")
    assert "nothing to take over" in messages_of(again)[0]


# --- The page of results --------------------------------------------------------------------


def test_results_show_progress_and_figures_with_their_denominators(admin_client: Client):
    made = running(B, doctors=10)
    engine.send_all(NOW)
    MessageDelivery.objects.filter(status="sent").update(delivered_at=NOW)
    MessageDelivery.objects.filter(variant__letter="A").update(opened_at=NOW)
    sent = MessageDelivery.objects.filter(variant__letter="A").count()
    html = admin_client.get(page(Experiment, "change", made.pk)).content.decode()
    assert f"{sent} of 30 doctors" in html
    assert "Doctors written to" in html
    assert html.count("A doctor counts once") == 1
    assert f"({sent} of {sent})" in html
    assert "Too early to tell: variant" in html
    assert html.count('class="experiment-bar"') == 2
    assert 'name="_save"' not in html


def test_results_before_the_first_message_open(admin_client: Client):
    made = running(B, {"subject_line": "A third"}, doctors=0)
    html = admin_client.get(page(Experiment, "change", made.pk)).content.decode()
    assert "nothing to count yet" in html


def test_each_variant_opens_its_messages(admin_client: Client):
    made = running(B, doctors=10)
    schedule_due(NOW)
    html = admin_client.get(page(Experiment, "change", made.pk)).content.decode()
    found = []
    for variant in made.variants.all():
        address = f"{page(MessageDelivery)}?variant__id__exact={variant.pk}"
        assert f'href="{address}"' in html
        listed = admin_client.get(address).context["cl"].result_list
        assert set(listed) == set(MessageDelivery.objects.filter(variant=variant))
        found += listed
    assert len(found) == 10


def test_ended_page_shows_the_conclusion_and_the_winner(admin_client: Client):
    made = running(B, doctors=3)
    lifecycle.end(made, NOW + DAY)
    Experiment.objects.update(winner=made.variants.get(letter="B"), conclusion="B wins by far.")
    html = admin_client.get(page(Experiment, "change", made.pk)).content.decode()
    assert "B wins by far." in html
    assert 'class="experiment-badge"' in html
    assert page(Experiment, "promote", made.pk) in html


def test_results_name_hours_and_texts(admin_client: Client):
    campaign = engine.campaign(days=(3,), channels=("sms",))
    step = campaign.steps.get()
    timing = experiment(step, {"send_from": time(17)}, kind="send_time", metric="clicked")
    lifecycle.start(timing, NOW, None)
    html = admin_client.get(page(Experiment, "change", timing.pk)).content.decode()
    assert "17:00" in html
    lifecycle.end(timing, NOW)
    other = another_text(step, "Dr. {{last_name}}: {{shortlink}} -CLIRNET")
    text = experiment(step, {"template": other}, kind="cta", metric="clicked")
    lifecycle.start(text, NOW, None)
    html = admin_client.get(page(Experiment, "change", text.pk)).content.decode()
    assert str(other) in html


def test_delivery_page_names_its_variant(admin_client: Client):
    made = running({**B, "label": "Shorter"}, doctors=10)
    schedule_due(NOW)
    delivery = MessageDelivery.objects.filter(variant__letter="B").first()
    html = admin_client.get(page(MessageDelivery, "change", delivery.pk)).content.decode()
    assert "Variant B: Shorter of “A test”" in html
    assert page(Experiment, "change", made.pk) in html


# --- Locked, and who may --------------------------------------------------------------------


def test_running_test_refuses_forged_posts(admin_client: Client):
    made = running(B, doctors=2)
    before = [*Experiment.objects.values(), *Variant.objects.order_by("letter").values()]
    keys = [str(variant.pk) for variant in made.variants.order_by("letter")]
    forged = form(
        {"id": keys[0], "weight": "50"}, {"id": keys[1], **B}, initial=2, metric="clicked"
    )
    assert admin_client.post(page(Experiment, "change", made.pk), forged).status_code == 403
    delete = page(Experiment, "delete", made.pk)
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403
    assert [*Experiment.objects.values(), *Variant.objects.order_by("letter").values()] == before


def test_marketer_writes_but_does_not_start(step):
    made = experiment(step, B)
    client = staff("campaigns.change_campaign", "campaigns.change_campaignmessage")
    assert client.get(page(Experiment, "change", made.pk)).status_code == 200
    assert add(client, step, B).status_code == 302
    assert press(client, made, "start", confirmed="yes").status_code == 403
    assert Experiment.objects.filter(status="running").count() == 0


def test_approver_starts_but_does_not_write(step):
    made = experiment(step, B)
    client = staff("campaigns.view_experiment", "campaigns.launch_campaign")
    assert add(client, step, B).status_code == 403
    changed = client.post(page(Experiment, "change", made.pk), form(A_FORM, B))
    assert changed.status_code == 403
    press(client, made, "start", confirmed="yes")
    made.refresh_from_db()
    assert made.status == "running"


def test_change_of_campaigns_alone_writes_no_test(step):
    made = experiment(step, B)
    client = staff(
        "campaigns.view_experiment", "campaigns.launch_campaign", "campaigns.change_campaign"
    )
    assert client.get(f"{page(Experiment, 'add')}?step={step.pk}").status_code == 403
    assert add(client, step, B).status_code == 403
    changed = client.post(page(Experiment, "change", made.pk), form(A_FORM, B))
    assert changed.status_code == 403
    assert Experiment.objects.count() == 1


def test_page_asks_as_often_for_four_variants_as_for_two(admin_client: Client):
    two = running(B, doctors=2)
    four = running(B, {"subject_line": "Third"}, {"subject_line": "Fourth"}, doctors=6)
    counts = []
    for made in (two, two, four):
        with CaptureQueriesContext(connection) as asked:
            admin_client.get(page(Experiment, "change", made.pk))
        counts.append(len(asked))
    assert counts[1] == counts[2]


def test_late_start_counts_only_what_comes_after(admin_client: Client, step):
    for _ in range(3):
        engine.member()
    engine.enroll(step.campaign, NOW)
    engine.send_all(NOW)
    made = experiment(step, B)
    lifecycle.start(made, NOW + timedelta(hours=1), None)
    html = admin_client.get(page(Experiment, "change", made.pk)).content.decode()
    assert html.count("<span>0 of 30 doctors") == 2
