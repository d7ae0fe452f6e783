"""With four eyes an A/B test is started by somebody else than who wrote it."""

import pytest
from django.contrib.auth.models import User

from campaigns.experiments import lifecycle
from campaigns.transition import NotReady
from tests import engine
from tests.campaigns.experiments.worlds import experiment
from tests.engine import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def people():
    return [User.objects.create_superuser(name) for name in ("asha", "ravi", "meera")]


@pytest.fixture
def draft(people, settings):
    settings.FOUR_EYES = True
    step = engine.campaign(days=(0,), channels=("email",)).steps.get()
    author, changed_by, _ = people
    return experiment(step, {"subject_line": "Another"}, author=author, changed_by=changed_by)


@pytest.mark.parametrize("who", [0, 1])
def test_who_wrote_it_does_not_start_it(draft, people, who):
    with pytest.raises(NotReady, match="somebody else who may launch"):
        lifecycle.start(draft, NOW, people[who])
    draft.refresh_from_db()
    assert draft.status == "draft"


def test_nobody_in_particular_does_not_start_it(draft):
    with pytest.raises(NotReady, match="Somebody has to look"):
        lifecycle.start(draft, NOW, None)


def test_somebody_else_starts_it(draft, people):
    lifecycle.start(draft, NOW, people[2])
    assert draft.status == "running"


def test_without_four_eyes_who_wrote_it_starts_it(draft, people, settings):
    settings.FOUR_EYES = False
    lifecycle.start(draft, NOW, people[0])
    assert draft.status == "running"
