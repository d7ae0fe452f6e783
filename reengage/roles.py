"""Who may do what: the groups that `setup` makes, and what they get when something new comes.

A group is given what its table names, once: what was given is remembered (GroupOffer), so that a
permission that somebody took away stays away, and one that a later version brings is added.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth.models import Group, Permission

from reengage.models import GroupOffer

# What each group may do, by application and model; `*` is every model of the application. A verb is
# what stands before the model's name in the permission's: view_doctor, send_again_messagedelivery.
# Users, groups and API keys are nobody's but superusers': whoever gives rights could take any.
Grants = dict[str, tuple[str, ...]]
GROUPS: dict[str, Grants] = {
    "Marketer": {
        # Whoever sees a mistake pauses it, and waits for nobody.
        "campaigns.campaign": ("view", "add", "change", "stop", "receive_weekly_review"),
        "campaigns.campaignmessage": ("view", "add", "change", "delete"),
        "campaigns.experiment": ("view", "add", "change", "delete"),
        "campaigns.variant": ("view", "add", "change", "delete"),
        "campaigns.*": ("view",),
        "messaging.messagetemplate": ("view", "add", "change"),
        "messaging.unsubscriberecord": ("view", "add"),
        "messaging.auditrun": ("view", "add"),
        "messaging.provideraccount": ("view", "change"),  # pausing a channel in a hurry
        "messaging.messagedelivery": ("view", "send_again"),
        "messaging.audiencecheck": ("view", "add"),
        "messaging.inboundmessage": ("view", "handle"),
        "messaging.keywordreply": ("view", "add", "change", "delete"),
        "messaging.*": ("view",),
        "segments.*": ("view", "add", "change"),  # which importing files needs
        "reengage.change": ("view",),
        "django_celery_beat.periodictask": ("view", "change"),  # its times (reengage/schedules.py)
    },
    "Approver": {
        "campaigns.campaign": ("view", "change", "launch", "stop", "receive_weekly_review"),
        "campaigns.*": ("view",),
        "messaging.audiencecheck": ("view", "add"),
        "messaging.*": ("view",),
        "segments.*": ("view",),
        "reengage.change": ("view",),
        "django_celery_beat.periodictask": ("view",),
    },
    "Analyst": {
        "campaigns.campaign": ("view", "receive_weekly_review"),
        "campaigns.*": ("view",),
        "messaging.*": ("view",),
        "segments.*": ("view",),
        "reengage.change": ("view",),
        "django_celery_beat.periodictask": ("view",),
    },
    "Support": {
        "segments.*": ("view",),
        "segments.doctor": ("view", "change", "export_data"),
        "messaging.*": ("view",),
        "messaging.unsubscriberecord": ("view", "add", "change"),
        "messaging.messagedelivery": ("view", "send_again"),
        "messaging.auditrun": ("view", "add"),
        "messaging.inboundmessage": ("view", "handle"),
        "messaging.suppression": ("view", "lift"),
        "campaigns.*": ("view",),
    },
}
# A small team without four eyes (the setting FOUR_EYES) launches what it made. With four eyes it
# is the Approver who launches, and the author of a campaign is refused in any case (review.py).
WITHOUT_FOUR_EYES: dict[str, Grants] = {"Marketer": {"campaigns.campaign": ("launch",)}}
# Never by `*`: what a key may do is what its owner may.
_SUPERUSERS_ONLY = frozenset({"campaigns.apikey", "campaigns.apibatch"})


class Given(NamedTuple):
    """What one group was given now, and what was taken back."""

    group: str
    is_new: bool
    permissions: tuple[str, ...]  # as "campaigns.launch_campaign"
    taken: tuple[str, ...] = ()


def give_missing() -> list[Given]:
    """Make the groups that are absent; give every group what it was never given before.

    What somebody gave a group or took from it stays. A group that was made before this was
    remembered is given everything once. What a group was given for want of four eyes is taken back
    once they are on. Returns what was given and taken, to be told.
    """
    available = {
        f"{p.content_type.app_label}.{p.codename}": p
        for p in Permission.objects.select_related("content_type")
    }
    given = []
    for name in GROUPS:
        group, is_new = Group.objects.get_or_create(name=name)
        offers = GroupOffer.objects.filter(group=group)
        before = set(offers.values_list("permission", flat=True))
        new = sorted(wanted_by(name, available.values()) - before)
        has = set(group.permissions.values_list("pk", flat=True))
        group.permissions.add(*(available[one] for one in new))
        GroupOffer.objects.bulk_create(GroupOffer(group=group, permission=one) for one in new)
        added = tuple(one for one in new if available[one].pk not in has)
        taken = _take_back(group, available)
        if is_new or added or taken:
            given.append(Given(name, is_new, added, taken))
    return given


def _take_back(group: Group, available: Mapping[str, Permission]) -> tuple[str, ...]:
    """Under four eyes, what the group was offered without them: once, so it may be given by hand.

    Else a Marketer could be the second person of another.
    """
    if not settings.FOUR_EYES:
        return ()
    only = _named(available.values(), WITHOUT_FOUR_EYES.get(group.name, {}))
    lost = only - _named(available.values(), GROUPS[group.name])
    offers = GroupOffer.objects.filter(group=group, permission__in=lost)
    taken = tuple(sorted(offers.values_list("permission", flat=True)))
    group.permissions.remove(*(available[one] for one in taken))
    offers.delete()
    return taken


def wanted_by(name: str, available: Collection[Permission]) -> set[str]:
    """The permissions that the group's table names, of those that exist."""
    found = _named(available, GROUPS[name])
    return (
        found if settings.FOUR_EYES else found | _named(available, WITHOUT_FOUR_EYES.get(name, {}))
    )


def _named(permissions: Iterable[Permission], table: Grants) -> set[str]:
    return {
        f"{p.content_type.app_label}.{p.codename}"
        for p in permissions
        if _verb(p) in _verbs(table, p)
    }


def _verbs(table: Grants, permission: Permission) -> Iterator[str]:
    kind = permission.content_type
    target = f"{kind.app_label}.{kind.model}"
    yield from table.get(target, ())
    if target not in _SUPERUSERS_ONLY:
        yield from table.get(f"{kind.app_label}.*", ())


def _verb(permission: Permission) -> str:
    return permission.codename.removesuffix(f"_{permission.content_type.model}")
