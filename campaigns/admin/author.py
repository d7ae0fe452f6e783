"""Who made what is edited in the admin, and who changed it last."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from reengage.admin_base import AnyAdmin


class AuthorMixin(AnyAdmin):
    """Of campaigns and A/B tests: under four eyes somebody else launches and starts them."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        """Note who saves it."""
        obj.changed_by_id = request.user.pk
        if not change:
            obj.author_id = request.user.pk
        super().save_model(request, obj, form, change)
