"""A/B tests in the pre-flight: each is told of, and mending all leaves their steps alone."""

import pytest

from campaigns.feasibility import sequence_of, tried
from campaigns.models import Campaign, Experiment
from campaigns.preflight import aims
from campaigns.preflight.finding import Look
from campaigns.preflight.mend import ALL, obstacles, wanted
from tests import engine
from tests.engine import NOW

pytestmark = pytest.mark.django_db
NO_SHOW = (0, 2, 5, 9)  # days of the strategy's campaign for no-shows
LAUNCHED = ("active", "paused")


def put_to_test(made: Campaign, number: int, status: str) -> Experiment:
    step = made.steps.get(sequence_order=number)
    return made.experiments.create(step=step, name=f"Step {number}", status=status)


def test_each_test_that_is_large_enough_is_told_of(monkeypatch):
    made = engine.campaign(days=(0, 3), channels=("email",))
    for number in (1, 2):
        put_to_test(made, number, "running")
    monkeypatch.setattr(aims.expect, "warnings", lambda _test, _now: [])
    assert [one.text for one in aims.tests(Look(made, list(made.steps.all()), NOW))] == [
        "The A/B test “Step 1” is large enough to tell.",
        "The A/B test “Step 2” is large enough to tell.",
    ]


@pytest.mark.parametrize("status", ["draft", *LAUNCHED])
@pytest.mark.parametrize("of_test", ["draft", "running", "ended"])
def test_mending_all_leaves_steps_alone_that_a_test_needs(status, of_test):
    made = engine.campaign(days=NO_SHOW, status=status)
    before = sequence_of(made)
    changed = wanted(before, ALL)
    days = {step.number: step.day for step in changed.steps}
    touched = [step for step in before.steps if days.get(step.number) != step.day]
    assert touched
    left_out = [step for step in touched if step.number not in days]
    for step in touched:
        put_to_test(made, step.number, of_test)
    needed = {"running": touched, "draft": left_out, "ended": left_out}[of_test]
    if status in LAUNCHED and of_test != "running":
        needed = []
    assert bool(obstacles(made, before, changed)) == bool(needed)
    again = sequence_of(made)
    best = wanted(again, ALL)
    assert best is None or obstacles(made, again, best) == []
    if not needed:
        assert [(step.number, step.day) for step in best.steps] == sorted(days.items())


def test_mending_all_goes_as_far_as_it_can_around_a_step_under_test():
    made = engine.campaign(days=NO_SHOW)
    put_to_test(made, 5, "running")
    before, _, together = tried(sequence_of(made))
    assert together
    assert len(together[-1].after.lost) < len(before.lost)
    assert all(step.day == 2 for step in together[-1].sequence.steps if step.number == 5)
