"""Keys, and a client that speaks to the API as a program does."""

import json
from typing import Any

from django.contrib.auth.models import Permission, User
from django.test import Client

from campaigns.api import keys
from campaigns.models import ApiScope

ROOT = "/api/v1"
JSON = "application/json"
ALL = list(ApiScope.values)


def owner(name: str = "program", *permissions: str, is_superuser: bool = False) -> User:
    """Somebody with the named permissions only."""
    user = User.objects.create_user(name, is_staff=True, is_superuser=is_superuser)
    for permission in permissions:
        app_label, codename = permission.split(".")
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label=app_label, codename=codename)
        )
    return user


def boss() -> User:
    """Somebody who may do everything."""
    found = User.objects.filter(username="boss").first()
    return found or owner("boss", is_superuser=True)


class Program:
    """A client with a key; `call` answers the response, its JSON in `.data`."""

    def __init__(self, by: User | None = None, scopes: list[str] | None = None) -> None:
        self.key, self.text = keys.make("Platform", by or boss(), ALL if scopes is None else scopes)
        self.client = Client(raise_request_exception=False)

    def call(self, method: str, path: str, body: Any = None, once: str = "", **headers: str) -> Any:
        sent = {"Authorization": f"Bearer {self.text}", **headers}
        if once:
            sent["Idempotency-Key"] = once
        more = {} if body is None else {"data": json.dumps(body), "content_type": JSON}
        response = self.client.generic(method, f"{ROOT}{path}", headers=sent, **more)
        kind = response.headers.get("Content-Type", "")
        response.data = (
            json.loads(response.content) if response.content and "json" in kind else None
        )
        return response

    def get(self, path: str, **headers: str) -> Any:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, once: str = "", **headers: str) -> Any:
        return self.call("POST", path, body, once, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> Any:
        return self.call("PATCH", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self.call("DELETE", path, **headers)

    def report(self, kind: str, *rows: Any, once: str = "b1") -> Any:
        return self.post(f"/activity/{kind}", {"rows": list(rows)}, once)
