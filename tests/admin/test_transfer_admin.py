"""Templates as YAML in the admin: who may move them, and what is shown before it is done."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from messaging import transfer, versions, warned
from messaging.models import (
    MessageTemplate,
)
from reengage.initial import create_missing
from tests import engine
from tests.admin.world import messages_of, page, staff

pytestmark = pytest.mark.django_db(transaction=True)

VIEW, ADD, CHANGE = (f"messaging.{verb}_messagetemplate" for verb in ("view", "add", "change"))


def sms() -> MessageTemplate:
    return engine.campaign(days=(0,), channels=("sms",)).steps.get().template


def html(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


IMPORT = "messaging_messagetemplate_import_yaml"


def upload(client: Client, text: str | bytes, name: str = "texts.yaml") -> Any:
    content = text if isinstance(text, bytes) else text.encode()
    return client.post(reverse(f"admin:{IMPORT}"), {"file": SimpleUploadedFile(name, content)})


def confirm(client: Client, shown: Any) -> Any:
    fields = {"shown": shown.context["shown"]}
    return client.post(reverse(f"admin:{IMPORT}"), fields, follow=True)


def test_chosen_templates_are_exported(admin_client: Client) -> None:
    template, _ = sms(), sms()
    chosen = {"action": "export_yaml", "_selected_action": [template.pk]}
    answer = admin_client.post(page(MessageTemplate), chosen)
    assert answer.content.decode() == transfer.export([template])
    assert answer.headers["Content-Disposition"] == 'attachment; filename="templates.yaml"'


def test_all_templates_are_exported_and_imported_without_a_change(admin_client: Client) -> None:
    create_missing()
    url = reverse("admin:messaging_messagetemplate_export_all")
    exported = admin_client.get(url).content
    shown = upload(admin_client, exported)
    assert "51 unchanged. There is nothing to import" in shown.content.decode()
    assert "Import what is shown" not in shown.content.decode()


def test_import_shows_what_it_would_change_then_does_it(admin_client: Client) -> None:
    template = sms()
    text = f"- template_key: {template}\n  title: From staging\n"
    shown = upload(admin_client, text, "from staging.yaml")
    answer = shown.content.decode()
    assert "Import of from staging.yaml" in answer
    assert "From staging" in answer
    assert template.versions.count() == 1
    done = confirm(admin_client, shown)
    assert messages_of(done) == [
        "Imported from from staging.yaml: 1 changed.",
        warned.goes_out([template]),
    ]
    newest = versions.current(template)
    assert (newest.note, newest.saved_by.username) == (
        "imported from from staging.yaml",
        "admin",
    )
    assert LogEntry.objects.get().get_change_message() == "Imported from from staging.yaml."


def test_import_of_what_somebody_saved_meanwhile_is_refused_and_shown_anew(
    admin_client: Client,
) -> None:
    template = sms()
    shown = upload(admin_client, f"- template_key: {template}\n  title: From staging\n")
    MessageTemplate.objects.update(title="Theirs")
    again = confirm(admin_client, shown)
    answer = again.content.decode()
    assert "Nothing was imported: somebody has saved a template since you looked." in answer
    assert "The system saved version 2 on" in answer
    assert "Theirs" in answer
    assert MessageTemplate.objects.get().title == "Theirs"
    confirm(admin_client, again)
    assert MessageTemplate.objects.get().title == "From staging"


def test_import_of_a_refused_template_offers_no_button(admin_client: Client) -> None:
    template = sms()
    text = f"- template_key: {template}\n  template_content: 'x {{{{frist_name}}}}'\n"
    answer = upload(admin_client, text).content.decode()
    assert "There is no variable {{frist_name}}" in answer
    assert "Import what is shown" not in answer


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "Choose a file first."), (b"a: [", "this is not YAML"), (b"- \xff", "not in UTF-8")],
)
def test_import_of_what_can_not_be_read_says_why(
    content: bytes, words: str, admin_client: Client
) -> None:
    fields = {"file": SimpleUploadedFile("x.yaml", content)} if content else {}
    answer = admin_client.post(reverse(f"admin:{IMPORT}"), fields)
    assert words in answer.content.decode()


def test_import_that_was_tampered_with_or_is_anothers_is_refused(admin_client: Client) -> None:
    template = sms()
    shown = upload(admin_client, f"- template_key: {template}\n  title: From staging\n")
    forged = admin_client.post(reverse(f"admin:{IMPORT}"), {"shown": "x" + shown.context["shown"]})
    assert "choose the file again" in forged.content.decode()
    others = confirm(staff(VIEW, ADD, CHANGE), shown)
    assert "Somebody else opened this file" in others.content.decode()
    assert template.versions.count() == 1


def test_import_of_the_largest_file_comes_back_whole(admin_client: Client) -> None:
    """What is shown comes back within what a form may carry."""
    template = sms()
    words = " ".join(f"{number * 7919 % 10**9:x}" for number in range(230_000))[:1_990_000]
    text = f"# {words}\n- template_key: {template}\n  title: Large\n"
    assert messages_of(confirm(admin_client, upload(admin_client, text))) == [
        "Imported from texts.yaml: 1 changed.",
        warned.goes_out([template]),
    ]


def test_import_needs_to_add_and_to_change_and_export_to_view() -> None:
    url = reverse(f"admin:{IMPORT}")
    client = staff(VIEW, CHANGE)
    assert client.get(url).status_code == 403
    assert client.post(url, {"shown": "x"}).status_code == 403
    assert client.get(reverse("admin:messaging_messagetemplate_export_all")).status_code == 200
    assert url not in html(client, page(MessageTemplate))
    User.objects.update(username="other")
    stranger = staff("messaging.view_messagedelivery")
    url = reverse("admin:messaging_messagetemplate_export_all")
    assert stranger.get(url).status_code == 403


def test_list_offers_import_and_export_to_those_who_may(admin_client: Client) -> None:
    answer = html(admin_client, page(MessageTemplate))
    assert reverse(f"admin:{IMPORT}") in answer
    assert "Export all as YAML" in answer
