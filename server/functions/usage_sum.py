"""What a reply took, summed over its steps and attempts."""

from schemas.chat_messages import ChatMessage
from schemas.chat_messages import Usage as MessageUsage
from server.llm import Usage

__all__ = ["UsageSum"]


class UsageSum:
    """The tokens of a reply.

    Args:
        message: The message, as the attempt found it.

    Attributes:
        tokens: Of output, that this attempt took.
        counted: Of the step that is being heard, what Claude has counted.
        is_cut: Whether something was not counted to its end.
    """

    def __init__(self, message: ChatMessage) -> None:
        self.tokens = 0
        self.counted = Usage()
        self._sum = message.usage or MessageUsage()
        self.is_cut = message.step is not None or not self._sum.final

    def add(self, counted: Usage) -> None:
        """Add what a step took to the sum."""
        known = self._sum
        self.tokens += counted.output_tokens
        self._sum = MessageUsage(
            prompt_tokens=known.prompt_tokens + counted.prompt_tokens,
            completion_tokens=known.completion_tokens + counted.output_tokens,
            total_tokens=known.total_tokens + counted.total_tokens,
            cache_read_tokens=known.cache_read_tokens + counted.cache_read_input_tokens,
            cache_write_tokens=known.cache_write_tokens + counted.cache_creation_input_tokens,
            thinking_tokens=known.thinking_tokens + counted.thinking_tokens,
        )
        self.counted = Usage()

    def total(self) -> MessageUsage:
        """The sum."""
        self._sum.final = not self.is_cut
        return self._sum
