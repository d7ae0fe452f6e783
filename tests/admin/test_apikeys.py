"""Keys in the admin: made, shown once, revoked, never edited."""

import re

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from campaigns.api import keys
from campaigns.models import ApiKey
from tests.admin.world import page, staff
from tests.api.world import boss, owner

pytestmark = pytest.mark.django_db
NEW = {"name": "Platform", "scopes": ["activity:write", "analytics:read"]}


def _text(content: bytes) -> str:
    found = re.search(r'<code id="key">(clr_[^<]+)</code>', content.decode())
    assert found
    return found[1]


def test_new_key_is_shown_once_and_is_nowhere_afterwards() -> None:
    client = staff("campaigns.add_apikey", "campaigns.view_apikey")
    shown = client.post(page(ApiKey, "add"), NEW)
    text = _text(shown.content)
    assert "no-store" in shown.headers["Cache-Control"]
    key = keys.find(text, timezone.now())
    assert key is not None
    assert (key.owner.username, key.scopes) == ("marketer", NEW["scopes"])
    secret = text.split("_", 2)[2]
    for address in (page(ApiKey), page(ApiKey, "change", key.pk), page(ApiKey, "history", key.pk)):
        response = client.get(address)
        assert response.status_code == 200
        assert secret not in response.content.decode()
    assert secret not in str(dict(client.session))
    entry = LogEntry.objects.get(object_id=str(key.pk))
    assert secret not in f"{entry.object_repr}{entry.change_message}"


def test_nobody_makes_a_key_that_acts_as_somebody_else() -> None:
    client = staff("campaigns.add_apikey", "campaigns.view_apikey")
    other = Client()
    other.force_login(boss())
    client.post(page(ApiKey, "add"), {**NEW, "owner": boss().pk})
    assert ApiKey.objects.get().owner.username == "marketer"
    other.post(page(ApiKey, "add"), {**NEW, "owner": ApiKey.objects.get().owner_id})
    assert set(ApiKey.objects.values_list("owner__username", flat=True)) == {"marketer"}
    assert ApiKey.objects.count() == 2


def test_key_without_a_scope_or_with_a_past_end_is_not_made() -> None:
    client = staff("campaigns.add_apikey", "campaigns.view_apikey")
    assert client.post(page(ApiKey, "add"), {"name": "X"}).status_code == 200
    past = {**NEW, "expires_at_0": "2020-01-01", "expires_at_1": "10:00"}
    assert b"This is past" in client.post(page(ApiKey, "add"), past).content
    assert not ApiKey.objects.exists()


def test_key_is_revoked_after_a_question() -> None:
    key, text = keys.make("Platform", boss(), ["campaigns:read"])
    address = f"/admin/campaigns/apikey/{key.pk}/revoke/"
    assert staff("campaigns.view_apikey").post(address, {"confirmed": "yes"}).status_code == 403
    client = Client()
    client.force_login(boss())
    asked = client.post(address)
    assert "refused at once" in asked.content.decode()
    assert keys.find(text, timezone.now()) == key
    client.post(address, {"confirmed": "yes"})
    assert keys.find(text, timezone.now()) is None
    client.post(address, {"confirmed": "yes"})
    assert [entry.change_message for entry in LogEntry.objects.all()] == ["Revoked."]


def test_owner_revokes_a_key_of_their_own() -> None:
    client = staff("campaigns.add_apikey", "campaigns.view_apikey")
    text = _text(client.post(page(ApiKey, "add"), NEW).content)
    key = ApiKey.objects.get()
    revoked = client.post(f"/admin/campaigns/apikey/{key.pk}/revoke/", {"confirmed": "yes"})
    assert revoked.status_code == 302
    assert keys.find(text, timezone.now()) is None


def test_key_is_neither_edited_nor_deleted() -> None:
    key, _ = keys.make("Platform", boss(), ["campaigns:read"])
    client = Client()
    client.force_login(boss())
    scopes = {"name": "Y", "scopes": ["campaigns:write"]}
    assert client.post(page(ApiKey, "change", key.pk), scopes).status_code == 403
    assert client.post(page(ApiKey, "delete", key.pk), {"post": "yes"}).status_code == 403
    key.refresh_from_db()
    assert (key.name, key.scopes) == ("Platform", ["campaigns:read"])


def test_list_tells_which_keys_are_refused() -> None:
    kinds = {
        "Works": keys.make("A", boss(), ["campaigns:read"])[0],
        "Expired": keys.make("B", boss(), ["campaigns:read"], timezone.now())[0],
        "Revoked": keys.make("C", boss(), ["campaigns:read"])[0],
        "Owner may not log in": keys.make("D", owner("left"), ["campaigns:read"])[0],
    }
    keys.revoke(kinds["Revoked"], timezone.now())
    User.objects.filter(username="left").update(is_active=False)
    shown = admin.site._registry[ApiKey]
    told = {key.name: shown.state(key) for key in ApiKey.objects.select_related("owner")}
    assert told == {key.name: state for state, key in kinds.items()}
    expired = staff("campaigns.view_apikey").get(page(ApiKey, "change", kinds["Expired"].pk))
    assert "It has expired" in expired.content.decode()


def test_form_has_one_button_and_none_that_makes_users() -> None:
    client = Client()
    client.force_login(boss())
    form = client.get(page(ApiKey, "add")).content.decode()
    assert re.findall(r'name="(_[a-z]+)"', form) == ["_save"]
    assert "/admin/auth/user/add/" not in form
    assert "(campaigns:read)" in form
    assert "/api/v1/docs" in form
