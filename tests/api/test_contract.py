"""Everything that the description allows, thrown at every operation: answers are as described."""

import os
from collections.abc import Iterator
from datetime import time
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, settings
from schemathesis import checks

from campaigns.api import throttle
from campaigns.api.openapi import api
from campaigns.models import Campaign, Experiment
from campaigns.proposal import propose
from campaigns.revise import Proposed, as_it_is, plan_revision
from tests import engine
from tests.api.world import Program
from tests.campaigns.experiments.worlds import experiment

# Of each operation, beyond the cases at the edges of each type, which are always tried: 2,800.
EXAMPLES = 200 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 10
STATUSES = ("draft", "in_review", "active", "paused", "completed")
IDS = {status: UUID(int=place) for place, status in enumerate(STATUSES, start=1)}
TESTS = {status: UUID(int=place) for place, status in enumerate(("draft", "ended"), start=11)}
CHOSEN = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


def described() -> dict[str, Any]:
    """The description, in which ids and keys are those of `world`, or nobody's."""
    found = dict(api.get_openapi_schema())
    for operations in found["paths"].values():
        for operation in operations.values():
            for parameter in operation["parameters"]:
                if parameter["name"] in {"campaign_id", "campaign"}:
                    ids = [str(one) for one in (*IDS.values(), UUID(int=99))]
                    parameter["schema"] = {"type": "string", "enum": ids}
                if parameter["name"] == "experiment_id":
                    ids = [str(one) for one in (*TESTS.values(), UUID(int=99))]
                    parameter["schema"] = {"type": "string", "enum": ids}
    return found


schema = schemathesis.openapi.from_dict(described())
schema.app = get_wsgi_application()


@pytest.fixture
def text(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A key that may do everything, in a world with campaigns of every status."""
    monkeypatch.setattr(throttle, "PER_MINUTE", 1_000_000)
    for status, key in IDS.items():
        engine.campaign(pk=key, status=status, days=(0, 3))
    engine.member(engine.doctor(external_id="D-10023"))
    active = Campaign.objects.get(pk=IDS["active"])
    engine.enroll(active, engine.NOW)
    other = User.objects.create_user("other")
    change = Proposed({"send_until": time(20)}, as_it_is(active))
    seen = plan_revision(active, change, engine.NOW)
    propose(active, change, seen.token, engine.NOW, other)
    for status, key in TESTS.items():
        experiment(active.steps.first(), {"label": "Other"}, pk=key)
        Experiment.objects.filter(pk=key).update(status=status)
    program = Program()
    # The test's transaction is its connection's: as Django's own client does.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield program.text
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_operation_answers_as_described(text: str, case: Any) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {text}"}, checks=CHOSEN)
