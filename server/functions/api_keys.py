"""Keys that come with a call: in memory for that call only, never stored, logged or told."""

from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_core import PydanticCustomError

__all__ = ["ApiKeys", "claude_key"]


def _known_names(value: object) -> object:
    """Refuse what is no object of known names, repeating none: a name may be a key by mistake."""
    if not isinstance(value, dict) or not all(
        isinstance(key, str | SecretStr) for key in cast("dict[Any, object]", value).values()
    ):
        raise PydanticCustomError("api_keys", 'should be an object such as {"anthropic": key}')
    if cast("dict[Any, object]", value).keys() - {"anthropic"}:
        raise PydanticCustomError(
            "api_keys",
            "names a service that is not known here; the one that takes keys is anthropic, "
            'as {"anthropic": key}',
        )
    return cast("object", value)


ApiKeys = Annotated[
    dict[Literal["anthropic"], SecretStr],
    BeforeValidator(_known_names),
    Field(description='Keys for this call only, as {"anthropic": key}.'),
]


def claude_key(api_keys: ApiKeys | None) -> SecretStr | None:
    """The caller's own key for Claude; None where the server's is to be used."""
    return (api_keys or {}).get("anthropic")
