"""A template's page says which running campaigns and tests its text is in."""

import html

import pytest
from django.test import Client

from campaigns.experiments import lifecycle
from campaigns.models import Campaign, Experiment, Variant
from messaging.models import MessageTemplate
from tests import engine
from tests.admin.world import page
from tests.engine import NOW

pytestmark = pytest.mark.django_db


def said(client: Client, template: MessageTemplate) -> list[str]:
    """The titles and lines of the notices that are about its use."""
    response = client.get(page(MessageTemplate, "change", template.pk))
    notices = [one for one in response.context["notices"] if "this text" in one.title.lower()]
    return [text for one in notices for text in (one.title, *one.lines)]


def test_template_of_a_running_campaign_leads_to_it(admin_client: Client) -> None:
    made = engine.campaign(days=(0,), channels=("sms",))
    template = MessageTemplate.objects.get(steps__campaign=made)
    title, line = said(admin_client, template)
    assert title == (
        "1 campaign under way sends this text: a change counts from the next message on."
    )
    assert line == f'<a href="{page(Campaign, "change", made.pk)}">{made}</a>'
    Campaign.objects.update(status="completed")
    assert said(admin_client, template) == []


def test_with_four_eyes_the_page_leads_to_a_copy(admin_client: Client, settings) -> None:
    settings.FOUR_EYES = True
    made = engine.campaign(days=(0,), channels=("sms",))
    title, _ = said(admin_client, MessageTemplate.objects.get(steps__campaign=made))
    assert "press Copy" in title


def test_copy_is_filled_in_and_made_only_when_it_is_saved(admin_client: Client) -> None:
    engine.campaign(days=(0,), channels=("sms",))
    source = MessageTemplate.objects.get()
    response = admin_client.get(page(MessageTemplate, "copy", source.pk), follow=True)
    assert list(MessageTemplate.objects.all()) == [source]
    data = {
        name: field.initial
        if (value := response.context["adminform"].form[name].value()) is None
        else value
        for name, field in response.context["adminform"].form.fields.items()
    }
    assert data["template_content"] == source.template_content
    assert data["template_key"] != source.template_key
    assert data["sequence_order"] == source.sequence_order + 1
    saved = admin_client.post(
        response.request["PATH_INFO"],
        {**{name: value for name, value in data.items() if value is not None}, "defaults": "{}"},
    )
    assert saved.status_code == 302, saved.context["errors"]
    assert MessageTemplate.objects.filter(template_key=data["template_key"]).exists()


def test_copy_of_nothing_is_an_empty_page(admin_client: Client) -> None:
    add = page(MessageTemplate, "add")
    for nothing in ("x", "00000000-0000-0000-0000-000000000000"):
        response = admin_client.get(f"{add}?copy_of={nothing}")
        assert response.context["adminform"].form["template_key"].value() is None


def test_template_under_test_names_the_variants(admin_client: Client, admin_user) -> None:
    made = engine.campaign(days=(0,), channels=("email",))
    step = made.steps.get()
    test = Experiment.objects.create(
        campaign=made, step=step, name="A question?", kind="subject", metric="opened"
    )
    Variant.objects.create(experiment=test, letter="A")
    Variant.objects.create(experiment=test, letter="B", subject_line="Have you a minute?")
    assert len(said(admin_client, step.template)) == 2  # a draft is no test yet
    lifecycle.start(test, NOW, admin_user)
    *_, title, line = said(admin_client, step.template)
    assert title.startswith("This text is in a running A/B test.")
    address = page(Experiment, "change", test.pk)
    assert line == f'Variants A and B of <a href="{address}">“A question?”</a>'


def test_text_held_by_four_eyes_is_shown_and_its_title_is_edited(
    admin_client: Client, settings
) -> None:
    settings.FOUR_EYES = True
    engine.campaign(days=(0,), channels=("email",))
    template = MessageTemplate.objects.get()
    address = page(MessageTemplate, "change", template.pk)
    response = admin_client.get(address)
    fields = response.context["adminform"].form.fields
    assert not {"template_content", "subject_line", "preheader", "defaults"} & set(fields)
    assert template.template_content in html_of(response)
    assert "None given" in html_of(response)  # the defaults, in words
    data = {"title": "Another", "sequence_order": template.sequence_order}
    opened = response.context["adminform"].form["opened_version"].value()
    saved = admin_client.post(address, {**data, "opened_version": opened})
    assert saved.status_code == 302, saved.context["errors"]
    now = MessageTemplate.objects.get()
    assert (now.title, now.template_content) == ("Another", template.template_content)
    Campaign.objects.update(status="completed")
    assert "template_content" in admin_client.get(address).context["adminform"].form.fields


def html_of(response) -> str:
    return html.unescape(response.content.decode())


def test_text_typed_before_it_was_held_is_refused_and_not_lost(
    admin_client: Client, settings
) -> None:
    settings.FOUR_EYES = True
    engine.campaign(days=(0,), channels=("sms",))
    template = MessageTemplate.objects.get()
    data = {
        "title": "Another",
        "sequence_order": template.sequence_order,
        "template_content": "Typed before {{shortlink}}",
        "defaults": "{}",
    }
    refused = admin_client.post(page(MessageTemplate, "change", template.pk), data)
    assert "two people look at what goes out" in html_of(refused)
    assert "Typed before {{shortlink}}" in html_of(refused)
    assert MessageTemplate.objects.get().title == template.title
