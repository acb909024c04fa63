"""The models we know and what each can do.

Source: https://platform.claude.com/docs/en/about-claude/models and each model's "What's new".
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from server.llm.errors import ModelRetired, ModelUnknown

__all__ = ["DEFAULT_MODEL", "KNOWN_MODELS", "OUTPUT_TOKENS_DEFAULT", "Model", "find_model"]

DEFAULT_MODEL = "claude-sonnet-5-5"

OUTPUT_TOKENS_DEFAULT = 16_384
"""How many tokens a reply may have, thinking included, when the caller does not say."""

_BUDGET_TOKENS_MIN = 1_024
_BUDGET_TOKENS_DEFAULT = 4_096


@dataclass(frozen=True, slots=True)
class Model:
    """A model, and how it wants to be asked."""

    name: str
    thinking: Literal["adaptive", "budget", "unstated"]
    """``adaptive``: the model decides how much. ``budget``: the older form, with a number of
    tokens. ``unstated``: we do not know the model, and leave thinking to its default."""
    thinking_off: Literal["between_tools", "disabled"] | None = None
    """How to ask for no thinking before the answer; None where that cannot be asked."""
    output_tokens_max: int = 128_000
    is_prefillable: bool = False
    """Whether a request may end with an assistant turn, for the model to go on from."""
    is_samplable: bool = False
    """Whether ``temperature``, ``top_p`` and ``top_k`` are accepted."""
    binds_thinking: bool = True
    """Whether a thinking block is refused once anything before it has changed."""
    retires: date | None = None
    """The first day on which the model is no longer offered, where one is announced."""

    def thinking_parameter(self, *, wanted: bool, max_tokens: int) -> dict[str, Any] | None:
        """The request's ``thinking``, or None to leave it out.

        Thinking is asked for in its summarised form, since current models show none by default.
        A model that always thinks is asked to keep the text to itself when none is wanted.
        """
        if self.thinking == "adaptive":
            if wanted or self.thinking_off is None:
                return {"type": "adaptive", "display": "summarized" if wanted else "omitted"}
            return {"type": self.thinking_off}
        # The budget must lie below max_tokens and leave room for the answer.
        budget = min(_BUDGET_TOKENS_DEFAULT, max_tokens // 2)
        if self.thinking == "budget" and wanted and budget >= _BUDGET_TOKENS_MIN:
            return {"type": "enabled", "budget_tokens": budget}
        return None


KNOWN_MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        Model("claude-sonnet-5-5", thinking="adaptive", thinking_off="between_tools"),
        Model("claude-opus-5-5", thinking="adaptive"),
        Model("claude-haiku-5-5", thinking="adaptive", thinking_off="disabled"),
        Model("claude-fable-5-2", thinking="adaptive"),
        *(
            Model(
                name,
                thinking="budget",
                output_tokens_max=64_000,
                is_prefillable=True,
                is_samplable=True,
                binds_thinking=False,
                retires=date(2026, 11, 30),
            )
            for name in ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929")
        ),
    )
}


def find_model(name: str, today: date) -> Model:
    """The model of this name, as offered on the day `today`.

    A name that begins with ``claude-`` and is not in our table is taken as it is: new models come
    more often than new versions of this program, and the service knows best which exist.

    Raises:
        ModelRetired: It is no longer offered. The caller's fault, or that of stored settings.
        ModelUnknown: It cannot be a Claude model. The caller's fault.
    """
    model = KNOWN_MODELS.get(name)
    if model is None:
        if name.startswith("claude-"):
            return Model(name, thinking="unstated")
        raise ModelUnknown(
            f"{name!r} is not a Claude model. Name one of "
            f"{', '.join(m for m, known in KNOWN_MODELS.items() if known.retires is None)}."
        )
    if model.retires is not None and today >= model.retires:
        raise ModelRetired(
            f"{name} was retired on {model.retires:%d %B %Y}. Use {DEFAULT_MODEL} instead."
        )
    return model
