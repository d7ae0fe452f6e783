"""Templates out as YAML, and in again: shown line by line before anything is written."""

# ruff: noqa: ARG002, SLF001  overridden signatures and `_meta` are Django's
from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from messaging import transfer
from messaging.admin.warned import tell
from messaging.models import MessageTemplate
from messaging.tasks import ask_when_saved
from messaging.transfer import Plan
from messaging.transfer_file import MOST_BYTES, TemplateFile, UnreadableError, read
from messaging.versions import ChangedMeanwhileError, RefusedError
from reengage.admin_base import AnyAdmin, action

SALT = "messaging.transfer"
GOOD_FOR = 24 * 3600  # seconds that a page with a file may stay open
LIST = "admin:messaging_messagetemplate_changelist"


class TransferMixin(AnyAdmin):
    """To stand before the other bases, with its two tuples in the class's own."""

    actions = ("export_yaml",)
    actions_list = ("import_yaml", "export_all")

    def has_import_yaml_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may add and change templates one by one."""
        return self.has_add_permission(request) and self.has_change_permission(request)

    @admin.action(description="Export as YAML", permissions=["view"])
    def export_yaml(self, request: HttpRequest, chosen: QuerySet[MessageTemplate]) -> HttpResponse:
        """The ticked templates as a file."""
        return _file(chosen)

    @action(description="Export all as YAML", icon="download", permissions=["view"])
    def export_all(self, request: HttpRequest) -> HttpResponse:
        """Every template as a file."""
        return _file(self.get_queryset(request))

    @action(description="Import YAML", icon="upload", permissions=["import_yaml"])
    def import_yaml(self, request: HttpRequest) -> HttpResponse:
        """Choose a file; see what it would change; have it done."""
        if not self.has_import_yaml_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return self._import_page(request)
        try:
            if "shown" in request.POST:
                return self._apply(request)
            return self._import_page(request, _uploaded(request))
        except RefusedError as error:
            return self._import_page(request, problems=error.problems)

    def _apply(self, request: HttpRequest) -> HttpResponse:
        """Do what was shown; where that is no longer what would happen, show it anew."""
        shown = _opened(request.POST["shown"], request)
        file = read(shown["text"].encode(), shown["name"])
        try:
            done = transfer.apply(file, shown["seen"], request.user)  # type: ignore[arg-type]  # staff
        except ChangedMeanwhileError as error:
            words = ["Nothing was imported: somebody has saved a template since you looked."]
            after = ["Below is what the file would change now."]
            return self._import_page(request, file, [*words, *error.problems, *after])
        except RefusedError as error:
            return self._import_page(request, file, ["Nothing was imported.", *error.problems])
        for entry in done.to_write:
            if entry.template:
                ask_when_saved(entry.template)
            if entry.template and entry.state == "new":
                self.log_addition(request, entry.template, f"Imported from {file.name}.")
            elif entry.template:
                self.log_change(request, entry.template, f"Imported from {file.name}.")
        messages.success(request, f"Imported from {file.name}: {_counts(done)}.")
        tell(request, [entry.template for entry in done.to_write if entry.template])
        return redirect(LIST)

    def _import_page(
        self,
        request: HttpRequest,
        file: TemplateFile | None = None,
        problems: Any = (),
    ) -> HttpResponse:
        """The file field, what is wrong, and what the file would do."""
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "title": "Import templates",
            "problems": problems,
        }
        if file:
            found = transfer.plan(file)
            transfer.judge(found)
            content = {"text": file.text, "name": file.name, "seen": found.seen}
            user = {"user": request.user.pk}
            context |= {
                "file_name": file.name,
                "plan": found,
                "counts": _counts(found),
                "refused": found.of("refused"),
                "new": found.of("new"),
                "changed": found.of("changed"),
                "same": found.of("same"),
                "may_apply": found.to_write and not found.of("refused"),
                "shown": signing.dumps({**content, **user}, salt=SALT, compress=True),
            }
        return TemplateResponse(request, "messaging/transfer/import.html", context)


def _file(templates: QuerySet[MessageTemplate]) -> HttpResponse:
    ordered = templates.order_by("segment_type", "channel", "sequence_order", "template_key")
    answer = HttpResponse(transfer.export(ordered), content_type="application/yaml; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="templates.yaml"'
    return answer


def _uploaded(request: HttpRequest) -> TemplateFile:
    """The file of the form. UnreadableError: none, or none that can be read."""
    upload = request.FILES.get("file")
    if not isinstance(upload, UploadedFile):
        raise UnreadableError(["Choose a file first."])
    return read(upload.read(MOST_BYTES + 1), upload.name or "")


def _opened(signed: str, request: HttpRequest) -> dict[str, Any]:
    """What this person was shown. UnreadableError: it was long ago, or was tampered with."""
    try:
        shown: dict[str, Any] = signing.loads(signed, salt=SALT, max_age=GOOD_FOR)
    except signing.BadSignature as error:
        raise UnreadableError(
            ["This page was open for too long: choose the file again."]
        ) from error
    if shown["user"] != request.user.pk:
        raise UnreadableError(["Somebody else opened this file: choose it yourself."])
    return shown


def _counts(found: Plan) -> str:
    words = {"new": "new", "changed": "changed", "same": "unchanged", "refused": "refused"}
    counted = {words[state]: len(found.of(state)) for state in words}  # type: ignore[arg-type]  # its keys are states
    return ", ".join(f"{count} {word}" for word, count in counted.items() if count)
