"""The explorer as a page of this machine alone, for `rnn-ode explore`."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).parent
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/explorer.js": ("explorer.js", "text/javascript; charset=utf-8"),
}


class _Page(BaseHTTPRequestHandler):
    """The two files of the explorer, and nothing else of the disk."""

    def do_GET(self) -> None:
        name, kind = FILES.get(self.path.split("?")[0], ("", ""))
        if not name:
            self.send_error(404)
            return
        body = (HERE / name).read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", "default-src 'self' 'unsafe-inline'")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not printed."""


def server(port: int = 0) -> ThreadingHTTPServer:
    """A server on the loopback address, at a free port unless one is named; `OSError` where that is taken."""
    return ThreadingHTTPServer(("127.0.0.1", port), _Page)
