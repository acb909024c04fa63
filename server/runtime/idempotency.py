"""Answers kept for a day, so that a call that is made again is answered and not done again."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from schemas.document import new_id
from server.core import limits
from server.core.errors import KeyInUse, KeyReused, Malformed
from server.runtime.caller import Caller
from server.store.collections import CALLS
from server.store.writes import Session

__all__ = ["KEY_LENGTH_MAX", "KeyedCall", "leave_trace"]

KEY_LENGTH_MAX = 200


class KeyedCall:
    """One call under an idempotency key. The key belongs to its caller and function.

    Raises:
        Malformed: The key is empty or too long.
    """

    def __init__(self, key: str, name: str, arguments: Mapping[str, Any], caller: Caller) -> None:
        if not 0 < len(key) <= KEY_LENGTH_MAX:
            raise Malformed(f"An Idempotency-Key has 1 to {KEY_LENGTH_MAX} characters.")
        self._name = name
        scope = orjson.dumps([caller.key, name, key])
        self._id = hashlib.sha256(scope).hexdigest()
        sorted_keys = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
        # The scope salts it: a hash of arguments alone could be guessed back to a secret in them.
        self._hash = hashlib.sha256(scope + orjson.dumps(arguments, option=sorted_keys)).hexdigest()

    async def answer(self, session: Session) -> bytes | None:
        """The answer kept, as JSON; None where the call is new.

        Raises:
            KeyReused: The key was used with other arguments.
            KeyInUse: The call is at work and has not answered yet.
        """
        found = await session.find(CALLS, {"_id": self._id}, limit=1)
        if not found:
            return None
        if found[0]["arguments"] != self._hash:
            raise KeyReused(
                f"This Idempotency-Key was used for {self._name} with other arguments; use a new "
                "key for a new call."
            )
        if "value" not in found[0]:
            raise KeyInUse(f"{self._name} is at work under this Idempotency-Key; ask again.")
        return bytes(found[0]["value"])

    async def keep(self, session: Session, value: bytes, client: str | None) -> None:
        """Keep the answer of a call that is done."""
        record = self._record(client, limits.IDEMPOTENCY_SECONDS) | {"value": value}
        await session.insert(CALLS, record)

    async def begin(self, session: Session) -> None:
        """Claim the key for a call that will take its time.

        Raises:
            pymongo.errors.DuplicateKeyError: Somebody else has claimed it.
        """
        await session.insert(CALLS, self._record(None, int(limits.ACTION_SECONDS_MAX)))

    async def finish(self, session: Session, value: bytes) -> None:
        """Keep the answer of a call that `begin` claimed."""
        update = {"value": value, "expiresAt": _after(limits.IDEMPOTENCY_SECONDS)}
        await session.apply(CALLS, {"_id": self._id}, {"$set": update})

    async def forget(self, session: Session) -> None:
        """Let go of a claim: the call failed before it answered, and may be made again."""
        await session.delete_many(CALLS, {"_id": self._id, "value": {"$exists": False}}, one=True)

    def _record(self, client: str | None, seconds: int) -> dict[str, Any]:
        record = {
            "_id": self._id,
            "function": self._name,
            "arguments": self._hash,
            "expiresAt": _after(seconds),
        }
        return record | ({"client": client} if client else {})


async def leave_trace(session: Session, name: str, client: str) -> None:
    """Write down which client's mutation this was; whoever serves its stream sees it pass."""
    record = {"_id": new_id(), "function": name, "client": client}
    await session.insert(CALLS, {**record, "expiresAt": _after(limits.MUTATION_RECORD_SECONDS)})


def _after(seconds: int) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)
