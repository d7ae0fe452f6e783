"""What an address takes: methods and parameters, and nothing that it would pass over in silence."""

from typing import Any

import pytest

from campaigns.models import Campaign
from tests.api.test_matrix import operations
from tests.api.world import ROOT, Program

pytestmark = pytest.mark.django_db


def test_misspelt_filter_is_refused_and_the_right_ones_are_named() -> None:
    Campaign.objects.create(name="C", segment_type="no_show")
    refused = Program().get("/campaigns?statos=draft&limit=1&limit=2")
    assert (refused.status_code, refused.data["type"]) == (422, "urn:clirnet:problem:invalid")
    assert {fault["parameter"]: fault["detail"] for fault in refused.data["errors"]} == {
        "statos": "There is no parameter “statos” here. "
        "Known are “limit”, “cursor”, “status”, “segment_type”.",
        "limit": "The parameter “limit” was sent 2 times: send it once.",
    }


def test_parameter_is_refused_before_anything_is_done() -> None:
    campaign = Campaign.objects.create(name="C", segment_type="no_show")
    refused = Program().delete(f"/campaigns/{campaign.pk}?force=true")
    assert refused.status_code == 422
    assert "This address takes none." in refused.data["detail"]
    assert Campaign.objects.filter(pk=campaign.pk).exists()


# What has to be there is missed first.
NEEDED = {"read_resume_figures": "choice=skip&"}


@pytest.mark.parametrize("name", sorted(operations()))
def test_no_operation_passes_over_a_parameter(name: str) -> None:
    method, address, _ = operations()[name]
    sent: dict[str, Any] = {} if method == "GET" else {"body": {}}
    query = f"{NEEDED.get(name, '')}no_such=1"
    answer = Program().call(method, f"{address}?{query}", **sent, once="x")
    if answer.status_code == 422 and answer.data["errors"][0].get("parameter") is None:
        return  # the body, which is looked at first
    assert answer.status_code == 422, answer.data
    assert answer.data["errors"][0]["parameter"] == "no_such"


@pytest.mark.parametrize("address", ["/campaigns", "/activity/kinds", "/openapi.json"])
def test_head_answers_as_get_without_the_body(address: str) -> None:
    program = Program()
    got, asked = program.get(address), program.call("HEAD", address)
    assert (asked.status_code, asked.content) == (200, b"")
    same = ("Content-Type", "Cache-Control")
    assert [asked.headers.get(name) for name in same] == [got.headers.get(name) for name in same]
    assert int(asked.headers["Content-Length"]) == len(got.content)


def test_head_needs_a_key_as_get_does() -> None:
    program = Program(scopes=[])
    assert program.call("HEAD", "/campaigns").status_code == 403
    assert program.client.head(f"{ROOT}/campaigns").status_code == 401
    assert program.call("HEAD", "/nothing").status_code == 404


def test_options_tells_the_methods_to_anybody() -> None:
    client = Program().client
    told = client.options(f"{ROOT}/campaigns")
    assert (told.status_code, told.content) == (204, b"")
    assert told.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert client.options(f"{ROOT}/nothing").status_code == 404


@pytest.mark.parametrize(
    ("method", "address", "allowed"),
    [
        ("PUT", "/campaigns", "GET, HEAD, OPTIONS, POST"),
        ("HEAD", "/activity/doctors", "OPTIONS, POST"),
        ("DELETE", "/openapi.json", "GET, HEAD, OPTIONS"),
        ("BREW", "/activity/kinds", "GET, HEAD, OPTIONS"),
    ],
)
def test_other_method_is_a_problem_that_names_those_that_are_taken(
    method: str, address: str, allowed: str
) -> None:
    refused = Program().call(method, address)
    assert refused.status_code == 405
    assert refused.headers["Allow"] == allowed
    assert refused.headers["Content-Type"] == "application/problem+json"
    if method != "HEAD":
        assert refused.data["type"] == "urn:clirnet:problem:method-not-allowed"
        assert allowed in refused.data["detail"]
