"""The watch itself: it sees what it is there to see, or the other tests would prove nothing."""

from playwright.sync_api import Page, expect

from tests.browser.watch import Watch, overflow


def test_watch_sees_other_hosts_errors_and_refusals(page: Page, watch: Watch) -> None:
    page.goto("/healthz")
    watch.faults.clear()
    page.set_content(
        "<img src='https://elsewhere.example/pixel.gif'><img src='/nowhere.png'>"
        "<script>console.error('in words'); throw new Error('thrown')</script>"
        "<p>whole</p>",
        wait_until="load",
    )
    expect(page.get_by_text("whole")).to_be_visible()
    seen = " ".join(watch.faults)
    watch.faults.clear()
    assert "asked of another host: https://elsewhere.example/pixel.gif" in seen
    assert "404: " in seen
    assert "/nowhere.png" in seen
    assert "console: in words" in seen
    assert "thrown" in seen


def test_watch_sees_what_is_wider_than_the_window(page: Page) -> None:
    page.set_content("<p>whole</p>")
    assert overflow(page) is None
    page.set_content("<p class='wide' style='width: 3000px'>cut off</p>")
    assert "p.wide" in str(overflow(page))
