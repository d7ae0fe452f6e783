"""Versions in the admin: who may see and restore them, and two people who save at once."""

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from messaging import versions, warned
from messaging.admin.opened import _shown
from messaging.models import (
    MessageTemplate,
    TemplateVersion,
)
from segments.admin.base import when
from tests import engine
from tests.admin.world import messages_of, page, staff

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = "Dr. {{last_name}}: {{shortlink}} -CLIRNET"
VIEW, CHANGE = "messaging.view_messagetemplate", "messaging.change_messagetemplate"


def sms() -> MessageTemplate:
    return engine.campaign(days=(0,), channels=("sms",)).steps.get().template


def form(**fields: Any) -> dict[str, Any]:
    return {"title": "", "sequence_order": "1", "template_content": TEXT, **fields}


def address(template: MessageTemplate, name: str, *args: Any) -> str:
    return reverse(f"admin:messaging_messagetemplate_{name}", args=[template.pk, *args])


def html(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


# --- Saving ---------------------------------------------------------------------------------


def test_saving_signs_the_version(admin_client: Client) -> None:
    template = sms()
    admin_client.post(page(MessageTemplate, "change", template.pk), form(opened_version=1))
    version = versions.current(template)
    assert (version.number, version.saved_by, version.note) == (2, User.objects.get(), "")
    admin_client.post(page(MessageTemplate, "change", template.pk), form(opened_version=2))
    assert template.versions.count() == 2


def test_adding_signs_the_first_version(admin_client: Client) -> None:
    fields = {"template_key": "x.sms.1", "segment_type": "no_show", "channel": "sms"}
    admin_client.post(page(MessageTemplate, "add"), form(**fields))
    assert TemplateVersion.objects.get().saved_by == User.objects.get()


def opened(client: Client, template: MessageTemplate) -> str:
    """The number that the form carries."""
    found = re.search(
        r'name="opened_version" value="(\d+)"',
        html(client, page(MessageTemplate, "change", template.pk)),
    )
    assert found is not None
    return found[1]


def test_second_save_of_two_is_refused_and_loses_nothing(admin_client: Client) -> None:
    template = sms()
    url = page(MessageTemplate, "change", template.pk)
    number = opened(admin_client, template)
    other = staff(VIEW, CHANGE)
    other.post(url, form(opened_version=number, title="Theirs"))
    mine = form(opened_version=number, title="Mine")
    response = admin_client.post(url, mine)
    answer = response.content.decode()
    theirs = versions.current(template)
    assert f"marketer saved version 2 on {when(theirs.saved_at)}." in answer
    assert "Changed since you opened it: title, text." in answer
    assert 'value="Mine"' in answer
    assert f"{address(template, 'version', 2)}?against=1" in answer
    assert 'name="opened_version" value="1"' in answer
    template.refresh_from_db()
    assert (template.title, template.versions.count()) == ("Theirs", 2)
    # Again without the tick, then with it.
    assert admin_client.post(url, mine).status_code == 200
    assert admin_client.post(url, {**mine, "overwrite_version": "2"}).status_code == 302
    template.refresh_from_db()
    assert template.title == "Mine"
    assert versions.current(template).saved_by == User.objects.get(username="admin")


def test_a_tick_covers_only_the_version_that_was_told_of(admin_client: Client) -> None:
    template = sms()
    url = page(MessageTemplate, "change", template.pk)
    MessageTemplate.objects.update(title="Second")
    MessageTemplate.objects.update(title="Third")
    answer = admin_client.post(url, form(opened_version="1", overwrite_version="2"))
    assert "The system saved version 3 on" in answer.content.decode()
    template.refresh_from_db()
    assert template.title == "Third"


def test_what_a_form_says_of_versions_is_no_change_in_the_log(admin_client: Client) -> None:
    template = sms()
    MessageTemplate.objects.update(title="Second")
    fields = form(opened_version="1", overwrite_version="2", title="Mine")
    admin_client.post(page(MessageTemplate, "change", template.pk), fields)
    assert "pened" not in LogEntry.objects.get().get_change_message()


def test_a_save_between_the_two_reads_of_a_form_is_noticed() -> None:
    template = sms()
    loaded = MessageTemplate.objects.get(pk=template.pk)
    MessageTemplate.objects.update(title="Between")
    assert _shown(loaded) == 1


# --- Versions -------------------------------------------------------------------------------


def three_versions() -> MessageTemplate:
    template = sms()
    asha = User.objects.create(username="asha", first_name="Asha", last_name="Rao")
    for text in ("Dear {{last_name}}, ten days: {{shortlink}}", TEXT):
        MessageTemplate.objects.filter(pk=template.pk).update(template_content=text)
    TemplateVersion.objects.filter(number=2).update(saved_by=asha, note="for Diwali")
    return template


def test_list_says_who_changed_what(admin_client: Client) -> None:
    answer = html(admin_client, address(three_versions(), "versions"))
    for words in ("Version 3", "Version 2", "Asha Rao", "for Diwali", "text", "The first version."):
        assert words in answer


def test_list_is_bounded_and_asks_as_often_for_many_as_for_few(admin_client: Client) -> None:
    template = three_versions()
    url = address(template, "versions")
    html(admin_client, url)
    with CaptureQueriesContext(connection) as few:
        html(admin_client, url)
    for number in range(30):
        MessageTemplate.objects.filter(pk=template.pk).update(title=f"Title {number}")
    with CaptureQueriesContext(connection) as many:
        answer = html(admin_client, url)
    assert len(many) == len(few)
    assert answer.count("/restore/") == 0
    assert "Page 1 of 2" in answer
    older = html(admin_client, f"{url}?p=2")
    assert "The first version." in older
    assert "title" in older  # version 8 is compared with version 7, which is on this page


def test_version_shows_its_text_and_both_differences(admin_client: Client) -> None:
    template = three_versions()
    answer = html(admin_client, address(template, "version", 2))
    saved = when(TemplateVersion.objects.get(number=2).saved_at)
    assert f"Saved by Asha Rao on {saved}: for Diwali." in answer
    assert "Changed since version 1" in answer
    assert "From here to the current version 3" in answer
    assert "<del>" in answer
    assert "<ins>" in answer
    assert "Dear {{last_name}}, ten days: {{shortlink}}" in answer
    assert f"{address(template, 'restore', 2)}?over=3" in answer


def test_version_is_compared_with_another_on_request(admin_client: Client) -> None:
    template = three_versions()
    answer = html(admin_client, f"{address(template, 'version', 3)}?against=1")
    assert "Changed since version 1" in answer
    assert "This is the current version." in answer
    assert "/restore/" not in answer


def test_version_that_is_not_there_is_not_found(admin_client: Client) -> None:
    template = sms()
    for number in (2, 10**12):
        assert admin_client.get(address(template, "version", number)).status_code == 404
        assert admin_client.get(address(template, "restore", number)).status_code == 404


def test_versions_show_markup_as_text(admin_client: Client) -> None:
    template = sms()
    text = "<script>alert(1)</script> {{shortlink}}"
    MessageTemplate.objects.filter(pk=template.pk).update(template_content=text)
    answer = html(admin_client, address(template, "version", 2))
    assert "<script>alert" not in answer
    assert "&lt;script&gt;alert(1)" in answer.replace("<ins>", "").replace("</ins>", "")


def test_restore_asks_first_then_does(admin_client: Client) -> None:
    template = three_versions()
    url = address(template, "restore", 1) + "?over=3"
    asked = html(admin_client, url)
    assert "This changes: text." in asked
    assert "It goes out with the next messages of: Certificates" in asked
    assert template.versions.count() == 3
    done = admin_client.post(url, {"confirmed": "yes"}, follow=True)
    assert messages_of(done) == [
        "Version 1 is restored, as version 4.",
        warned.goes_out([template]),
    ]
    newest = versions.current(template)
    assert (newest.note, newest.saved_by.username) == ("version 1 restored", "admin")
    assert LogEntry.objects.get().get_change_message() == "Version 1 restored."


def test_restore_over_another_version_than_was_seen_is_refused(admin_client: Client) -> None:
    template = three_versions()
    url = address(template, "restore", 1) + "?over=2"
    done = admin_client.post(url, {"confirmed": "yes"}, follow=True)
    (words,) = messages_of(done)
    assert words.startswith("Not restored. The system saved version 3 on ")
    assert template.versions.count() == 3


def test_restore_of_what_is_refused_today_says_why(admin_client: Client) -> None:
    template = sms()
    for text in ("Hello {{frist_name}} {{shortlink}}", TEXT):
        MessageTemplate.objects.filter(pk=template.pk).update(template_content=text)
    url = address(template, "restore", 2) + "?over=3"
    done = admin_client.post(url, {"confirmed": "yes"}, follow=True)
    assert "There is no variable {{frist_name}}" in messages_of(done)[0]
    assert template.versions.count() == 3


def test_versions_need_to_view_templates_and_restoring_to_change_them() -> None:
    template = three_versions()
    viewer = staff(VIEW)
    for name in (("versions",), ("version", 2)):
        assert viewer.get(address(template, *name)).status_code == 200
    assert "/restore/" not in html(viewer, address(template, "version", 2))
    url = address(template, "restore", 1) + "?over=3"
    assert viewer.post(url, {"confirmed": "yes"}).status_code == 403
    User.objects.filter(username="marketer").update(username="viewer")
    stranger = staff("messaging.view_messagedelivery")
    for name in (("versions",), ("version", 2), ("restore", 2)):
        assert stranger.get(address(template, *name)).status_code == 403
    assert template.versions.count() == 3


def test_viewers_open_the_template_and_find_its_versions() -> None:
    template = sms()
    answer = html(staff(VIEW), page(MessageTemplate, "change", template.pk))
    assert (
        page(MessageTemplate, "change", template.pk).replace("/change/", "/show_versions") in answer
    )


def test_button_leads_to_the_versions(admin_client: Client) -> None:
    template = sms()
    url = reverse("admin:messaging_messagetemplate_show_versions", args=[template.pk])
    assert admin_client.get(url).headers["Location"] == address(template, "versions")


def test_the_admins_own_history_is_still_there(admin_client: Client) -> None:
    template = sms()
    admin_client.post(
        page(MessageTemplate, "change", template.pk), form(title="New", opened_version=1)
    )
    assert "Changed" in html(admin_client, page(MessageTemplate, "history", template.pk))
