"""The warnings of texts that are saved, or about to be, and which running campaigns send them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from django.utils import timezone

from messaging.audience.members import sample_variables, truth
from messaging.models import MessageTemplate
from messaging.models.template import MEASURED
from messaging.syntax import Finding
from messaging.validation import Draft, check_template


def warnings(drafts: Iterable[Draft]) -> list[list[Finding]]:
    """The warnings of each draft, with what is true of its segment's doctors now beside them.

    The first doctors of a segment are read once for all of its drafts.
    """
    now = timezone.now()
    true: dict[str, dict[str, str]] = {}
    found = []
    for draft in drafts:
        segment = draft.segment_type
        if segment not in true:
            true[segment] = truth(sample_variables(segment, now, MEASURED))
        findings = check_template(draft, (), true[segment])
        found.append([finding for finding in findings if finding.level == "warning"])
    return found


def warnings_of(templates: Sequence[MessageTemplate]) -> list[list[Finding]]:
    """The warnings of each template as it stands, saved or not, on the days it is sent on."""
    days: dict[str, set[int]] = defaultdict(set)
    keys = [template.template_key for template in templates]
    sent = MessageTemplate.objects.filter(template_key__in=keys, steps__isnull=False)
    for key, day in sent.order_by().values_list("template_key", "steps__delay_days"):
        days[key].add(day)
    return warnings(
        template.draft(tuple(sorted(days[template.template_key]))) for template in templates
    )


def running(templates: Iterable[MessageTemplate]) -> list[str]:
    """Names of the running campaigns that send one of the templates, each once, sorted."""
    sent = MessageTemplate.objects.filter(
        template_key__in=[template.template_key for template in templates],
        steps__campaign__status="active",
    )
    return sorted(set(sent.order_by().values_list("steps__campaign__name", flat=True)))


def goes_out(templates: Iterable[MessageTemplate]) -> str:
    """Which running campaigns send the templates, as a sentence; '' where none does."""
    names = running(templates)
    return f"It goes out with the next messages of: {', '.join(names)}." if names else ""
