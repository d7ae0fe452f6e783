"""What was changed: every way of changing is seen, put down to who did it, and kept."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import DatabaseError, connection, transaction
from django.test import Client

from campaigns import launch, trail
from campaigns.models import Campaign, CampaignMessage
from messaging import suppress
from messaging.models import MessageTemplate, ProviderAccount, Suppression, UnsubscribeRecord
from reengage.initial import create_missing
from reengage.models import Change
from reengage.trail import middleware
from tests import engine
from tests.admin.world import page, staff
from tests.engine import NOW

pytestmark = pytest.mark.django_db


def found(**filters: Any) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    rows = Change.objects.filter(**filters).order_by("pk")
    return list(rows.values_list("actor_name", "before", "after"))


@pytest.fixture
def somebody() -> Any:
    user = User.objects.create_user("meera", "meera@example.com", is_staff=True)
    trail.act_as(user)
    yield user
    trail.stop_acting()


@pytest.mark.usefixtures("somebody")
def test_update_of_many_rows_is_seen_with_before_and_after() -> None:
    first, second = engine.campaign(name="One"), engine.campaign(name="Two")
    Campaign.objects.update(priority=3)
    seen = Change.objects.filter(kind="campaigns.campaign", verb="update")
    assert {(row.object_id, row.name) for row in seen} == {
        (str(first.pk), "One"),
        (str(second.pk), "Two"),
    }
    assert {(row.before["priority"], row.after["priority"]) for row in seen} == {(10, 3)}
    assert all(set(row.after) == {"priority"} for row in seen)


@pytest.mark.usefixtures("somebody")
def test_step_function_is_seen_and_put_down_to_the_person() -> None:
    campaign = engine.campaign()
    launch.pause(campaign, NOW)
    (who, before, after), *_ = found(kind="campaigns.campaign", verb="update")
    assert who == "meera"
    assert (before["status"], after["status"]) == ("active", "paused")


@pytest.mark.usefixtures("somebody")
def test_step_belongs_to_its_campaign() -> None:
    campaign = engine.campaign()
    steps = CampaignMessage.objects.filter(pk=campaign.steps.earliest("sequence_order").pk)
    key = steps.get().pk
    steps.update(delay_days=1)
    steps.delete()
    rows = Change.objects.filter(kind="campaigns.campaignmessage", object_id=key)
    assert [row.verb for row in rows.order_by("pk")] == ["insert", "update", "delete"]
    assert {row.root for row in rows} == {f"campaigns.campaign:{campaign.pk}"}


def test_what_the_engine_does_is_its_own() -> None:
    campaign = engine.campaign()
    launch.pause(campaign, NOW)
    assert [row[0] for row in found(kind="campaigns.campaign")] == [""]


def test_setup_leaves_no_trail_of_what_it_makes() -> None:
    create_missing()
    assert not Change.objects.filter(verb="insert").exists()


def test_signs_of_life_of_the_engine_are_no_changes() -> None:
    create_missing()
    before = Change.objects.count()
    ProviderAccount.objects.update(tokens=0.5, failures_in_row=3, last_trouble="timeout")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_celery_beat_periodictask SET last_run_at = now()")
    assert Change.objects.count() == before


@pytest.mark.usefixtures("somebody")
def test_opt_outs_and_suppressions_name_no_person(somebody: User) -> None:
    doctor = engine.doctor()
    UnsubscribeRecord.objects.create(doctor=doctor, channel="sms", reason="call +919812345678")
    held = Suppression.objects.create(
        doctor=doctor, channel="email", reason="hard_bounce", since=NOW, detail="a@b.example"
    )
    assert suppress.lift(held, NOW, somebody)
    rows = Change.objects.filter(kind__startswith="messaging.")
    assert {"messaging.unsubscriberecord", "messaging.suppression"} <= {row.kind for row in rows}
    told = str(list(rows.values("before", "after", "name")))
    for personal in (doctor.phone, doctor.email, doctor.last_name, "+919812345678", "a@b.example"):
        assert str(personal) not in told
    assert "lifted_at" in rows.get(kind="messaging.suppression", verb="update").after


def test_opt_out_by_a_link_is_no_act_of_the_office() -> None:
    UnsubscribeRecord.objects.create(doctor=engine.doctor(), channel="sms")
    assert not Change.objects.exists()


@pytest.mark.usefixtures("somebody")
def test_of_people_with_access_only_the_login_is_told(somebody: User) -> None:
    somebody.set_password("a new one")
    somebody.email, somebody.first_name = "new@example.com", "Meera"
    somebody.is_superuser = True
    somebody.save()
    (_, before, after) = found(kind="auth.user", verb="update")[0]
    assert after == {"password": "…", "email": "…", "first_name": "…", "is_superuser": True}
    assert before == {"password": "…", "email": "…", "first_name": "…", "is_superuser": False}


@pytest.mark.usefixtures("somebody")
def test_right_that_is_given_says_which_and_to_whom(somebody: User) -> None:
    group = Group.objects.create(name="Night shift")
    group.permissions.add(Permission.objects.get(codename="launch_campaign"))
    somebody.groups.add(group)
    given = Change.objects.get(kind="auth.group_permissions")
    assert (given.name, given.root) == ("launch_campaign", f"auth.group:{group.pk}")
    joined = Change.objects.get(kind="auth.user_groups")
    assert (joined.name, joined.root) == ("Night shift", f"auth.user:{somebody.pk}")


def test_nobody_changes_or_deletes_the_trail(somebody: User) -> None:
    engine.campaign()
    for forbidden in ("DELETE FROM reengage_change", "UPDATE reengage_change SET actor_name = ''"):
        with (
            pytest.raises(DatabaseError, match="stays on record"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(forbidden)
    somebody.delete()
    assert set(Change.objects.values_list("actor_name", flat=True)) == {"meera"}


def test_request_is_put_down_to_its_sender_and_the_next_to_nobody(admin_client: Client) -> None:
    template = MessageTemplate.objects.filter(pk=engine.campaign().steps.first().template.pk).get()
    account = ProviderAccount.objects.create(channel="sms", provider="sandbox")
    address = page(ProviderAccount, "change", account.pk)
    admin_client.post(address, {"is_paused": "on", "price_per_message": "0.5", "burst": "1"})
    (who, before, after) = found(kind="messaging.provideraccount", verb="update")[0]
    assert who == "admin"
    assert (before["is_paused"], after["is_paused"]) == (False, True)
    MessageTemplate.objects.filter(pk=template.pk).update(title="By nobody")
    assert found(kind="messaging.messagetemplate", verb="update")[0][0] == ""


def test_request_that_fails_is_put_down_to_nobody_afterwards(rf: Any, somebody: User) -> None:
    def fail(_request: Any) -> Any:
        raise RuntimeError

    request = rf.post("/")
    request.user = somebody
    with pytest.raises(RuntimeError):
        middleware(fail)(request)
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('reengage.actor', true)")
        assert cursor.fetchone() == ("",)


def test_key_of_the_api_is_told_beside_its_owner() -> None:
    user = User.objects.create_user("meera")
    trail.act_as(user, "API key “Platform”")
    engine.campaign()
    trail.stop_acting()
    row = Change.objects.filter(kind="campaigns.campaign").get()
    assert (row.actor, row.actor_name, row.via) == (user, "meera", "API key “Platform”")


# --- The page -------------------------------------------------------------------------------


@pytest.mark.usefixtures("somebody")
def test_page_tells_before_and_after_in_words(admin_client: Client) -> None:
    campaign = engine.campaign(name="Certificates <b>")
    launch.pause(campaign, NOW)
    html = admin_client.get(page(Change)).content.decode()
    assert "Status: Active → Paused" in html
    assert "Certificates &lt;b&gt;" in html
    assert page(Campaign, "change", campaign.pk) in html
    row = Change.objects.filter(verb="update").latest("pk")
    assert "Active → Paused" in admin_client.get(page(Change, "change", row.pk)).content.decode()


@pytest.mark.usefixtures("somebody")
def test_history_of_a_campaign_leads_to_its_changes_and_its_steps(admin_client: Client) -> None:
    campaign, other = engine.campaign(), engine.campaign()
    history = admin_client.get(page(Campaign, "history", campaign.pk)).content.decode()
    address = f"{page(Change)}?root__exact=campaigns.campaign:{campaign.pk}"
    assert address in history
    rows = admin_client.get(address).context["cl"].result_list
    assert {row.kind for row in rows} == {"campaigns.campaign", "campaigns.campaignmessage"}
    assert str(other.pk) not in {row.root.rpartition(":")[2] for row in rows}


@pytest.mark.usefixtures("somebody")
def test_page_is_filtered_by_kind_and_person(admin_client: Client, somebody: User) -> None:
    engine.campaign()
    trail.stop_acting()
    Campaign.objects.update(priority=1)
    for query, kinds in (
        (f"who={somebody.pk}&kind=campaigns.campaign", {"insert"}),
        ("who=0", {"update"}),
        ("who=999", set()),
    ):
        rows = admin_client.get(f"{page(Change)}?{query}").context["cl"].result_list
        assert {row.verb for row in rows} == kinds


def test_page_is_for_whoever_may_see_it() -> None:
    assert staff("campaigns.view_campaign").get(page(Change)).status_code == 403
    User.objects.all().delete()
    assert staff("reengage.view_change").get(page(Change)).status_code == 200


def test_superuser_can_neither_add_nor_edit(admin_client: Client, somebody: User) -> None:
    engine.campaign()
    row = Change.objects.latest("pk")
    for name, args in (("add", ()), ("change", (row.pk,)), ("delete", (row.pk,))):
        assert admin_client.post(page(Change, name, *args), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("name", ["object_id", "kind", "root", "q"])
def test_list_with_nul_in_its_address_opens(admin_client: Client, name: str) -> None:
    engine.campaign()
    shown = admin_client.get(f"{page(Change, 'changelist')}?{name}=%00")
    assert shown.status_code == 200
    assert name == "q" or not shown.context["cl"].result_list


def test_line_names_the_rows_that_it_refers_to_in_one_query_however_many(
    admin_client: Client, somebody: User, django_assert_max_num_queries: Any
) -> None:
    def shown() -> tuple[str, int]:
        with django_assert_max_num_queries(60) as asked:
            html = admin_client.get(f"{page(Change)}?kind=campaigns.campaignmessage")
        return html.content.decode(), len(asked)

    first = engine.campaign(name="Certificates of May")
    shown()  # the first may set something up
    html, once = shown()
    assert "Campaign: Certificates of May" in html
    assert f"Campaign: {first.pk}" not in html
    trail.act_as(somebody)  # the request has ended that
    second = engine.campaign(name="Certificates of June")
    trail.stop_acting()
    html, twice = shown()
    assert "Campaign: Certificates of June" in html
    assert once == twice
    row = Change.objects.filter(kind="campaigns.campaignmessage").latest("pk")
    opened = admin_client.get(page(Change, "change", row.pk)).content.decode()
    assert "Campaign: Certificates of June" in opened
    Campaign.objects.filter(pk=second.pk).delete()
    assert f"Campaign: {second.pk}" in shown()[0]


def test_line_about_a_doctor_names_nobody(admin_client: Client, somebody: User) -> None:
    doctor = engine.doctor()
    Suppression.objects.create(
        doctor=doctor, channel="email", reason="hard_bounce", since=NOW, detail=""
    )
    html = admin_client.get(page(Change)).content.decode()
    assert "uppression" in html
    assert doctor.last_name not in html
