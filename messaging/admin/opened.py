"""Two people with the same template open: the second one to save is told which versions are newer.

As every form does (reengage/opened.py); of a template the versions say more than the trail.
"""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.html import format_html, format_html_join

from messaging import versions
from messaging.models import MessageTemplate
from reengage.admin_base import OpenedForm

# So many of the versions saved meanwhile are named.
NAMED = 5


class OpenedTemplate(OpenedForm):
    """Carries the number of the version that the form was opened with."""

    def shown(self, row: Any) -> int:
        """The version that the template was read as."""
        return _shown(row)

    def meanwhile(self, opened: int | None) -> Any:
        """Who saved which versions since; None: nobody."""
        current = versions.current(self.instance).number
        number = opened if opened and 0 < opened <= current else 0
        later = versions.saved_since(self.instance.pk, number)
        if not later:
            return None
        newest = later[0]
        before = newest.template.versions.filter(number=number).first()
        changed = versions.changes(before.content, newest.content) if before else []
        found = versions.in_a_line(changed) if before else "not known, nor is what you had open"
        who = format_html_join(" ", "{}", ((versions.who_saved(one),) for one in later[:NAMED]))
        page = reverse(
            "admin:messaging_messagetemplate_version", args=[newest.template_id, newest.number]
        )
        return self.refused(
            "it was changed while you had it open",
            format_html("{} Changed since you opened it: {}.", who, found),
            newest.number,
            f"{page}?against={number}" if before else page,
        )


def _shown(template: MessageTemplate) -> int:
    """The version that the template was read as.

    Saved between the two reads, it is shown as it was before.
    """
    newest = versions.current(template)
    is_older = versions.changes(versions.content_of(template), newest.content)
    return newest.number - 1 if is_older else newest.number
