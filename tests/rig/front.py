"""An HTTP front on loopback before a daemon's status socket that changes some answers: what a daemon says only after days, or never."""

import http.server
import json
import threading
from pathlib import Path
from typing import Callable

from rig.unixhttp import UnixConnection

Change = Callable[[str, object], object]


class Front:
    """Passes every GET on, streams too. `change` maps the beginning of a path to a function of the path and the daemon's
    answer, which gives the JSON that is said instead, with status 200."""

    def __init__(self, status_socket: Path, change: dict[str, Change]):
        front = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # pylint: disable=invalid-name
                front._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._socket, self._change = status_socket, change
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="front", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> "Front":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        change = next((function for begin, function in self._change.items() if handler.path.startswith(begin)), None)
        try:
            if change is None:
                self._pass_on(handler)
            else:
                self._say_instead(handler, change)
        except (BrokenPipeError, ConnectionResetError, FileNotFoundError, ConnectionRefusedError):
            handler.close_connection = True

    def _behind(self, path: str):
        connection = UnixConnection(self._socket, 30)
        connection.request("GET", path)
        return connection, connection.getresponse()

    def _pass_on(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        connection, response = self._behind(handler.path)
        handler.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                handler.send_header(name, value)
        handler.end_headers()
        while piece := response.read1(65536):
            handler.wfile.write(piece)
            handler.wfile.flush()
        connection.close()

    def _say_instead(self, handler: http.server.BaseHTTPRequestHandler, change: Change) -> None:
        connection, response = self._behind(handler.path)
        said = response.read()
        connection.close()
        body = json.dumps(change(handler.path, json.loads(said))).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.end_headers()
        handler.wfile.write(body)
