"""The beginning and the end of a text that is told bit by bit."""

from collections import deque

__all__ = ["Excerpt"]


class Excerpt:
    """Keeps as many characters as it may, half from the beginning and half from the end."""

    def __init__(self, characters_max: int) -> None:
        self._head_left = characters_max // 2
        self._tail_max = characters_max - self._head_left
        self._head: list[str] = []
        self._tail: deque[str] = deque()
        self._tail_length = 0
        self._omitted = 0

    def add(self, text: str) -> None:
        """Go on with `text`."""
        head, text = text[: self._head_left], text[self._head_left :]
        if head:
            self._head.append(head)
            self._head_left -= len(head)
        if not text:
            return
        self._tail.append(text)
        self._tail_length += len(text)
        while (excess := self._tail_length - self._tail_max) > 0:
            first = self._tail.popleft()
            if len(first) > excess:
                self._tail.appendleft(first[excess:])
            cut = min(len(first), excess)
            self._tail_length -= cut
            self._omitted += cut

    def __str__(self) -> str:
        mark = f"\n[{self._omitted:,} characters left out]\n" if self._omitted else ""
        return "".join([*self._head, mark, *self._tail])
