"""The explorer as a page of this machine alone, for `rnn-ode explore`."""

import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/explorer.js": ("explorer.js", "text/javascript; charset=utf-8"),
}
HOSTS = ("127.0.0.1", "localhost")
LONGEST = 1024  # characters of an address; the page's own have 11
_HTTP = 80  # the port that a browser does not name
PATIENCE = 10.0  # seconds for a request to arrive


def server(port: int = 0, first: dict[str, Any] | None = None) -> ThreadingHTTPServer:
    """A server of the page on the loopback address, at a free port unless one is named; `OSError` where that is taken.

    It serves the two files of the explorer and the state to start with, and nothing else of the disk. It answers GET alone,
    and only requests that name it as their host: a page from elsewhere, whose name was pointed at this machine, has another.
    """
    pages = {path: ((HERE / name).read_bytes(), kind) for path, (name, kind) in FILES.items()}
    pages["/state.json"] = (json.dumps(first or {}).encode(), "application/json")

    class Page(BaseHTTPRequestHandler):
        timeout = PATIENCE
        server_version, sys_version = "rnn-ode", ""

        def do_GET(self) -> None:
            refused = self._refused()
            body, kind = pages.get(self.path.split("?")[0], (b"", ""))
            if refused or not kind:
                self.send_error(refused or HTTPStatus.NOT_FOUND)
                return
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", "default-src 'self' 'unsafe-inline'; img-src data:")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

        def _refused(self) -> HTTPStatus | None:
            """Why a request is not answered, or `None`."""
            port = self.connection.getsockname()[1]
            ours = [[f"{name}:{port}"] for name in HOSTS] + [[name] for name in HOSTS if port == _HTTP]
            if self.headers.get_all("Host", []) not in ours:
                return HTTPStatus.MISDIRECTED_REQUEST
            if len(self.path) > LONGEST:
                return HTTPStatus.REQUEST_URI_TOO_LONG
            if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
                return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            return None

        def log_message(self, format: str, *args: object) -> None:
            """Requests are not printed."""

    return ThreadingHTTPServer(("127.0.0.1", port), Page)
