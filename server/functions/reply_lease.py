"""Who may write a reply, and until when.

Every write of whoever writes a reply is *fenced*: its filter names the attempt, a running status
and a lease that has not expired by MongoDB's clock. What matches nothing is not written.
"""

from datetime import datetime, timedelta
from typing import Any

from schemas.chat_messages import ChatMessage, Lease
from schemas.document import new_id
from server.runtime import ActionCtx, MutationCtx

__all__ = ["EXPIRED", "LEASE_SECONDS", "RUNNING", "fence", "new_lease", "renew"]

LEASE_SECONDS = 10.0
"""How long a reply is its writer's, unless renewed. A killed process is noticed after this."""

OWNER = new_id()
"""This process, as leases name it."""

RUNNING = ["PENDING", "STREAMING"]

EXPIRED: dict[str, Any] = {
    "status": {"$in": RUNNING},
    "$expr": {"$lte": ["$lease.expiresAt", "$$NOW"]},
}
"""The filter of the replies whose writer is gone."""


def fence(message_id: str, attempt: int) -> dict[str, Any]:
    """The filter of every write of this attempt."""
    return {
        "_id": message_id,
        "lease.attempt": attempt,
        "status": {"$in": RUNNING},
        "$expr": {"$gt": ["$lease.expiresAt", "$$NOW"]},
    }


async def renew(ctx: ActionCtx | MutationCtx, query: dict[str, Any]) -> bool:
    """Give the lease of the reply that matches its full time again; whether one matched."""
    until = {"$add": ["$$NOW", round(LEASE_SECONDS * 1000)]}
    unchanged = {"updatedAt": "$updatedAt"}  # nobody need see it
    return await ctx.update_one(
        ChatMessage, query, [{"$set": {"lease.expiresAt": until, **unchanged}}]
    )


def new_lease(attempt: int, now: datetime) -> Lease:
    """A lease of ours from `now`, which must be MongoDB's, or else be followed by `renew`."""
    until = now + timedelta(seconds=LEASE_SECONDS)
    return Lease(owner=OWNER, attempt=attempt, expires_at=until)
