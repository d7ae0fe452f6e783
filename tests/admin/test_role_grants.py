"""What each role is for, and what becomes of a group when permissions come and go."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User

from reengage.initial import create_missing
from reengage.models import GroupOffer
from reengage.roles import give_missing

pytestmark = pytest.mark.django_db


def person(role: str) -> User:
    """Somebody of the group."""
    user = User.objects.create_user(f"a {role}", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return user


@pytest.mark.parametrize(
    ("role", "has", "lacks"),
    [
        (
            "Approver",
            {"campaigns.launch_campaign", "campaigns.stop_campaign", "campaigns.change_campaign"},
            {"messaging.change_messagetemplate", "campaigns.add_campaign"},
        ),
        (
            "Analyst",
            {"campaigns.view_campaignanalytics", "campaigns.receive_weekly_review"},
            {"campaigns.change_campaign", "messaging.send_again_messagedelivery"},
        ),
        (
            "Support",
            {
                "messaging.lift_suppression",
                "messaging.handle_inboundmessage",
                "messaging.send_again_messagedelivery",
                "segments.change_doctor",
            },
            {"campaigns.launch_campaign", "campaigns.stop_campaign", "segments.delete_doctor"},
        ),
        (
            "Marketer",
            {"campaigns.stop_campaign", "campaigns.add_campaign", "reengage.view_change"},
            {"campaigns.delete_campaign", "messaging.lift_suppression", "auth.view_user"},
        ),
    ],
)
def test_role_has_what_it_is_for(role: str, has: set[str], lacks: set[str]) -> None:
    create_missing()
    held = person(role).get_all_permissions()
    assert has <= held
    assert not lacks & held


@pytest.mark.parametrize("four_eyes", [True, False])
def test_marketer_launches_where_nobody_else_has_to_look(settings: Any, four_eyes: bool) -> None:
    settings.FOUR_EYES = four_eyes
    create_missing()
    user = person("Marketer")
    assert user.has_perm("campaigns.launch_campaign") is not four_eyes
    settings.FOUR_EYES = False
    give_missing()
    assert User.objects.get(pk=user.pk).has_perm("campaigns.launch_campaign")


def test_four_eyes_take_back_what_was_given_for_want_of_them_once(settings: Any) -> None:
    settings.FOUR_EYES = False
    create_missing()
    user = person("Marketer")
    settings.FOUR_EYES = True
    (given,) = give_missing()
    assert (given.group, given.taken) == ("Marketer", ("campaigns.launch_campaign",))
    assert not User.objects.get(pk=user.pk).has_perm("campaigns.launch_campaign")
    assert person("Approver").has_perm("campaigns.launch_campaign")
    launch = Permission.objects.get(codename="launch_campaign")
    Group.objects.get(name="Marketer").permissions.add(launch)  # somebody wants it so
    assert give_missing() == []
    assert User.objects.get(pk=user.pk).has_perm("campaigns.launch_campaign")


# --- What is new, and what was taken away -----------------------------------------------------


def test_permission_that_a_later_version_brings_is_given_to_a_group_that_is_there() -> None:
    create_missing()
    group = Group.objects.get(name="Support")
    lift = Permission.objects.get(codename="lift_suppression")
    group.permissions.remove(lift)
    GroupOffer.objects.filter(permission="messaging.lift_suppression").delete()  # as if it were new
    (given,) = give_missing()
    assert (given.group, given.is_new) == ("Support", False)
    assert given.permissions == ("messaging.lift_suppression",)
    assert lift in group.permissions.all()


def test_permission_that_was_taken_away_stays_away() -> None:
    create_missing()
    group = Group.objects.get(name="Support")
    group.permissions.remove(Permission.objects.get(codename="lift_suppression"))
    extra = Permission.objects.get(codename="delete_doctor")
    group.permissions.add(extra)
    assert give_missing() == []
    held = set(group.permissions.values_list("codename", flat=True))
    assert "lift_suppression" not in held
    assert "delete_doctor" in held


def test_group_of_a_version_that_remembered_nothing_is_given_everything_once() -> None:
    create_missing()
    group = Group.objects.get(name="Analyst")
    group.permissions.clear()
    GroupOffer.objects.all().delete()
    given = {one.group: one for one in give_missing()}
    assert set(given) == {"Analyst"}  # the others have it all
    assert "campaigns.view_campaign" in given["Analyst"].permissions
    group.permissions.clear()
    assert give_missing() == []


def test_group_that_was_deleted_is_made_anew() -> None:
    create_missing()
    Group.objects.get(name="Support").delete()
    (given,) = give_missing()
    assert given.is_new
    assert Group.objects.get(name="Support").permissions.exists()
