"""What the endpoints work on; the app builds it and puts it into each request's scope."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from schemas.wire.position import Position, Time
from server.core.errors import Unavailable
from server.feed.feed import Feed
from server.live.registry import Registry
from server.live.ticker import Ticker
from server.runtime import Actions, Runtime
from server.runtime.call_runner import CallRunner
from server.runtime.every_runner import EveryRunner
from server.settings import Settings
from server.store.reads import Reads
from server.store.scheduled_calls import ScheduledCalls
from server.store.schedules import Schedules
from server.sync.hub import Hub
from server.web.auth import Authenticate

__all__ = ["Services", "services_of"]


@dataclass(frozen=True)
class Services:
    """One server's parts, as far as HTTP needs them."""

    settings: Settings
    build: str
    authenticate: Authenticate | None
    runtime: Runtime
    actions: Actions
    everies: Sequence[EveryRunner]
    call_runner: CallRunner
    schedules: Schedules
    calls: ScheduledCalls
    registry: Registry
    ticker: Ticker
    hub: Hub
    feed: Feed
    reads: Reads
    standin: bool

    def position(self, time: Time) -> str:
        """A cluster time as a client sees it."""
        return str(Position(time, self.build))


def services_of(connection: HTTPConnection) -> Services:
    """The services of the app that serves `connection`.

    Raises:
        Unavailable: The app was mounted and its host never entered its lifespan.
    """
    services: Services | None = getattr(connection.app.state, "services", None)
    if services is None:
        raise Unavailable(
            "Headwater has not been started; the app that mounts it must enter app.lifespan()."
        )
    return services
