"""The API as a whole, and its description: each operation with how it may be refused."""

from __future__ import annotations

from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

from campaigns.api import (
    activity,
    analytics,
    campaigns,
    errors,
    experiments,
    intake,
    lifecycle,
    matching,
    proposals,
    suppressions,
    templates,
)
from campaigns.api.auth import Key
from campaigns.api.errors import CONTENT_TYPE, KIND, PROBLEMS, Fault, ProblemBody
from campaigns.api.introduction import introduction
from campaigns.api.parameters import known_only

ALWAYS = (400, 401, 403, 429)
WITH_BODY = (409, 411, 413, 415, 422)
WITH_PATH = (404,)
_REF = "#/components/schemas/{model}"


class Api(NinjaAPI):
    """Ninja's, which describes refusals as well."""

    def get_openapi_schema(self, **kwargs: Any) -> OpenAPISchema:
        """The description, with the scope and the refusals of each operation."""
        schema = super().get_openapi_schema(**kwargs)
        for model in (ProblemBody, Fault):
            told = model.model_json_schema(ref_template=_REF)
            told.pop("$defs", None)
            schema["components"]["schemas"][model.__name__] = told
        for path, operations in schema["paths"].items():
            for method, operation in operations.items():
                for parameter in operation["parameters"]:
                    # Ninja repeats the schema's list, where OpenAPI has examples by name.
                    parameter.pop("examples", None)
                for status in _refusals(path, method, operation):
                    operation["responses"][status] = _refusal(status)
        self._tell_scopes(schema)
        return schema

    def _tell_scopes(self, schema: OpenAPISchema) -> None:
        told = {
            self.get_openapi_operation_id(operation): operation.auth_callbacks
            for bound in self._get_bound_routers()
            for view in bound.path_operations.values()
            for operation in view.operations
        }
        for operations in schema["paths"].values():
            for operation in operations.values():
                for key in told[operation["operationId"]]:
                    if isinstance(key, Key):
                        operation["description"] = _with_scope(operation, key)

    def get_openapi_operation_id(self, operation: Any) -> str:
        """The function's name."""
        return str(operation.view_func.__name__)


def _refusals(path: str, method: str, operation: dict[str, Any]) -> list[int]:
    found = [*ALWAYS]
    if "{" in path:
        found += WITH_PATH
    if operation.get("parameters"):
        found += [404, 422]  # what a parameter names, and how
    if any(parameter["name"] == matching.NAME for parameter in operation.get("parameters", [])):
        found.append(412)
    if method != "get":
        found += WITH_BODY
    elif path.endswith(("/overdue", "/resume/figures")):
        found.append(409)
    return sorted(set(found))


def _refusal(status: int) -> dict[str, Any]:
    kind, title, detail = PROBLEMS[status]
    example = {"type": f"{KIND}{kind}", "title": title, "status": status, "detail": detail}
    schema = {"$ref": _REF.format(model="ProblemBody")}
    return {"description": title, "content": {CONTENT_TYPE: {"schema": schema, "example": example}}}


def _with_scope(operation: dict[str, Any], key: Key) -> str:
    said = operation.get("description", "").strip()
    needs = [f"scope `{key.scope}`", *(f"permission `{name}`" for name in key.permissions)]
    return f"{said}\n\nNeeds {' and '.join(needs)}."


api = Api(
    title="CLIRNET re-engagement",
    version="1",
    description=introduction(),
    urls_namespace="api",
    openapi_url=None,
    docs_url=None,
    parser=intake.Taken(),
)
errors.register(api)
api.add_decorator(known_only)
api.add_router("/campaigns", campaigns.router)
api.add_router("/campaigns", lifecycle.router)
api.add_router("/campaigns", proposals.router)
api.add_router("/templates", templates.router)
api.add_router("/analytics", analytics.router)
api.add_router("/experiments", experiments.router)
api.add_router("/activity", activity.router)
api.add_router("/suppressions", suppressions.router)
