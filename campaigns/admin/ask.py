"""A page that asks before something is done, with figures, choices and a place for words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from campaigns.models import Campaign
from reengage.admin_base import AnyAdmin, Table


@dataclass(frozen=True, slots=True)
class Option:
    """One of several ways; `number`: the name of a field that asks for one, 1 to `most`.

    What is shown is for `number_value`: another number is looked at first, by a button of its own.
    """

    value: str
    label: str
    explained: str
    facts: Sequence[str] = field(default_factory=list)
    table: Table | None = None  # opened on demand
    number: str = ""
    number_label: str = ""
    number_value: int = 1
    most: int = 1
    seen: str = ""  # the token of what is shown, posted back as seen-<value>


@dataclass(frozen=True, slots=True)
class Ask:
    """The question and what helps to answer it. With `problems` there is no button."""

    title: str
    question: str
    button: str
    facts: Sequence[str] = field(default_factory=list)
    notes: Sequence[str] = field(default_factory=list)  # what to know before the button
    tables: Sequence[Table] = field(default_factory=list)
    problems: Sequence[str] = field(default_factory=list)
    options: Sequence[Option] = field(default_factory=list)
    options_title: str = "What is to become of it?"
    chosen: str = ""  # the option that is ticked at first
    reason: str = ""  # label of a place for words
    hidden: Sequence[tuple[str, str]] = field(default_factory=list)  # posted back as they are
    is_dangerous: bool = False


def ask(admin: AnyAdmin, request: HttpRequest, question: Ask, back: str) -> HttpResponse:
    """Show the page; its button posts `confirmed=yes` to the same address."""
    context = _context(admin, request, question.title, back)
    return TemplateResponse(request, "admin/campaigns/ask.html", {**context, "ask": question})


def ask_when_counted(
    admin: AnyAdmin, request: HttpRequest, title: str, question: Callable[[], Ask], back: str
) -> HttpResponse:
    """The same for a question that counts doctors: seconds, where they are many.

    The page loads it once it is open, by `part`; `counts`: the page with it, without JavaScript. A
    POST has looked at it before, and gets it at once.
    """
    if "part" in request.GET:
        context = {"ask": question(), "back": back}
        return TemplateResponse(request, "admin/campaigns/ask_box.html", context)
    if "counts" in request.GET or request.method == "POST":
        return ask(admin, request, question(), back)
    context = _context(admin, request, title, back)
    return TemplateResponse(request, "admin/campaigns/ask.html", context)


def _context(admin: AnyAdmin, request: HttpRequest, title: str, back: str) -> dict[str, Any]:
    return {
        **admin.admin_site.each_context(request),
        "title": title,
        "opts": Campaign._meta,  # noqa: SLF001  Django's own name
        "back": back,
    }
