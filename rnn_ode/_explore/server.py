"""The explorer as a page of this machine alone, for `rnn-ode explore`."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/explorer.js": ("explorer.js", "text/javascript; charset=utf-8"),
}


def server(port: int = 0, first: dict[str, Any] | None = None) -> ThreadingHTTPServer:
    """A server of the page on the loopback address, at a free port unless one is named; `OSError` where that is taken.

    It serves the two files of the explorer and the state to start with, and nothing else of the disk.
    """
    pages = {path: ((HERE / name).read_bytes(), kind) for path, (name, kind) in FILES.items()}
    pages["/state.json"] = (json.dumps(first or {}).encode(), "application/json")

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body, kind = pages.get(self.path.split("?")[0], (b"", ""))
            if not kind:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", "default-src 'self' 'unsafe-inline'; img-src data:")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Requests are not printed."""

    return ThreadingHTTPServer(("127.0.0.1", port), Page)
