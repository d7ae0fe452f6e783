"""Parameters of an address: one that nobody knows is refused, and so is one that is sent twice.

A filter that is misspelt would otherwise filter nothing, and its list be taken for the whole truth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from django.http import HttpRequest, QueryDict

from campaigns.api.errors import Fault, Problem, missing
from segments.imports.header import quoted

Function = Callable[..., Any]


def known_only(function: Function) -> Function:
    """Wraps an operation's function: Problem (422) for what its address does not take."""
    operation = function._ninja_operation  # type: ignore[attr-defined]  # noqa: SLF001  ninja's
    names = [
        name
        for model in operation.models
        if model.__ninja_param_source__ == "query"
        for name in model.__ninja_flatten_map__
    ]

    @wraps(function)
    def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if faults := list(_faults(request.GET, names)):
            raise Problem(422, " ".join(fault.detail for fault in faults), faults)
        return function(request, *args, **kwargs)

    return asked


def _faults(sent: QueryDict, names: list[str]) -> Iterable[Fault]:
    known = f"Known are {missing(names)}." if names else "This address takes none."
    for name, values in sent.lists():
        shown = quoted(name)
        if name not in names:
            said = f"There is no parameter {shown} here. {known}"
            yield Fault(detail=said, parameter=shown[1:-1])
        elif len(values) > 1:
            said = f"The parameter {shown} was sent {len(values)} times: send it once."
            yield Fault(detail=said, parameter=name)
