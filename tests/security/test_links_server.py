"""Links at the real web server: what only bytes on a socket can ask, and what comes back."""

import json
import socket
import time

import pytest
from django.conf import settings as configured

from messaging.models import MessageDelivery, UnsubscribeRecord
from tests.engine import NOW, certificate, doctor, enrolled, member, send_all
from tests.office import database_url
from tests.security.server import Server

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("nobody_is_turned_away"),
]
NOBODYS = "0123456789012345678901"
MISSES = 3
MULTIPART = b"""\
--b\r
Content-Disposition: form-data; name="List-Unsubscribe"\r
\r
One-Click\r
--b--\r
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory, django_db_setup):
    folder = tmp_path_factory.mktemp("server")
    with Server(
        folder,
        BEHIND_PROXY="1",
        LINK_MISSES_PER_MINUTE=str(MISSES),
        SPOOL_DIR=str(folder / "spool"),
        DATABASE_URL=database_url(),
        REDIS_URL=configured.REDIS_URL,
        CACHE_URL=configured.CACHE_URL,
    ) as server:
        yield server


def ask(server, path, *headers, method="GET", body=b""):
    """Head and body of the answer, as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    if method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    with socket.create_connection(("127.0.0.1", server.port), 120) as line:
        line.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        got = b""
        while more := line.recv(65536):
            got += more
    return got.partition(b"\r\n\r\n")[::2]


def status(server, path, *headers, **more):
    head, _ = ask(server, path, *headers, **more)
    return int(head.split(b" ", 2)[1]) if head else 0


OWN = "X-Forwarded-For: {}, 198.51.100.1"  # the visitor's own word, and the proxy's


@pytest.mark.parametrize(
    "headers",
    [
        [OWN],
        ["X-Forwarded-For: {}", "X-Forwarded-For: 198.51.100.1"],
        ["X-Forwarded-For: 198.51.100.1", "X_Forwarded_For: {}"],
        ["X_Forwarded-For: {}", "X-Forwarded-For: 198.51.100.1"],
        ["X-Forwarded-For: 198.51.100.1", "Forwarded: for={}", "X-Real-IP: {}"],
        ["X-Forwarded-For: 198.51.100.1", "REMOTE_ADDR: {}", "HTTP_X_FORWARDED_FOR: {}"],
    ],
)
def test_no_header_makes_another_visitor(server, headers):
    told = []
    for number in range(MISSES + 2):
        mine = [header.format(f"203.0.113.{number}") for header in headers]
        told.append(status(server, f"/r/{NOBODYS}", *mine))
    assert told == [404] * MISSES + [429] * 2
    assert status(server, f"/r/{NOBODYS}", "X-Forwarded-For: 198.51.100.2") == 404


def test_head_and_page_of_every_unknown_token_are_the_same(server):
    """Also on the wire: same headers in the same order, same length."""
    answers = set()
    paths = [f"/r/{NOBODYS}", "/u/x", "/h/%0d%0aSet-Cookie:%20a=b", f"/CLIRNT/{NOBODYS}", "/r/%ff"]
    for number, path in enumerate(paths):
        head, page = ask(server, path, f"X-Forwarded-For: 198.51.100.{number}")
        lines = [line for line in head.split(b"\r\n") if not line.startswith((b"Date", b"Expires"))]
        answers.add((*lines, page))
    assert len(answers) == 1


@pytest.mark.parametrize("subject", ["c1\r\nSet-Cookie: a=b", "c1\nX: y", "c1\u2028\u0085X: y"])
def test_no_line_of_a_head_comes_out_of_what_a_file_called_a_course(server, subject):
    owner = doctor()
    certificate(owner, external_id=subject)
    member(owner, subject)
    enrolled(0, days=(0,), channels=("sms",))
    send_all(NOW)
    head, _ = ask(server, f"/r/{MessageDelivery.objects.get().token}")
    names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
    assert b"location" in names
    assert not {b"set-cookie", b"x"} & set(names)
    assert b"\n" not in head.replace(b"\r\n", b"")
    assert head.count(b"Location: https://clirnet.example/certificates/c1%") == 1


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "PATH_INFO", "Script-Name", "X-Original-URL"])
def test_no_header_changes_where_a_form_comes_back_to(server, delivery, name):
    path = f"/u/{delivery.token}"
    form = ["Content-Type: application/x-www-form-urlencoded", f"{name}: //evil.example"]
    head, _ = ask(server, path, *form, method="POST", body=b"scope=channel")
    assert b"evil" not in head
    assert head.split(b" ", 2)[1] in (b"302", b"400", b"500")


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/r/" + "a" * 5_000, []),
        (f"/r/{NOBODYS}", ["User-Agent: " + "x" * 20_000]),
        (f"/r/{NOBODYS}", [f"X-{n}: y" for n in range(200)]),
        (f"/r/{NOBODYS}\tHTTP/1.1 X", []),
        (f"/r/{NOBODYS}", ["Host: other"]),
        (f"/r/{NOBODYS}", ["Bad Name: x"]),
        (f"/r/{NOBODYS}", ["X: a\x00b"]),
    ],
)
def test_what_is_too_big_or_broken_is_refused_before_it_is_looked_at(server, path, headers):
    assert status(server, path, *headers) in (0, 400, 414, 431)


def test_a_post_of_any_size_is_cut_off(server, delivery):
    form = "Content-Type: application/x-www-form-urlencoded"
    body = b"scope=all&reason=" + b"x" * 1_100_000
    assert status(server, f"/u/{delivery.token}", form, method="POST", body=body) in (0, 413)
    assert not UnsubscribeRecord.objects.exists()


def test_a_form_that_comes_slowly_keeps_nobody_waiting(server, delivery):
    """As many as the server has threads begin a form and do not end it."""
    path = f"/u/{delivery.token}"
    begun = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n"
    begun += "Content-Type: application/x-www-form-urlencoded\r\n\r\nscope=all"
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(server.THREADS)]
    try:
        for line in slow:
            line.sendall(begun.encode())
        began = time.monotonic()
        assert status(server, f"/r/{delivery.token}") == 302
        assert time.monotonic() - began < 10
    finally:
        for line in slow:
            line.close()
    assert not UnsubscribeRecord.objects.exists()


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click"),
        ("application/x-www-form-urlencoded; charset=UTF-8", b"List-Unsubscribe=One-Click\r\n"),
        ("application/x-www-form-urlencoded", b"list-unsubscribe=one-click"),
        ("application/x-www-form-urlencoded", b""),
        ("text/plain", b"List-Unsubscribe=One-Click"),
        ("application/json", json.dumps({"List-Unsubscribe": "One-Click"}).encode()),
        ("multipart/form-data; boundary=b", MULTIPART),
    ],
)
def test_one_click_of_any_mail_program_is_done_and_answered_200(
    server, delivery, content_type, body
):
    headers = [f"Content-Type: {content_type}"]
    head, _ = ask(server, f"/u/{delivery.token}", *headers, method="POST", body=body)
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"set-cookie" not in head.lower()
    record = UnsubscribeRecord.objects.get()
    assert (record.channel, record.segment_type, record.source) == ("sms", None, "one-click")
