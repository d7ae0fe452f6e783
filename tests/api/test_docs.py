"""The description: bodies have examples that fit; the introduction names every refusal."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from campaigns.api import introduction
from campaigns.api.errors import PROBLEMS
from campaigns.api.openapi import api
from tests.api.world import ROOT, Program, boss, owner

SOURCES = Path(introduction.__file__).parent


def bodies() -> dict[str, Any]:
    """By operation, the model of its body."""
    return {
        operation.view_func.__name__: next(iter(model.model_fields.values())).annotation
        for bound in api._get_bound_routers()
        for view in bound.path_operations.values()
        for operation in view.operations
        for model in operation.models
        if model.__ninja_param_source__ == "body"
    }


@pytest.mark.parametrize("name", sorted(bodies()))
def test_body_has_an_example_that_is_taken(name: str) -> None:
    model = bodies()[name]
    (example,) = model.model_json_schema()["examples"]
    assert model.model_validate(example).model_fields_set == set(example)


def test_every_type_of_refusal_stands_in_the_introduction() -> None:
    told = set(re.findall(r"`urn:clirnet:problem:([a-z-]+)`", api.description))
    raised = {
        kind
        for source in SOURCES.glob("*.py")
        for kind in re.findall(r'kind="([a-z-]+)"', source.read_text())
    }
    assert raised == set(introduction.KINDS)
    assert told == raised | {kind for kind, _, _ in PROBLEMS.values()}


def test_parameters_have_no_list_where_openapi_has_named_examples() -> None:
    for operations in api.get_openapi_schema()["paths"].values():
        for operation in operations.values():
            for parameter in operation["parameters"]:
                assert "examples" not in parameter, parameter


@pytest.mark.parametrize("path", ["docs", "docs/swagger-ui.css", "openapi.json"])
def test_page_takes_no_other_method(path: str) -> None:
    refused = Client(enforce_csrf_checks=True).post(f"{ROOT}/{path}", {"a": "b"})
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["type"] == "urn:clirnet:problem:method-not-allowed"


def test_files_of_the_page_may_be_kept() -> None:
    found = Client().get(f"{ROOT}/docs/swagger-ui.css")
    assert (found.status_code, found.headers["Cache-Control"]) == (200, "public, max-age=3600")


@pytest.mark.django_db
def test_page_shows_the_introduction_and_follows_the_theme() -> None:
    program = Program()
    told = program.get("/openapi.json").data["info"]["description"]
    for heading in ("Keys", "Lists", "Doing things once", "Rate limit", "Errors"):
        assert f"### {heading}\n" in told
    program.client.force_login(boss())
    page = program.client.get(f"{ROOT}/docs").content.decode()
    assert "campaigns/api-docs.js" in page
    assert "campaigns/api-docs.css" in page


@pytest.mark.django_db
def test_page_leads_to_the_keys_only_who_may_see_them() -> None:
    client, keys = Client(), b'href="/admin/campaigns/apikey/"'
    client.force_login(owner("analyst"))
    assert keys not in client.get(f"{ROOT}/docs").content
    client.force_login(boss())
    assert keys in client.get(f"{ROOT}/docs").content
