"""How a subscription is opened: what is sent, and what is said back until it is live."""

from collections.abc import Mapping
from dataclasses import dataclass

from scripts.peers.web_socket import text_frame, upgrade

__all__ = ["Opening", "Step", "event_stream", "get", "web_socket"]


@dataclass(frozen=True)
class Step:
    """One exchange.

    Attributes:
        heard: What the server has said when this step is taken.
        answer: What is then sent, if anything.
    """

    heard: bytes
    answer: bytes = b""


@dataclass(frozen=True)
class Opening:
    """A conversation; the subscription is live after its last step.

    Attributes:
        request: What is sent first.
        steps: What follows, in order.
        pings: Whether the server asks for a sign of life.
    """

    request: bytes
    steps: tuple[Step, ...]
    pings: bool = False


def get(path: str, headers: Mapping[str, str] | None = None) -> bytes:
    """A GET request."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n".encode()


def event_stream(
    path: str, headers: Mapping[str, str] | None = None, heard: bytes = b"data:"
) -> Opening:
    """Server-sent events; live when `heard` has come."""
    return Opening(get(path, headers), (Step(heard),))


def web_socket(path: str, *steps: tuple[str, str]) -> Opening:
    """A WebSocket: pairs of what is heard, and of the text that is answered, if any."""
    answers = (
        Step(heard.encode(), text_frame(answer) if answer else b"") for heard, answer in steps
    )
    return Opening(upgrade(path), tuple(answers), pings=True)
