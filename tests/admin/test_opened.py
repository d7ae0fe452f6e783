"""Two people with one form open: whoever saves second is told of the first, and loses nothing."""

from datetime import time
from threading import Barrier, Thread
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django_celery_beat.models import PeriodicTask

from campaigns import launch
from campaigns.models import Campaign, Experiment
from reengage.initial import create_missing
from reengage.models import Change
from reengage.opened import newest
from tests import engine
from tests.admin.test_campaigns import campaign_form, step_fields
from tests.admin.test_experiments import B
from tests.admin.test_experiments import form as experiment_form
from tests.admin.world import page, seen
from tests.campaigns.experiments.worlds import experiment
from tests.engine import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna() -> Client:
    """A colleague."""
    client = Client()
    client.force_login(User.objects.create_superuser("anna"))
    return client


@pytest.fixture
def draft() -> Campaign:
    return engine.campaign(
        days=(0, 3), channels=("sms",), status="draft", start_date=None, goal_days=None
    )


def posted(campaign: Campaign, **fields: str) -> dict[str, Any]:
    """What a browser posts that has the campaign open as it is now."""
    steps = campaign.steps.order_by("sequence_order")
    rows = [step_fields(step, place) for place, step in enumerate(steps, 1)]
    return {**campaign_form(campaign, rows), **fields}


def save(client: Client, row: Any, form: dict[str, Any]) -> Any:
    return client.post(page(type(row), "change", row.pk), form)


def refusal(response: Any) -> str:
    """What the form says that was not saved."""
    assert response.status_code == 200
    (said,) = response.context["adminform"].form.non_field_errors()
    return str(said)


def ticked(row: Any) -> dict[str, str]:
    return {"overwrite_version": str(newest(row))}


# --- A draft campaign ----------------------------------------------------------------------------


def test_second_save_says_who_changed_what_and_keeps_what_was_typed(
    admin_client: Client, anna: Client, draft: Campaign
) -> None:
    mine, theirs = posted(draft, name="Mine"), posted(draft, priority="4", send_from="11:00")
    assert save(anna, draft, theirs).status_code == 302
    answer = save(admin_client, draft, mine)
    said = refusal(answer)
    assert "Not saved: it was changed while you had it open." in said
    assert "anna, " in said
    assert "Priority: 10 → 4" in said
    assert "Send from: 10:00:00 → 11:00:00" in said
    html = answer.content.decode()
    assert f'href="{page(Campaign, "change", draft.pk)}" target="_blank"' in html
    assert 'value="Mine"' in html
    assert f'name="opened_version" value="{mine["opened_version"]}"' in html
    draft.refresh_from_db()
    assert (draft.name == "Mine", draft.priority) == (False, 4)
    # Again without the tick; then with it, and what she wrote.
    refusal(save(admin_client, draft, mine))
    both = {**mine, **ticked(draft), "priority": "4", "send_from": "11:00"}
    assert save(admin_client, draft, both).status_code == 302
    draft.refresh_from_db()
    assert (draft.name, draft.priority, draft.send_from) == ("Mine", 4, time(11))


def test_tick_covers_only_what_was_told(
    admin_client: Client, anna: Client, draft: Campaign
) -> None:
    mine = posted(draft, name="Mine")
    save(anna, draft, posted(draft, priority="4"))
    tick = ticked(draft)
    save(anna, draft, posted(draft, priority="5"))
    assert "Priority: 4 → 5" in refusal(save(admin_client, draft, {**mine, **tick}))


@pytest.mark.parametrize("forged", [None, "", "x", "-1", "99999999", "9" * 40, "\x00"])
def test_form_that_does_not_say_what_it_shows_is_refused(
    forged: str | None, admin_client: Client, anna: Client, draft: Campaign
) -> None:
    save(anna, draft, posted(draft, priority="4"))
    form = posted(draft, name="Mine")
    form.pop("opened_version")
    form |= {} if forged is None else {"opened_version": forged}
    assert "did not say what you had open" in refusal(save(admin_client, draft, form))
    assert save(admin_client, draft, {**form, **ticked(draft)}).status_code == 302


def test_new_row_has_nothing_newer(admin_client: Client, draft: Campaign) -> None:
    form = {**campaign_form(draft, []), "name": "New"}
    form.pop("opened_version")
    assert admin_client.post(page(Campaign, "add"), form).status_code == 302
    assert Campaign.objects.get(name="New").author == User.objects.get(username="admin")


def test_second_click_on_save_is_no_conflict(admin_client: Client, draft: Campaign) -> None:
    mine = posted(draft, name="Mine")
    assert [save(admin_client, draft, mine).status_code for _ in range(2)] == [302, 302]


def test_form_in_which_nothing_was_typed_reverts_nothing(
    admin_client: Client, anna: Client, draft: Campaign
) -> None:
    """Django compares a list with what the page was shown with, and not with the database."""
    order = "whatsapp,sms,email"
    mine = posted(draft, **{"initial-channel_order": order})
    save(anna, draft, posted(draft, channel_order="email,sms,whatsapp"))
    assert "Channel order: whatsapp, sms, email → email" in refusal(save(admin_client, draft, mine))
    draft.refresh_from_db()
    assert draft.channel_order == ["email", "sms", "whatsapp"]


def test_own_save_in_another_tab_is_called_so(admin_client: Client, draft: Campaign) -> None:
    mine = posted(draft, name="Mine")
    save(admin_client, draft, posted(draft, priority="4"))
    assert "You, in another tab, " in refusal(save(admin_client, draft, mine))


def test_page_shows_nothing_older_than_its_number(admin_client: Client, draft: Campaign) -> None:
    """A colleague saves after the page has read the row."""
    shown = Campaign.objects.get(pk=draft.pk)
    Campaign.objects.update(priority=4)
    form = admin_client.get(page(Campaign, "change", draft.pk)).context["adminform"].form
    made = type(form)(instance=shown)
    assert (made.initial["opened_version"], made.initial["priority"]) == (newest(draft), 4)


# --- Its steps -----------------------------------------------------------------------------------


def test_steps_alone_changed_by_a_colleague_refuse_as_well(
    admin_client: Client, anna: Client, draft: Campaign
) -> None:
    mine = posted(draft, name="Mine")
    second = draft.steps.get(delay_days=3)
    save(anna, draft, posted(draft, **{"steps-1-delay_days": "5"}))
    said = refusal(save(admin_client, draft, mine))
    assert f"step {second.template_id}: " in said
    assert ": 3 → 5." in said


def test_steps_added_and_deleted_meanwhile_are_put_together(
    admin_client: Client, anna: Client, draft: Campaign
) -> None:
    mine = posted(draft, **{"steps-1-delay_days": "4"})
    key = draft.steps.get(delay_days=3).template_id
    added = {"delay_days": "9", "template": key, "subject_line": ""}
    first, second = draft.steps.order_by("sequence_order")
    rows = [step_fields(first, 1), step_fields(second, 2) | {"DELETE": "on"}, added]
    assert save(anna, draft, campaign_form(draft, rows)).status_code == 302
    answer = save(admin_client, draft, mine)
    said = refusal(answer)
    assert f"step {key} was added." in said
    assert f"step {key} was deleted." in said
    # The page has hers, and what was typed into the one that is gone as a new step.
    formset = answer.context["inline_admin_formsets"][0].formset
    rows = [(form["id"].value(), form["delay_days"].value()) for form in formset.forms]
    hers = draft.steps.get(delay_days=9)
    assert rows == [(str(first.pk), "0"), (str(hers.pk), "9"), ("", "4")]
    shown = {field.html_name: field.value() or "" for form in formset for field in form}
    again = {**mine, **{f"steps-{name}": str(number) for name, number in TOTALS.items()}}
    again = {**again, **{name: str(value) for name, value in shown.items()}, **ticked(draft)}
    assert save(admin_client, draft, again).status_code == 302
    assert sorted(draft.steps.values_list("delay_days", flat=True)) == [0, 4, 9]
    assert sorted(draft.steps.values_list("sequence_order", flat=True)) == [1, 2, 3]


TOTALS = {"TOTAL_FORMS": 3, "INITIAL_FORMS": 2}


def test_draft_that_was_launched_meanwhile_is_put_together(
    admin_client: Client, anna: Client, draft: Campaign
) -> None:
    html = admin_client.get(page(Campaign, "change", draft.pk))
    mine = posted(draft, send_until="20:00", opened=html.context["form_opened"])
    save(anna, draft, posted(draft, priority="4"))
    draft.refresh_from_db()
    launch.launch(draft, NOW, User.objects.get(username="anna"))
    facts = save(admin_client, draft, mine).context["ask"].facts
    assert facts[0].startswith("Send until: 21:00 → 20:00.")
    kept = [fact.split("kept as it is now: ")[1] for fact in facts[1:]]
    assert kept == ["Start date: none → 04 Mar 2026 12:00.", "Priority: 10 → 4."]


@pytest.mark.django_db(transaction=True)
def test_of_two_saves_at_once_one_is_refused(draft: Campaign) -> None:
    clients = [Client(), Client()]
    for name, client in zip(("anna", "bela"), clients, strict=True):
        client.force_login(User.objects.create_superuser(name))
    forms = [posted(draft, name=name) for name in ("Anna's", "Bela's")]
    together, found = Barrier(2), []

    def run(client: Client, form: dict[str, Any]) -> None:
        together.wait()
        found.append(save(client, draft, form).status_code)
        connection.close()

    threads = [Thread(target=run, args=pair) for pair in zip(clients, forms, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [200, 302]
    assert Change.objects.filter(kind="campaigns.campaign", after__has_key="name").count() == 1


# --- A draft A/B test ----------------------------------------------------------------------------


def test_variants_written_by_two_people_are_put_together(
    admin_client: Client, anna: Client
) -> None:
    step = engine.campaign(days=(0,), channels=("email",)).steps.get()
    made = experiment(step, B)
    rows = [{"id": str(one.pk)} for one in made.variants.order_by("letter")]
    rows[1] |= B
    opened = seen(made)
    mine = {**experiment_form(*rows, {"subject_line": "Mine"}, initial=2), **opened}
    hers = {**experiment_form(*rows, {"subject_line": "Hers"}, initial=2), **opened}
    assert save(anna, made, hers).status_code == 302
    answer = save(admin_client, made, mine)
    assert "variant C was added." in refusal(answer)
    formset = answer.context["inline_admin_formsets"][0].formset
    subjects = [form["subject_line"].value() for form in formset.forms]
    assert subjects[2:4] == ["Hers", "Mine"]
    assert save(admin_client, made, {**mine, **ticked(made)}).status_code == 302
    found = made.variants.order_by("letter").values_list("letter", "subject_line")
    assert list(found) == [("A", ""), ("B", B["subject_line"]), ("C", "Hers"), ("D", "Mine")]
    assert Experiment.objects.get().changed_by == User.objects.get(username="admin")


# --- Schedules -----------------------------------------------------------------------------------


def test_schedule_moved_meanwhile_is_not_moved_back(admin_client: Client, anna: Client) -> None:
    create_missing()
    one = PeriodicTask.objects.get(name="identify-aida-users")
    whole = {"name": one.name, "enabled": "on", "regtask": one.task, "crontab": one.crontab_id}
    whole |= {"args": "[]", "kwargs": "{}", "headers": "{}", "at": "02:00"}
    mine, hers = ({**whole, **seen(one), **own} for own in ({"enabled": ""}, {"at": "03:30"}))
    assert save(anna, one, hers).status_code == 302
    assert "anna, " in refusal(save(admin_client, one, mine))
    one.refresh_from_db()
    assert (one.enabled, one.crontab.hour, one.crontab.minute) == (True, "3", "30")


def test_list_saves_only_what_was_changed_in_it(admin_client: Client) -> None:
    create_missing()
    html = admin_client.get(page(PeriodicTask))
    formset = html.context["cl"].formset
    assert 'name="initial-form-0-enabled" value="True"' in html.content.decode()
    form = {"form-TOTAL_FORMS": str(len(formset.forms)), "_save": "Save"}
    form["form-INITIAL_FORMS"] = form["form-TOTAL_FORMS"]
    for number, row in enumerate(formset.forms):
        form |= {f"form-{number}-id": str(row.instance.pk), f"form-{number}-enabled": "on"}
        form[f"initial-form-{number}-enabled"] = "True"
    mine, hers = formset.forms[0].instance, formset.forms[1].instance
    PeriodicTask.objects.filter(pk=hers.pk).update(enabled=False)
    form.pop("form-0-enabled")
    admin_client.post(page(PeriodicTask), form)
    off = PeriodicTask.objects.filter(enabled=False)
    assert set(off.values_list("pk", flat=True)) == {mine.pk, hers.pk}
