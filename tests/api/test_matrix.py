"""Scope and permission of every operation: exactly these, and neither alone is enough."""

from typing import Any

import pytest

from campaigns.api.auth import Key
from campaigns.api.openapi import api
from tests.api.world import ALL, Program, owner

pytestmark = pytest.mark.django_db

C, M = "campaigns.", "messaging."
NEEDS = {
    "list_campaigns": ("campaigns:read", f"{C}view_campaign"),
    "create_campaign": ("campaigns:write", f"{C}add_campaign"),
    "read_campaign": ("campaigns:read", f"{C}view_campaign"),
    "change_campaign": ("campaigns:write", f"{C}change_campaign"),
    "plan_revision": ("campaigns:write", f"{C}change_campaign"),
    "propose": ("campaigns:write", f"{C}change_campaign"),
    "read_proposal": ("campaigns:read", f"{C}view_campaign"),
    "accept_proposal": ("campaigns:write", f"{C}launch_campaign"),
    "send_back_proposal": ("campaigns:write", f"{C}change_campaign"),
    "delete_campaign": ("campaigns:write", f"{C}delete_campaign"),
    "preflight": ("campaigns:read", f"{C}view_campaign"),
    "copy": ("campaigns:write", f"{C}add_campaign"),
    "submit": ("campaigns:write", f"{C}change_campaign"),
    "send_back": ("campaigns:write", f"{C}change_campaign"),
    "launch_campaign": ("campaigns:write", f"{C}launch_campaign"),
    "advance_rollout": ("campaigns:write", f"{C}launch_campaign"),
    "resume_rollout": ("campaigns:write", f"{C}launch_campaign"),
    "pause": ("campaigns:write", f"{C}stop_campaign"),
    "read_overdue": ("campaigns:read", f"{C}view_campaign"),
    "read_resume_figures": ("campaigns:read", f"{C}view_campaign"),
    "resume": ("campaigns:write", f"{C}stop_campaign"),
    "stop": ("campaigns:write", f"{C}stop_campaign"),
    "list_templates": ("templates:read", f"{M}view_messagetemplate"),
    "create_template": ("templates:write", f"{M}add_messagetemplate"),
    "validate": ("templates:read", f"{M}view_messagetemplate"),
    "preview_draft": ("templates:read", f"{M}view_messagetemplate"),
    "read_template": ("templates:read", f"{M}view_messagetemplate"),
    "change_template": ("templates:write", f"{M}change_messagetemplate"),
    "delete_template": ("templates:write", f"{M}delete_messagetemplate"),
    "validate_template": ("templates:read", f"{M}view_messagetemplate"),
    "preview_template": ("templates:read", f"{M}view_messagetemplate"),
    "read_kpis": ("analytics:read", f"{C}view_campaignanalytics"),
    "read_funnel": ("analytics:read", f"{C}view_campaignanalytics"),
    "read_daily": ("analytics:read", f"{C}view_campaignanalytics"),
    "list_experiments": ("analytics:read", f"{C}view_experiment"),
    "read_experiment": ("analytics:read", f"{C}view_experiment"),
    "list_kinds": ("activity:write",),
    "report": ("activity:write",),  # and the kind's own: test_activity
    "list_opt_outs": ("suppressions:read", f"{M}view_unsubscriberecord"),
    "add_opt_out": ("suppressions:write", f"{M}add_unsubscriberecord"),
    "take_back": ("suppressions:write", f"{M}change_unsubscriberecord"),
    "list_suppressions": ("suppressions:read", f"{M}view_suppression"),
    "add_suppression": ("suppressions:write", f"{M}add_suppression"),
    "lift": ("suppressions:write", f"{M}lift_suppression"),
}


def operations() -> dict[str, tuple[str, str, Key]]:
    """Method, address and key of each."""
    found = {}
    told = api.get_openapi_schema()["paths"]
    keys = {
        operation.view_func.__name__: operation.auth_callbacks[0]
        for bound in api._get_bound_routers()
        for view in bound.path_operations.values()
        for operation in view.operations
    }
    for path, methods in told.items():
        address = (
            path.removeprefix("/api/v1").replace("{template_key}", "x").replace("{kind}", "doctors")
        )
        for part in ("campaign_id", "experiment_id", "record_id", "held_id"):
            address = address.replace(f"{{{part}}}", "00000000-0000-0000-0000-000000000001")
        for method, operation in methods.items():
            name = operation["operationId"]
            found[name] = (method.upper(), address, keys[name])
    return found


def test_every_operation_needs_exactly_this() -> None:
    assert {
        name: (str(key.scope), *key.permissions) for name, (_, _, key) in operations().items()
    } == NEEDS


def _status(program: Program, method: str, address: str) -> int:
    return int(program.call(method, address).status_code)


def test_scope_alone_and_permission_alone_are_refused() -> None:
    nobody = Program(owner("nobody"))  # every scope, no permission
    permissions = {name for _, *rest in NEEDS.values() for name in rest}
    unscoped = Program(owner("everybody", *permissions), scopes=[])
    for name, (method, address, _) in operations().items():
        assert _status(unscoped, method, address) == 403, name
        if name not in {"list_kinds", "report"}:
            assert _status(nobody, method, address) == 403, name


@pytest.mark.parametrize("name", sorted(NEEDS))
def test_scope_and_permission_together_open_one_operation(name: str) -> None:
    scope, *permissions = NEEDS[name]
    allowed = Program(owner("somebody", *permissions), scopes=[scope])
    method, address, _ = operations()[name]
    assert _status(allowed, method, address) not in {401, 403, 500}
    others = [scope_ for scope_ in ALL if scope_ != scope]
    elsewhere = Program(allowed.key.owner, scopes=others)
    assert _status(elsewhere, method, address) == 403


def test_every_operation_is_described() -> None:
    told = api.get_openapi_schema()
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            what: Any = f"{method} {path}"
            assert operation["summary"], what
            assert "Needs scope" in operation["description"], what
            assert {401, 403, 429} <= set(operation["responses"]), what
