"""The browser that other tests rely on shows pages of this machine and reaches no other."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest
from playwright.async_api import Error

from tests.chromium import chromium
from tests.ports import free_port


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<h1>Hello, Ada</h1>")

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output to the test."""


@pytest.fixture
def page_url() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), _Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


async def test_a_local_page_is_shown_and_a_foreign_host_is_out_of_reach(page_url: str) -> None:
    async with chromium() as browser:
        page = await browser.new_page()
        await page.goto(page_url)
        assert await page.inner_text("h1") == "Hello, Ada"
        with pytest.raises(Error, match="Failed to fetch"):
            await page.evaluate("fetch('http://example.org/')")
