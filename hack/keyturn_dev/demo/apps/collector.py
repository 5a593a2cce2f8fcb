"""Collects the witnesses' reports and serves their sums: UDP in, `GET /report` out. Forgets nothing while it runs."""

from __future__ import annotations

import json
import socketserver
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REPORTS: dict[str, object] = {}  # pod UID -> its latest report, whose counts are sums since the pod began
UDP_PORT = 9125
HTTP_PORT = 8080


class _Inbox(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        """Keep the newest report of this pod."""
        report = json.loads(self.request[0])
        REPORTS[report["uid"]] = report


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """All reports as a JSON list."""
        body = json.dumps(list(REPORTS.values())).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing: the reports are the output."""


def main() -> None:
    """Serve until the pod ends."""
    inbox = socketserver.UDPServer(("0.0.0.0", UDP_PORT), _Inbox)  # noqa: S104 - a pod listens on its address
    threading.Thread(target=inbox.serve_forever, daemon=True).start()
    ThreadingHTTPServer(("0.0.0.0", HTTP_PORT), _Page).serve_forever()  # noqa: S104 - same


if __name__ == "__main__":
    main()
