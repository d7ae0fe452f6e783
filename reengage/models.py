"""What the project itself remembers: what was changed by whom, and what groups were given."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models


class Verb(models.TextChoices):
    """What was done to a row."""

    INSERT = "insert", "Added"
    UPDATE = "update", "Changed"
    DELETE = "delete", "Deleted"


class Change(models.Model):
    """One row that was changed, with what changed in it: written by triggers, by nobody else.

    Triggers see every way in which a row changes: a form, a button, the API, an update of many
    rows, a command. Doctors and what they do are not among these tables, and what is personal in
    them is left out (migrations/0002_triggers.py): whoever is erased is not looked for here.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField("when", editable=False)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        null=True,
        db_constraint=False,  # who did it is told after the person's account is deleted
        db_index=False,  # reengage_change_actor
        related_name="+",
        verbose_name="who",
    )
    actor_name = models.TextField(help_text="As the person was called then. Empty: the engine.")
    via = models.TextField(help_text="Such as the name of an API key. Empty: the admin.")
    verb = models.TextField(choices=Verb)
    kind = models.TextField(help_text="The kind of row, as campaigns.campaign.")
    object_id = models.TextField()
    name = models.TextField(help_text="What the row was called then.")
    root = models.TextField(help_text="What it is part of: a step's campaign, a time's schedule.")
    before = models.JSONField(help_text="The fields that changed, as they were.")
    after = models.JSONField(help_text="The same, as they are.")

    class Meta:
        verbose_name = "change"
        verbose_name_plural = "changes"
        default_permissions = ("view",)
        ordering = ["-id"]
        indexes = [
            # a row's history; a person's; those of one kind.
            models.Index(fields=["root", "-id"], name="reengage_change_root"),
            models.Index(fields=["actor", "-id"], name="reengage_change_actor"),
            models.Index(fields=["kind", "-id"], name="reengage_change_kind"),
            models.Index(fields=["at"], name="reengage_change_at"),
        ]

    def __str__(self) -> str:
        return f"{self.get_verb_display()}: {self.name or self.object_id}"


class GroupOffer(models.Model):
    """A permission that a group was given by `setup` (roles.py): it is not given again."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="+")
    permission = models.CharField(max_length=200, help_text="As campaigns.launch_campaign.")

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["group", "permission"], name="reengage_groupoffer_once")
        ]

    def __str__(self) -> str:
        return f"{self.permission} for {self.group_id}"
