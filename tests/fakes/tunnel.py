"""A proxy whose tunnels all end at one port of this machine, whatever public name they were asked for."""

from __future__ import annotations

import socket
import threading


class Tunnel:
    """``with Tunnel(port) as tunnel: environ["https_proxy"] = tunnel.url``."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.asked: list[str] = []
        self.dead: set[str] = set()  # hosts that nobody reaches
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://localhost:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Tunnel:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        target = self._read_target(client)
        self.asked.append(target)
        if target.rpartition(":")[0] in self.dead:
            client.close()
            return
        server = socket.create_connection(("127.0.0.1", self._port))
        client.sendall(self._established)
        threading.Thread(target=_pass_on, args=(server, client), daemon=True).start()
        _pass_on(client, server)

    _established = b"HTTP/1.1 200 Connection established\r\n\r\n"

    def _read_target(self, client: socket.socket) -> str:
        """The host and port that a client asks for."""
        said = b""
        while b"\r\n\r\n" not in said:
            said += client.recv(4096)
        return said.split()[1].decode()


class SocksProxy(Tunnel):
    """The same as a SOCKS5 proxy (RFC 1928) without a password, which is asked for names (``socks5h``)."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.url = self.url.replace("http", "socks5h")

    _established = b"\5\0\0\1" + bytes(6)

    def _read_target(self, client: socket.socket) -> str:
        with client.makefile("rb") as stream:
            _, methods = stream.read(2)
            stream.read(methods)
            client.sendall(b"\5\0")
            assert stream.read(4) == b"\5\1\0\3", "expected: connect to a name"
            name = stream.read(stream.read(1)[0]).decode()
            return f"{name}:{int.from_bytes(stream.read(2), 'big')}"


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(1 << 16):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
