"""Somebody's first hour: logging in, and bringing the doctors."""

from typing import Any

from django.contrib.auth.models import User
from playwright.sync_api import BrowserContext, Page, expect

from reengage.initial import create_missing
from segments.models import Doctor
from tests.browser.conftest import DESKTOP, PHONE, named
from tests.browser.watch import overflow

HEADER = "doctor_id,first_name,last_name,email,phone"
RIGHT = "d1,Anita,Rao,anita.rao@example.com,+919812345678"
WRONG = "d2,Ravi,Mehta,ravi.mehta@example.com,12"
MENDED = "d2,Ravi,Mehta,ravi.mehta@example.com,+919812345679"


def csv(*rows: str) -> Any:
    """A file as the browser hands it over."""
    content = "\n".join([HEADER, *rows, ""]).encode()
    return {"name": "doctors.csv", "mimeType": "text/csv", "buffer": content}


def test_first_login_leads_to_a_dashboard_that_says_what_to_do(
    context: BrowserContext, admin_user: User
) -> None:
    create_missing()
    page = context.new_page()
    page.goto("/")
    page.get_by_label("Username").fill(admin_user.username)
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Please enter the correct username and password")).to_be_visible()
    page.get_by_label("Password").fill("password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="No campaign is running")).to_be_visible()
    page.get_by_role("link", name="Certificate Non-Claimers").click()
    expect(page.get_by_text("Nothing is sent until you press Launch.")).to_be_visible()
    expect(page.get_by_role("textbox", name="Name")).to_have_value("Certificate Non-Claimers")


def test_import_names_the_wrong_row_and_brings_the_file_in_once_it_is_right(desk: Page) -> None:
    desk.goto("/admin/segments/doctor/")
    named(desk, "Import").click()
    upload(desk, csv(RIGHT, WRONG))
    expect(desk.get_by_text("Is not a valid phone number: write it like")).to_be_visible()
    wrong = desk.get_by_role("article", name="Line 3")
    expect(wrong).to_contain_text("Mehta")
    desk.set_viewport_size(PHONE)
    assert overflow(desk) is None
    desk.set_viewport_size(DESKTOP)
    expect(desk.get_by_role("button", name="Confirm import")).to_have_count(0)
    assert not Doctor.objects.exists()

    upload(desk, csv(RIGHT, MENDED))
    expect(desk.get_by_text("Ravi", exact=True)).to_be_visible()
    assert not Doctor.objects.exists()
    desk.get_by_role("button", name="Confirm import").click()
    expect(desk.get_by_text("Import finished")).to_be_visible()
    expect(desk.get_by_role("link", name="Mehta")).to_be_visible()
    assert set(Doctor.objects.values_list("external_id", "phone")) == {
        ("d1", "+919812345678"),
        ("d2", "+919812345679"),
    }


def upload(page: Page, file: Any) -> None:
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_label("Format").select_option("csv")
    page.get_by_role("button", name="Submit").click()
