"""Warnings reach whoever saves a text, imports it, restores it, sends it or checks it."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import escape

from campaigns.models import Campaign
from messaging import tasks, versions
from messaging.models import AudienceCheck, MessageTemplate
from tests import engine
from tests.admin.world import messages_of, page, staff
from tests.engine import NOW

pytestmark = pytest.mark.django_db

VIEW = "messaging.view_messagetemplate"
DOUBTFUL = "{{last_name}}: 2500+ doctors joined {{shortlink}}"
WARNING = "Line 1: “2500+ doctors” is typed, not counted."
IMPORT = "admin:messaging_messagetemplate_import_yaml"


def made(text: str = "{{last_name}}, read on {{shortlink}}") -> MessageTemplate:
    template = engine.campaign(days=(0,), channels=("sms",)).steps.get().template
    template.template_content = text
    template.save()
    return template


def save(client: Client, template: MessageTemplate, **fields: Any) -> Any:
    form = {
        "opened_version": versions.current(template).number,
        "sequence_order": "1",
        "template_content": template.template_content,
        "defaults": "{}",
        **fields,
    }
    return client.post(page(MessageTemplate, "change", template.pk), form, follow=True)


# --- Told -----------------------------------------------------------------------------------


def test_save_of_a_doubtful_text_tells_its_warnings_and_who_gets_it(admin_client: Client) -> None:
    template = made()
    done, where, warning = messages_of(save(admin_client, template, template_content=DOUBTFUL))
    assert "was changed successfully" in done
    campaign = Campaign.objects.get()
    assert where == f"It goes out with the next messages of: {campaign.name}."
    assert warning.startswith(WARNING)


def test_save_of_a_sound_text_that_no_running_campaign_sends_tells_nothing(
    admin_client: Client,
) -> None:
    template = made()
    Campaign.objects.update(status="draft")
    assert len(messages_of(save(admin_client, template, title="New"))) == 1


def test_warning_of_a_countdown_knows_the_days_of_the_campaigns(admin_client: Client) -> None:
    campaign = engine.campaign(segment_type="aida_users", days=(3,), channels=("sms",))
    template = campaign.steps.get().template
    text = "{{last_name}}: it ends in 4 days {{shortlink}}"
    *_, warning = messages_of(save(admin_client, template, template_content=text))
    assert "is typed, and wrong. {{days_remaining}} would be 11 on day 3." in warning


def test_many_warnings_are_cut_to_five(admin_client: Client) -> None:
    text = "{{last_name}} {{shortlink}}\n" + "2500+ doctors joined.\n" * 8
    _, _, *warnings = messages_of(
        save(admin_client, made(), template_content=text, max_sms_segments="0")
    )
    assert (len(warnings), warnings[-1]) == (6, "And 3 more.")


def test_add_of_a_doubtful_text_tells_its_warnings(admin_client: Client) -> None:
    form = {
        "template_key": "x.sms.1",
        "segment_type": "no_show",
        "channel": "sms",
        "sequence_order": "1",
        "template_content": DOUBTFUL,
    }
    told = messages_of(admin_client.post(page(MessageTemplate, "add"), form, follow=True))
    assert len(told) == 2
    assert told[1].startswith(WARNING)


def test_restore_tells_the_warnings(admin_client: Client) -> None:
    template = made(DOUBTFUL)
    number = versions.current(template).number
    template.template_content = "{{last_name}}, read on {{shortlink}}"
    template.save()
    url = reverse("admin:messaging_messagetemplate_restore", args=[template.pk, number])
    answer = admin_client.post(f"{url}?over={number + 1}", {"confirmed": "yes"}, follow=True)
    assert messages_of(answer)[-1].startswith(WARNING)


def test_import_shows_the_warnings_before_and_tells_them_after(admin_client: Client) -> None:
    template = made()
    text = f"- template_key: {template}\n  template_content: '{DOUBTFUL}'\n"
    file = SimpleUploadedFile("texts.yaml", text.encode())
    shown = admin_client.post(reverse(IMPORT), {"file": file})
    assert escape(WARNING) in shown.content.decode()
    assert "It goes out with the next messages of" in shown.content.decode()
    fields = {"shown": shown.context["shown"]}
    done = admin_client.post(reverse(IMPORT), fields, follow=True)
    assert messages_of(done)[-1].startswith(WARNING)


def test_campaign_lists_its_doubtful_texts_with_links(admin_client: Client) -> None:
    template, sound = made(DOUBTFUL), made()
    url = page(MessageTemplate, "change", template.pk)
    for row, is_doubtful in ((template, True), (sound, False)):
        campaign = Campaign.objects.get(steps__template=row)
        answer = admin_client.get(page(Campaign, "change", campaign.pk)).content.decode()
        assert ("Texts with warnings" in answer) is is_doubtful
        assert (f'href="{url}">{template}</a>: {escape(WARNING)}' in answer) is is_doubtful


def test_campaign_of_many_texts_asks_for_its_doctors_once(admin_client: Client) -> None:
    counts = []
    for days in ((0,), tuple(range(0, 10, 2))):
        campaign = engine.campaign(days=days, channels=("sms",))
        with CaptureQueriesContext(
            connection,
        ) as seen:
            admin_client.get(page(Campaign, "change", campaign.pk))
        counts.append(sum("user_segments g" in query["sql"] for query in seen))
    assert counts[0] == counts[1]


def test_headline_of_a_check_counts_texts_with_warnings(admin_client: Client) -> None:
    template = made(DOUBTFUL)
    engine.member()
    check = AudienceCheck.objects.create(template=template, requested_at=NOW)
    tasks.check_audience(str(check.pk))
    answer = admin_client.get(page(AudienceCheck, "change", check.pk)).content.decode()
    assert "1 doctor: would get it. The text has warnings." in answer
    assert escape(WARNING) in answer
    assert "Left out are doctors of the segment who opted out of this channel." in answer


@pytest.mark.parametrize(("days", "words"), [(0, "of the campaign."), (30, "quiet for 30 days")])
def test_check_of_a_campaign_says_who_is_left_out(
    days: int, words: str, admin_client: Client
) -> None:
    campaign = engine.campaign(days=(0,), inactivity_days=days)
    engine.member()
    check = AudienceCheck.objects.create(campaign=campaign, requested_at=NOW)
    tasks.check_audience(str(check.pk))
    answer = admin_client.get(page(AudienceCheck, "change", check.pk)).content.decode()
    sentence = answer.partition("Left out are doctors of the segment who opted out")[2]
    assert words in sentence[:150]


# --- Refused in words -----------------------------------------------------------------------


def test_half_a_character_in_defaults_is_refused_in_words(admin_client: Client) -> None:
    template = made()
    for defaults in ('{"specialty": "\\ud800"}', '{"\\ud800": "x"}'):
        answer = save(admin_client, template, defaults=defaults)
        assert answer.status_code == 200
        assert "Choose a variable for each default" in answer.content.decode()
        values = {"template": template.pk, "defaults": defaults}
        found = admin_client.post(reverse("admin:messaging_messagetemplate_preview"), values)
        assert found.json()["findings"][0]["field"] == "defaults"
    template.refresh_from_db()
    assert template.defaults == {}


@pytest.mark.parametrize("opened", ["-1", "", "x", "0", "999", "9" * 40])
def test_forged_version_counts_as_opened_before_all_others(
    opened: str, admin_client: Client
) -> None:
    template = made()
    answer = save(admin_client, template, opened_version=opened, title="Mine")
    assert answer.status_code == 200
    assert "it was changed while you had it open" in answer.content.decode()
    template.refresh_from_db()
    assert template.title == ""


def test_wrong_fields_are_listed_at_the_top_with_links(admin_client: Client) -> None:
    answer = save(admin_client, made(), template_content="No link", sequence_order="x")
    html = answer.content.decode()
    top = html.partition('class="editor-wrong"')[2].partition("</ul>")[0]
    assert '<a href="#id_template_content">Text</a>: There is no {{shortlink}}.' in top
    assert '<a href="#id_sequence_order">Place in the sequence</a>: Enter a whole number.' in top


# --- Looked at ------------------------------------------------------------------------------


def test_view_without_change_has_words_and_no_hints() -> None:
    template = made()
    template.defaults = {"specialty": "your field"}
    template.save()
    html = staff(VIEW).get(page(MessageTemplate, "change", template.pk)).content.decode()
    assert "specialty: your field" in html
    form = html.partition('id="messagetemplate_form"')[2].partition("</form>")[0]
    assert "Write " not in form
    assert "{}" not in form


def test_empty_list_of_checks_says_how_to_make_one(admin_client: Client) -> None:
    empty = admin_client.get(page(AudienceCheck)).content.decode()
    assert "and press Check audience." in empty
    assert "yielded" not in empty
    filtered = admin_client.get(page(AudienceCheck) + "?state__exact=done").content.decode()
    assert "and press Check audience." not in filtered
