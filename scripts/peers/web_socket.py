"""WebSocket frames of a client, as far as the bench needs them.

Source: RFC 6455, section 5.2. A client masks what it sends; a mask of zeros leaves it readable.
"""

__all__ = ["PING", "PONG", "SOCKET_IO_PING", "pong", "text_frame", "upgrade"]

PING = b"\x89\x00"
"""A server's ping without content."""
PONG = b"\x8a\x80\x00\x00\x00\x00"
"""The answer to it."""
SOCKET_IO_PING = b"\x81\x012"
"""Engine.IO's own ping, which is a text; its answer is ``text_frame("3")``."""


def upgrade(path: str) -> bytes:
    """The request that turns a connection into a WebSocket."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


def text_frame(text: str) -> bytes:
    """`text`, of less than 64 KB, as one frame."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        return bytes([0x81, 0x80 | size, 0, 0, 0, 0]) + payload
    return bytes([0x81, 0x80 | 126]) + size.to_bytes(2) + bytes(4) + payload


def pong(data: bytes) -> bytes:
    """What must be answered to the pings within `data`, or nothing."""
    if PING in data:
        return PONG
    return text_frame("3") if SOCKET_IO_PING in data else b""
