"""The HTTP server of the tests: a thread for each connection, and no word about a client that hangs up."""

from __future__ import annotations

import socket
from http.server import ThreadingHTTPServer


class QuietServer(ThreadingHTTPServer):
    """Commands run in the tests' own process: what a server prints would look as if a command had printed it."""

    daemon_threads = True

    def get_request(self) -> tuple[socket.socket, object]:
        """Bodies are sent at once: Nagle's algorithm waits 40 ms for the client to acknowledge the header."""
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what many tests are about."""
