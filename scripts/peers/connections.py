"""The writer's connections: one request at a time, sent in one piece, as cheaply as possible."""

import json
import socket
from http.client import HTTPResponse
from typing import Any

from scripts.peers.web_socket import pong, text_frame, upgrade

__all__ = ["JsonConnection", "SocketIoConnection"]

TIMEOUT_SECONDS = 30.0


def _connected(port: int) -> socket.socket:
    connected = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


class JsonConnection:
    """HTTP with JSON bodies on one connection, kept open.

    Attributes:
        headers: Sent with every request.
    """

    def __init__(self, port: int, headers: dict[str, str] | None = None) -> None:
        self.headers = headers or {}
        self._socket = _connected(port)

    def call(self, method: str, path: str, body: Any) -> Any:
        """Ask, and wait for the answer.

        Raises:
            RuntimeError: The answer is an error; its text is in the message.
        """
        payload = json.dumps(body, separators=(",", ":")).encode()
        fields = {
            "Host": "127.0.0.1",
            "Content-Type": "application/json",
            "Content-Length": str(len(payload)),
            **self.headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._socket.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + payload)
        response = HTTPResponse(self._socket, method=method)
        response.begin()
        answer = response.read()
        if response.status >= 400:
            raise RuntimeError(f"{method} {path}: {response.status} {answer[:300].decode()}")
        return json.loads(answer) if answer else None


class SocketIoConnection:
    """A Socket.IO client that emits events and waits for their acknowledgement."""

    def __init__(self, port: int) -> None:
        self._socket = _connected(port)
        self._read = b""
        self._number = 0
        self._socket.sendall(upgrade("/socket.io/?EIO=4&transport=websocket"))
        self._until(b"0{")
        self._socket.sendall(text_frame("40"))
        self._until(b"40{")

    def call(self, *event: Any) -> None:
        """Emit `event` and wait until the server has acknowledged it."""
        self._number += 1
        text = json.dumps(event, separators=(",", ":"))
        self._socket.sendall(text_frame(f"42{self._number}{text}"))
        self._until(f"43{self._number}[".encode())

    def _until(self, wanted: bytes) -> None:
        while wanted not in self._read:
            data = self._socket.recv(1 << 16)
            if not data:
                raise ConnectionError("the server ended the writer's connection")
            if answer := pong(data):
                self._socket.sendall(answer)
            self._read += data
        self._read = self._read.partition(wanted)[2]
