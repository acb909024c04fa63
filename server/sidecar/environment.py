"""The environment of commands: this process's, without what is secret in it."""

import re
from collections.abc import Mapping

__all__ = ["without_secrets"]

_SECRET = re.compile(
    r"^(HEADWATER|ANTHROPIC|AWS|AZURE|GOOGLE|OPENAI)_"
    r"|TOKEN|KEY|SECRET|PASS(WORD|WD|PHRASE)?($|_)|CREDENTIAL|(^|_)AUTH($|_)|BEARER|COOKIE|SESSION"
    r"|(DATABASE|MONGO(DB)?|POSTGRES|MYSQL|REDIS|AMQP|SENTRY)_?(URL|URI|DSN)",
    re.IGNORECASE,
)
_LOCATOR_WITH_PASSWORD = re.compile(r"^[a-z][a-z0-9+.-]*://[^/@\s]*:[^/@\s]*@", re.IGNORECASE)


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` without variables whose name or value says that they are secret."""
    return {
        name: value
        for name, value in environment.items()
        if not _SECRET.search(name) and not _LOCATOR_WITH_PASSWORD.search(value)
    }
