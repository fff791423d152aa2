"""The HTTP server of the tests: a thread for each connection, and no word about a client that hangs up."""

from __future__ import annotations

from http.server import ThreadingHTTPServer


class QuietServer(ThreadingHTTPServer):
    """Commands run in the tests' own process: what a server prints would look as if a command had printed it."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what many tests are about."""
