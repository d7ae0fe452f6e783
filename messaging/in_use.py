"""Which campaigns under way send a text, and that two people look at it before it changes there.

Campaigns and tests are reached by their foreign keys: no module imports upward.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import F, Q

if TYPE_CHECKING:
    from messaging.models import MessageTemplate

UNDER_WAY = ("active", "paused")  # a campaign
UNDER_TEST = "running"  # an A/B test
# Of a template: what a doctor reads.
READ = ("template_content", "subject_line", "preheader", "defaults")


def campaigns_under_way(template: MessageTemplate) -> list[Any]:
    """The campaigns under way of which a step, or a variant under test, sends it; by name.

    So does the winner of a test that is over, which is still to be taken over as it was approved.
    """
    steps = template.steps.filter(campaign__status__in=UNDER_WAY, removed_at=None)
    is_winner = Q(experiment__winner=F("pk"), experiment__promoted_at=None)
    variants = template.variants.filter(
        Q(experiment__status=UNDER_TEST) | is_winner, experiment__campaign__status__in=UNDER_WAY
    )
    found = {step.campaign for step in steps.select_related("campaign")}
    found |= {one.experiment.campaign for one in variants.select_related("experiment__campaign")}
    return sorted(found, key=lambda campaign: str(campaign.name))


def held(template: MessageTemplate) -> dict[str, list[str]]:
    """Why what a doctor reads of a saved template may not change now, by field; {}: it may.

    Setting FOUR_EYES: what a campaign under way sends is looked at by a second person, and a text
    is changed by one. So another text is proposed for the step, and this one stays.
    """
    if not settings.FOUR_EYES:
        return {}
    saved = type(template).objects.filter(pk=template.pk).values(*READ).first() or {}
    changed = [name for name, value in saved.items() if value != getattr(template, name)]
    if not changed or not (campaigns := campaigns_under_way(template)):
        return {}
    names = ", ".join(f"“{campaign}”" for campaign in campaigns)
    sends = "is under way and sends" if len(campaigns) == 1 else "are under way and send"
    why = (
        f"{names} {sends} this text, and two people look at what goes out: press Copy, change the "
        "copy, and choose it for the step on the campaign's page, where somebody else approves it."
    )
    return {name: [why] for name in changed[:1]}
