"""People with access: the admin pages of Django's own models; and the project's own pages."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin

from reengage.admin_base import (
    AdminPasswordChangeForm,
    Group,
    ModelAdmin,
    User,
    UserChangeForm,
    UserCreationForm,
)
from reengage.schedules_admin import PeriodicTaskAdmin
from reengage.trail_admin import ChangeAdmin

__all__ = ["ChangeAdmin", "GroupAdmin", "PeriodicTaskAdmin", "UserAdmin"]

# Registered by their own application, whose admin module the imports above have run.
admin.site.unregister([User, Group])


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin[User]):  # type: ignore[type-arg]
    """People who may log in."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin[Group]):
    """What people may do."""
