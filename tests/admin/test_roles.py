"""Roles x models x pages: what a role was not given, no page, no button and no forged post gives.

The pages are those that the admin's own addresses name, so that none can be forgotten: a new page
has to be named here, with the permissions that it takes, before this passes.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, reverse

from campaigns.models import Campaign
from reengage.initial import create_missing
from reengage.roles import GROUPS
from tests.admin.world import MODELS, label, make, page

pytestmark = pytest.mark.django_db

ROLES = (*GROUPS, "Nobody")
# Open to whoever may log in; they show and do nothing of the models.
OPEN = {
    *("search", "index", "login", "logout", "password_change", "password_change_done"),
    *("autocomplete", "jsi18n", "view_on_site", "app_list", None),
}
# Every page that is not one of Django's five, and the permissions that it takes.
CAMPAIGN, DELIVERY = "campaigns.{}_campaign", "messaging.{}_messagedelivery"
PAGES: dict[str, tuple[str, ...]] = {
    "messaging_provideraccount_try_again": ("messaging.change_provideraccount",),
    "messaging_audiencecheck_progress": ("messaging.view_audiencecheck",),
    "messaging_audiencecheck_cancel": ("messaging.add_audiencecheck",),
    "messaging_audiencecheck_again": ("messaging.add_audiencecheck",),
    "messaging_auditrun_check": ("messaging.add_auditrun",),
    "messaging_unsubscriberecord_take_back": ("messaging.change_unsubscriberecord",),
    "messaging_messagedelivery_send_again": (DELIVERY.format("send_again"),),
    "messaging_inboundmessage_handle": ("messaging.handle_inboundmessage",),
    "messaging_inboundmessage_opt_out": ("messaging.handle_inboundmessage",),
    "messaging_inboundmessage_answer": ("messaging.handle_inboundmessage",),
    "messaging_inboundmessage_answer_state": ("messaging.view_inboundmessage",),
    "segments_doctor_timeline": ("segments.view_doctor",),
    "segments_doctor_show_timeline": ("segments.view_doctor",),
    "segments_doctor_export_data": ("segments.export_data_doctor",),
    "segments_doctor_erase": ("segments.erase_doctor",),
    "doctor_data": ("segments.export_data_doctor",),
    "doctor_erase": ("segments.erase_doctor",),
    "segments_erasedperson_delete": ("segments.erase_doctor",),
    "messaging_suppression_lift": ("messaging.lift_suppression",),
    "messaging_messagetemplate_copy": ("messaging.add_messagetemplate",),
    "messaging_messagetemplate_versions": ("messaging.view_messagetemplate",),
    "messaging_messagetemplate_version": ("messaging.view_messagetemplate",),
    "messaging_messagetemplate_restore": ("messaging.change_messagetemplate",),
    "messaging_messagetemplate_preview": ("messaging.view_messagetemplate",),
    "messaging_messagetemplate_doctors": ("messaging.view_messagetemplate", "segments.view_doctor"),
    "messaging_messagetemplate_trial": ("messaging.change_messagetemplate",),
    "messaging_messagetemplate_import_yaml": (
        "messaging.add_messagetemplate",
        "messaging.change_messagetemplate",
    ),
    "messaging_messagetemplate_export_all": ("messaging.view_messagetemplate",),
    "messaging_messagetemplate_check_audience": ("messaging.add_audiencecheck",),
    "messaging_messagetemplate_ask_again": ("messaging.change_messagetemplate",),
    "messaging_messagetemplate_show_versions": ("messaging.view_messagetemplate",),
    "campaigns_apikey_revoke": ("campaigns.change_apikey",),
    "campaigns_campaign_people": (CAMPAIGN.format("view"), "segments.view_doctor"),
    "campaigns_campaign_figures": (CAMPAIGN.format("view"),),
    "campaigns_campaign_launch": (CAMPAIGN.format("launch"),),
    "campaigns_campaign_submit": (CAMPAIGN.format("change"),),
    "campaigns_campaign_send_back": (CAMPAIGN.format("change"),),
    "campaigns_campaign_widen": (CAMPAIGN.format("launch"),),
    "campaigns_campaign_resume_rollout": (CAMPAIGN.format("launch"),),
    "campaigns_campaign_make_change": (CAMPAIGN.format("launch"),),
    "campaigns_campaign_drop_change": (CAMPAIGN.format("change"),),
    "campaigns_campaign_pause": (CAMPAIGN.format("stop"),),
    "campaigns_campaign_resume": (CAMPAIGN.format("stop"),),
    "campaigns_campaign_complete": (CAMPAIGN.format("stop"),),
    "campaigns_campaign_copy": (CAMPAIGN.format("add"),),
    "campaigns_campaign_results": (CAMPAIGN.format("view"), "campaigns.view_campaignanalytics"),
    "campaigns_campaign_preflight": (CAMPAIGN.format("view"),),
    "campaigns_campaign_check_audience": ("messaging.add_audiencecheck",),
    "campaigns_campaign_why": (
        CAMPAIGN.format("view"),
        "segments.view_doctor",
        DELIVERY.format("view"),
    ),
    "campaigns_campaignenrollment_why": (
        CAMPAIGN.format("view"),
        "segments.view_doctor",
        DELIVERY.format("view"),
    ),
    "campaigns_experiment_start": (CAMPAIGN.format("launch"),),
    "campaigns_experiment_end": (CAMPAIGN.format("stop"),),
    "campaigns_experiment_promote": (CAMPAIGN.format("launch"),),
    "campaigns_campaignanalytics_count_again": ("campaigns.view_campaignanalytics",),
    "campaigns_weeklyreview_preview": ("campaigns.view_weeklyreview",),
}
STANDARD = {
    "changelist": ("view",),
    "add": ("add",),
    "change": ("view",),
    "delete": ("delete",),
    "history": ("view",),
    "import": ("add", "change"),
    "process_import": ("add", "change"),
    "export": ("change",),
    "password_change": ("change",),
}
# Whoever may change something of these could give themselves any right, or run any work.
SUPERUSERS = {
    *("auth.user", "auth.group", "campaigns.apikey", "django_celery_beat.crontabschedule"),
    *("django_celery_beat.intervalschedule", "django_celery_beat.solarschedule"),
    "django_celery_beat.clockedschedule",
}


class Page(NamedTuple):
    name: str
    pattern: str
    takes: tuple[str, ...]
    model: Any


def pages() -> Iterator[Page]:
    """Every page of the admin that belongs to a model."""
    models = {f"{m._meta.app_label}/{m._meta.model_name}/": m for m in MODELS}
    for entry in admin.site.get_urls():
        if isinstance(entry, URLPattern):
            assert entry.name in OPEN, entry
            continue
        assert isinstance(entry, URLResolver)
        model = models[str(entry.pattern)]
        for sub in entry.url_patterns:
            name = sub.name
            if name is None:
                assert str(sub.pattern) == "<path:object_id>/"  # Django's old address: it leads on
            else:
                yield Page(name, str(sub.pattern), _takes(name, model), model)


def _takes(name: str, model: Any) -> tuple[str, ...]:
    if name in PAGES:
        return PAGES[name]
    meta = model._meta
    looks = name.endswith(("changelist", "change", "history"))
    if meta.label_lower == "campaigns.experiment" and not looks:
        return (CAMPAIGN.format("change"),)  # a test is a part of its campaign
    verbs = STANDARD[name.removeprefix(f"{meta.app_label}_{meta.model_name}_")]
    return tuple(f"{meta.app_label}.{verb}_{meta.model_name}" for verb in verbs)


def address(one: Page) -> str:
    """With the keys of the last row of the model."""
    row = one.model._default_manager.order_by("pk").last()
    values = {"object_id": row.pk, "template_id": row.pk, "check_id": row.pk, "number": 1}
    values["id"] = values["doctor_id"] = values["key"] = row.pk
    known = {key: value for key, value in values.items() if f":{key}>" in one.pattern}
    known |= {key: row.pk for key in ("id",) if f"<{key}>" in one.pattern}
    return reverse(f"admin:{one.name}", kwargs=known) if known else reverse(f"admin:{one.name}")


def member(role: str) -> Client:
    user = User.objects.create_user(f"a {role}", is_staff=True)
    if role in GROUPS:
        user.groups.add(Group.objects.get(name=role))
    client = Client(raise_request_exception=True)
    client.force_login(user)
    client.user = user  # type: ignore[attr-defined]
    return client


def asked_by(client: Client) -> Any:
    """What the admin's own checks of permissions look at."""
    return type("Request", (), {"user": client.user})()  # type: ignore[attr-defined]


FORGED = {
    "confirmed": "yes",
    "post": "yes",
    "status": "active",
    "is_superuser": "on",
    "reason": "forged",
    "to": "100",
    "choice": "skip",
    "_save": "Save",
}


def writes(queries: CaptureQueriesContext) -> list[str]:
    """What wrote to a table, but sessions and the actor of the trail."""
    return [
        query["sql"][:200]
        for query in queries
        if query["sql"].split(maxsplit=1)[0] in {"INSERT", "UPDATE", "DELETE", "WITH"}
        and "django_session" not in query["sql"]
        and not (query["sql"].startswith("WITH") and "INSERT" not in query["sql"])
    ]


def test_every_page_is_known_with_the_permissions_that_it_takes() -> None:
    names = {one.name for one in pages()}
    assert set(PAGES) <= names, set(PAGES) - names
    for one in pages():
        for permission in one.takes:
            if permission != "superuser":
                app_label, codename = permission.split(".")
                found = Permission.objects.filter(
                    content_type__app_label=app_label, codename=codename
                )
                # What has no permission to add, change or delete: nobody can have it.
                verb = codename.split("_")[0]
                assert found.exists() or verb not in one.model._meta.default_permissions


def test_every_action_names_the_permission_that_it_takes() -> None:
    open_to_all = {
        f"{label(model)}.{name}"
        for model, model_admin in admin.site._registry.items()
        for name in model_admin.actions or ()
        if not getattr(getattr(model_admin, str(name), name), "allowed_permissions", None)
    }
    assert open_to_all == set()


@pytest.mark.parametrize("role", ROLES)
def test_role_is_refused_every_page_that_it_was_not_given_and_changes_nothing(role: str) -> None:
    create_missing()
    make(1)
    client = member(role)
    user = client.user  # type: ignore[attr-defined]
    wrong: list[str] = []
    for one in pages():
        if user.has_perms(one.takes):
            continue
        url = address(one)
        for method in ("get", "post"):
            with CaptureQueriesContext(connection) as queries:
                answer = getattr(client, method)(url, FORGED if method == "post" else {})
            if answer.status_code not in (403, 405):
                wrong.append(f"{method} {one.name}: {answer.status_code}")
            wrong += [f"{method} {one.name} wrote: {sql}" for sql in writes(queries)]
    assert wrong == []


@pytest.mark.parametrize("role", ROLES)
def test_role_that_may_only_look_changes_nothing_by_a_forged_form(role: str) -> None:
    create_missing()
    make(1)
    client = member(role)
    user = client.user  # type: ignore[attr-defined]
    wrong: list[str] = []
    for model in MODELS:
        meta = model._meta
        may_look = user.has_perm(f"{meta.app_label}.view_{meta.model_name}")
        if not may_look or admin.site._registry[model].has_change_permission(asked_by(client)):
            continue
        row = model._default_manager.order_by("pk").last()
        with CaptureQueriesContext(connection) as queries:
            answer = client.post(page(model, "change", row.pk), FORGED)
        if answer.status_code != 403:
            wrong.append(f"{label(model)}: {answer.status_code}")
        wrong += [f"{label(model)} wrote: {sql}" for sql in writes(queries)]
        wrong += _forged_actions(client, model, row)
    assert wrong == []


def _forged_actions(client: Client, model: Any, row: Any) -> list[str]:
    """Every action of the list that the person was not given, by its name."""
    wrong = []
    model_admin = admin.site._registry[model]
    for name in (*(model_admin.actions or ()), "delete_selected"):
        takes = getattr(getattr(model_admin, str(name), None), "allowed_permissions", ("delete",))
        request = asked_by(client)
        if any(getattr(model_admin, f"has_{verb}_permission")(request) for verb in takes):
            continue
        values = {**FORGED, "action": name, "_selected_action": [str(row.pk)], "index": "0"}
        with CaptureQueriesContext(connection) as queries:
            client.post(page(model), values)
        wrong += [f"{label(model)}.{name} wrote: {sql}" for sql in writes(queries)]
    return wrong


@pytest.mark.parametrize("role", GROUPS)
def test_role_opens_every_list_that_it_was_given(role: str) -> None:
    create_missing()
    make(1)
    client = member(role)
    user = client.user  # type: ignore[attr-defined]
    given = [one for one in pages() if one.name.endswith("_changelist")]
    seen = {label(one.model) for one in given if user.has_perms(one.takes)}
    assert {
        label(one.model) for one in given if client.get(address(one)).status_code == 200
    } == seen
    assert client.get(reverse("admin:index")).status_code == 200


@pytest.mark.parametrize("role", GROUPS)
def test_no_role_gives_rights_or_chooses_what_runs(role: str) -> None:
    create_missing()
    user = member(role).user  # type: ignore[attr-defined]
    held = {permission.replace("_", ".", 1) for permission in user.get_all_permissions()}
    for target in SUPERUSERS:
        app_label, model = target.split(".")
        for verb in ("add", "change", "delete"):
            assert not user.has_perm(f"{app_label}.{verb}_{model}"), (held, target)


def test_hidden_field_does_not_change_a_status(admin_client: Client) -> None:
    make(1)
    campaign = Campaign.objects.get()
    Campaign.objects.update(status="draft")
    admin_client.post(page(Campaign, "change", campaign.pk), {**FORGED, "name": "x"})
    campaign.refresh_from_db()
    assert campaign.status == "draft"
