"""Keys of programs: made here and shown once, listed, and revoked."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from campaigns.api import keys
from campaigns.models import ApiKey, ApiScope
from reengage.admin_base import (
    Confirmation,
    ModelAdmin,
    ModelForm,
    Notice,
    PageExtrasMixin,
    action,
    confirm,
    display,
    is_confirmed,
)

OF_OTHERS = "auth.change_user"  # who may make a key that acts as somebody else


class KeyForm(ModelForm[ApiKey]):
    """A new key: who uses it, what for, and until when."""

    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, f"{scope.label} ({scope.value})") for scope in ApiScope],
        widget=forms.CheckboxSelectMultiple,
        help_text="Tick what the program needs, no more. Its owner's permissions bound it as well.",
    )

    class Meta:
        model = ApiKey
        fields = ("name", "owner", "scopes", "expires_at")

    def clean_expires_at(self) -> Any:
        """A key that is over before it begins is a slip of the pen."""
        expires_at = self.cleaned_data["expires_at"]
        if expires_at and expires_at <= timezone.now():
            raise ValidationError("This is past: choose a later day, or leave it empty.")
        return expires_at


@admin.register(ApiKey)
class ApiKeyAdmin(PageExtrasMixin[ApiKey], ModelAdmin[ApiKey]):
    """What programs may do, as whom, and when they last did."""

    form = KeyForm
    list_display = ("name", "shown", "owner", "state", "expires_at", "last_used_at")
    list_select_related = ("owner",)
    sortable_by = ()
    actions_detail = ("revoke",)
    fieldsets = (
        (None, {"fields": ("name", "shown", "owner", "scopes_in_words")}),
        ("Life", {"fields": ("created_at", "expires_at", "last_used_at", "revoked_at")}),
    )
    readonly_fields = ("shown", "scopes_in_words", "created_at", "last_used_at", "revoked_at")

    def get_fieldsets(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        """Only who may change users makes keys that act as somebody else."""
        if obj is not None:
            return self.fieldsets
        owner = ("owner",) if request.user.has_perm(OF_OTHERS) else ()
        fields = ("name", *owner, "scopes", "expires_at")
        return ((None, {"fields": fields, "description": _before_it_is_made()}),)

    def get_form(
        self,
        request: HttpRequest,
        obj: ApiKey | None = None,
        change: bool = False,  # noqa: FBT001, FBT002  as Django has it
        **kwargs: Any,
    ) -> Any:
        """Without the buttons beside the owner, which make and change users."""
        form = super().get_form(request, obj, change, **kwargs)
        if "owner" in form.base_fields:
            form.base_fields["owner"].widget = form.base_fields["owner"].widget.widget
        return form

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With one button that saves: the page after it shows the key, and cannot be left out."""
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A key is one's own unless somebody says otherwise."""
        return {"owner": request.user.pk, **super().get_changeform_initial_data(request)}

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Owners who may log in; no buttons that make users."""
        if db_field.name == "owner":
            staff = User.objects.filter(is_active=True, is_staff=True)
            kwargs["queryset"] = staff.order_by("username")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refused: a key that is to do something else is another key."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refused: it is revoked, and stays as a memory of who used what."""
        return False

    def has_revoke_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may change keys if they could be changed; and whose it is, from its own page."""
        if request.user.has_perm("campaigns.change_apikey"):
            return True
        return ApiKey.objects.filter(pk=obj, owner=request.user.pk).exists() if obj else False

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: Any) -> None:
        """Make it; its text goes to the one page that shows it."""
        owner = obj.owner if request.user.has_perm(OF_OTHERS) else request.user
        made, text = keys.make(obj.name, owner, obj.scopes, obj.expires_at)  # type: ignore[arg-type]  # staff
        obj.pk, obj.owner, obj.prefix = made.pk, made.owner, made.prefix
        request.new_key = text  # type: ignore[attr-defined]  # read by response_add

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the key, which is kept nowhere: not in a session, a message or a log.

        Nor in a cache: the admin's forms are answered with no-store.
        """
        context = {
            **self.admin_site.each_context(request),
            "title": f"The key of “{obj}”",
            "opts": self.opts,
            "key": request.new_key,  # type: ignore[attr-defined]
            "original": obj,
            "back": reverse("admin:campaigns_apikey_changelist"),
        }
        return TemplateResponse(request, "campaigns/api/new_key.html", context)

    @display(description="key")
    def shown(self, key: ApiKey) -> str:
        """Enough to know it by."""
        return f"{keys.START}_{key.prefix}_…"

    @display(description="scopes")
    def scopes_in_words(self, key: ApiKey) -> str:
        """What it may be used for."""
        return ", ".join(str(ApiScope(scope).label) for scope in key.scopes)

    @display(
        description="state",
        label={
            "Works": "success",
            "Revoked": "danger",
            "Expired": "warning",
            "Owner may not log in": "danger",
        },
    )
    def state(self, key: ApiKey) -> str:
        """Whether it is taken."""
        if key.revoked_at:
            return "Revoked"
        if not key.has_owner:
            return "Owner may not log in"
        return "Expired" if _is_over(key) else "Works"

    def notices(self, request: HttpRequest, obj: ApiKey) -> list[Notice]:
        """Why it does not work, where that is so."""
        if obj.revoked_at:
            return [Notice("error", "It was revoked: programs that send it are refused.")]
        if not obj.has_owner:
            return [Notice("error", "Its owner may not log in any more: it is refused as well.")]
        if _is_over(obj):
            said = "It has expired: programs that send it are refused. Make another one for them."
            return [Notice("warning", said)]
        return []

    @action(description="Revoke", icon="key_off", permissions=["revoke"])
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Have it refused from now on, for good."""
        key = self.get_object(request, object_id)
        if key is None:
            raise Http404
        if not self.has_revoke_permission(request, object_id):
            raise PermissionDenied
        page = reverse("admin:campaigns_apikey_change", args=[key.pk])
        if not is_confirmed(request):
            return confirm(self, request, _question(key), page)
        if keys.revoke(key, timezone.now()):
            self.log_change(request, key, "Revoked.")
            messages.success(request, f"“{key}” is revoked: it is refused from now on.")
        else:
            messages.warning(request, "Nothing to do: it was revoked already.")
        return redirect(page)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        """With their owners."""
        keys_: QuerySet[ApiKey] = super().get_queryset(request)
        return keys_.select_related("owner")


def _is_over(key: ApiKey) -> bool:
    return key.expires_at is not None and key.expires_at <= timezone.now()


def _before_it_is_made() -> SafeString:
    return format_html(
        "The key is shown once, on the next page: have a safe place ready. "
        '<a class="text-primary-600 dark:text-primary-500" href="{}">What programs can do with it'
        "</a>.",
        reverse("api-docs"),
    )


def _question(key: ApiKey) -> Confirmation:
    used = f"{timezone.localtime(key.last_used_at):%d %b %Y, %H:%M}" if key.last_used_at else ""
    return Confirmation(
        title="Revoke a key",
        question=f"Programs that use “{key}” are refused at once, and for good. Revoke it?",
        facts=[f"Last used: {used or 'never'}.", f"Owner: {key.owner}."],
        button="Revoke",
        is_dangerous=True,
    )
