# SPDX-License-Identifier: Apache-2.0
"""An agent's HTTP API as wgctl sees it: over a unix socket, by the same rules, out of a dictionary."""

import http.server
import json
import re
import socketserver
import threading
import urllib.parse


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """
    `answers` maps "METHOD /path" to (status, document) or to a function of the request that returns that; `seen` has
    every request. `die` counts the requests that are taken, and then hung up on without an answer.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path):
        super().__init__(path, Handler)
        self.answers, self.seen, self.headers, self.die = {}, [], {}, 0
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def handle_error(self, request, client_address):
        """A client that went away."""

    def stop(self):
        self.shutdown()
        self.thread.join()
        self.server_close()

    def told(self, method):
        """The requests of that method: path and body."""
        return [(request.path, request.body) for request in self.seen if request.method == method]


class Request:
    def __init__(self, method, target, headers, body):
        path, _, query = target.partition("?")
        self.method, self.target, self.headers = method, target, headers
        self.path = urllib.parse.unquote(path)
        self.segments = [urllib.parse.unquote(segment) for segment in path.split("/")[1:]]
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
        self.body = json.loads(body) if body else None


def problem(status, code, detail, field=None):
    document = {"type": "about:blank", "title": code, "status": status, "code": code, "detail": detail,
                "number": "00112233445566aa"}
    return status, {**document, **({"field": field} if field else {})}


def breach(request, raw):
    """What the server would refuse of the form of a request."""
    names = [name.lower() for name in request.headers.keys()]
    if len(names) != len(set(names)):
        return "a header that is there twice"
    if "Transfer-Encoding" in request.headers or "Expect" in request.headers:
        return "framing"
    if raw and request.headers.get("Content-Type") != "application/json":
        return "a body that is not said to be JSON"
    if request.method in ("GET", "DELETE") and raw:
        return "a body where none belongs"
    if request.method == "POST" and not re.fullmatch("[0-9a-f]{32}", request.headers.get("Idempotency-Key", "")):
        return "a POST without its Idempotency-Key"
    if request.method != "POST" and "Idempotency-Key" in request.headers:
        return "an Idempotency-Key where none belongs"
    return None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "socket"

    def log_message(self, *_):
        pass

    def answer(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, self.path, self.headers, raw)
        with self.server.lock:
            self.server.seen.append(request)
            is_dying, self.server.die = self.server.die > 0, max(0, self.server.die - 1)
        if is_dying:
            self.close_connection = True
            return
        wrong = breach(request, raw)
        if wrong:
            self.send(*problem(400, "form", wrong))
            return
        found = self.server.answers.get(f"{request.method} {request.path}")
        if found is None:
            self.send(*problem(404, "absent", f"there is no {request.path}"))
            return
        self.send(*(found(request) if callable(found) else found))

    def send(self, status, document):
        body = document if isinstance(document, bytes) else b"" if document is None else json.dumps(
            document, ensure_ascii=False).encode()
        self.send_response_only(status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/problem+json" if status >= 400 else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_DELETE = answer
