"""What is doubtful in a text, told to whoever saves it: it is saved all the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from messaging import warned
from messaging.models import MessageTemplate
from messaging.syntax import Finding
from reengage.admin_base import AnyAdmin

# More than so many are counted only: nobody reads a page of them.
MOST = 5


class WarnedMixin(AnyAdmin):
    """After a save: which running campaigns send the text, and its warnings."""

    def response_add(self, request: HttpRequest, obj: MessageTemplate, *args: Any) -> HttpResponse:
        """Tell of a new one."""
        response: HttpResponse = super().response_add(request, obj, *args)
        tell(request, [obj])
        return response

    def response_change(self, request: HttpRequest, obj: MessageTemplate) -> HttpResponse:
        """Tell of one that was changed."""
        response: HttpResponse = super().response_change(request, obj)
        tell(request, [obj])
        return response


def tell(request: HttpRequest, templates: Sequence[MessageTemplate]) -> None:
    """Say of texts that were just saved where they go, and what a person should look at."""
    if sentence := warned.goes_out(templates):
        messages.info(request, sentence)
    said = [
        f"{template}: {finding}" if len(templates) > 1 else str(finding)
        for template, found in zip(templates, warned.warnings_of(templates), strict=True)
        for finding in found
    ]
    for words in bounded(said):
        messages.warning(request, words)


def warning_lines(
    templates: Sequence[MessageTemplate], found: Sequence[Sequence[Finding]]
) -> list[str]:
    """A line for each text that has warnings: its name with a link, and the first of them."""
    return [
        format_html(
            '<a class="underline" href="{}">{}</a>: {}',
            reverse("admin:messaging_messagetemplate_change", args=[template.pk]),
            template,
            _first(findings),
        )
        for template, findings in zip(templates, found, strict=True)
        if findings
    ]


def _first(findings: Sequence[Finding]) -> str:
    more = len(findings) - 1
    return f"{findings[0]} And {more} more." if more else str(findings[0])


def bounded(said: Sequence[str]) -> list[str]:
    """The first MOST, and how many more there are."""
    more = len(said) - MOST
    return [*said[:MOST], *([f"And {more} more."] if more > 0 else [])]
