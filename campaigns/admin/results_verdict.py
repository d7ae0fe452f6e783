"""What a campaign's figures come to, in the sentences that stand above them."""

from __future__ import annotations

from campaigns.admin.results_money import rupees
from campaigns.analytics.figures import light
from campaigns.analytics.kpis import EnrollmentFigures
from campaigns.analytics.roi import Lift, Roi

_AGAINST_GOAL = {
    "success": "the goal of {goal} % is reached",
    "warning": "close to the goal of {goal} %",
    "danger": "below the goal of {goal} %",
    "default": "too few to tell whether the goal of {goal} % is reached",
}
_MISSING = {
    "value": "What that is worth is not known: say on the campaign what a return is worth.",
    "messages": "Nothing was sent in this period, so nothing was spent.",
    "price": "What it cost is not known: no account has a price.",
}


def sentences(one: EnrollmentFigures, found: Roi, gain: Lift | None) -> list[str]:
    """Who came back, the goal, the money, and what of it the messages brought."""
    if not one.enrolled:
        return ["Nobody was enrolled in this period."]
    share = one.conversion_rate.percent or 0
    back = f"{one.converted:,} of {one.enrolled:,} enrolled doctors came back ({share:.1f} %)"
    return [f"{back}{_goal(one)}.", _money(found), _lift(gain)]


def _goal(one: EnrollmentFigures) -> str:
    goal, days = one.campaign.goal_rate, one.campaign.goal_days
    if not goal or not days:
        return ""
    if not one.ripe:
        return f"; for the goal of {goal} % it is too early: nobody has had {days} days yet"
    words = _AGAINST_GOAL[light(one.goal, goal).level].format(goal=goal)
    return (
        f". Of the {one.ripe:,} whose {days} days are over, {one.goal.percent or 0:.1f} % "
        f"came back in time: {words}"
    )


def _money(found: Roi) -> str:
    if found.ratio is None or found.value is None:
        return _MISSING[found.missing]
    money = f"They are worth {rupees(found.value)}, and {rupees(found.cost.amount)} was spent"
    return f"{money}: {found.ratio:,.1f} ₹ for each ₹."


def _lift(gain: Lift | None) -> str:
    if gain is None:
        return "How many would have come by themselves is not known: nobody is held out."
    if not gain.is_told_from_chance:
        return "Too few to tell how many would have come by themselves."
    low, middle, high = gain.returns()
    if gain.low > 0:
        return f"The messages brought back about {middle:,} of them ({low:,} to {high:,})."
    return "Fewer came back than of those held out: the messages seem to do harm."
