"""A client that writes: by mutations with keys and without, and past the server, by the driver."""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import httpx2
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from tests.consistency.history import Time, picture
from tests.consistency.observer import RETRY_SECONDS, time_of

KINDS = ["keyed", "keyed", "twice", "plain", "touch", "direct", "direct_touch"]


@dataclass(frozen=True)
class Read:
    """One read of all accounts, and how far the clients had been told before it was asked for."""

    known: Time
    time: Time
    picture: Any


@dataclass
class Knowledge:
    """What all writers of a run know together.

    Attributes:
        acknowledged: Each write that was, and the time of its acknowledgement.
        attempted: Every write that was tried.
        told: The latest time that anybody was told.
        reads: One-shot reads.
        complaints: What no server may ever say.
    """

    acknowledged: dict[str, Time] = field(default_factory=dict)
    attempted: set[str] = field(default_factory=set)
    told: Time = (0, 0)
    reads: list[Read] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    numbers: int = 0


@dataclass
class Writer:
    """One after another, random writes to the accounts of a run.

    Attributes:
        doing: The kind and the id of the latest write.
        refused: Why a call was answered by no result, the latest time.
    """

    run_id: str
    accounts: list[str]
    servers: list[httpx2.AsyncClient]
    database: Any
    knowledge: Knowledge
    rng: random.Random
    doing: str = ""
    refused: str = ""

    async def run(self, ended: asyncio.Event) -> None:
        """Write until `ended`; a write that has a key is finished first."""
        while not ended.is_set():
            await self._write(self.rng.choice(KINDS))
            if self.rng.random() < 0.4:
                await self._read()
            await asyncio.sleep(self.rng.choice([0, 0, 0.002, 0.01, 0.05]))

    async def end(self) -> Time:
        """Make the run's last write, however long it takes; gives its time."""
        write = f"{self.run_id}-end"
        number = 1_000_000
        self.doing = write
        arguments = {"source": self.accounts[0], "target": self.accounts[1], "amount": 0}
        return await self._until_answered("transfer", write, {**arguments, "number": number})

    async def _write(self, kind: str) -> None:
        self.knowledge.numbers += 1
        number = self.knowledge.numbers
        write = f"{self.run_id}-w{number}"
        self.knowledge.attempted.add(write)
        self.doing = f"{kind} {write}"
        source, target = self.rng.sample(self.accounts, 2)
        amount = self.rng.randint(1, 100)
        arguments = {"source": source, "target": target, "amount": amount, "number": number}
        match kind:
            case "keyed":
                await self._until_answered("transfer", write, arguments)
            case "twice":
                times = await asyncio.gather(
                    self._until_answered("transfer", write, arguments),
                    self._until_answered("transfer", write, arguments),
                )
                del times
            case "plain":
                await self._once("transfer", write, {"run": self.run_id, **arguments})
            case "touch":
                await self._once("touch", write, {"account": source})
            case "direct":
                await self._direct(write, number, source, target, amount)
            case _:
                await self._direct_touch(write, source)

    def _acknowledge(self, write: str, time: Time) -> None:
        # A second answer under a key has a later time; the write itself was there at the first.
        known = self.knowledge.acknowledged.get(write, time)
        self.knowledge.acknowledged[write] = min(known, time)
        self.knowledge.told = max(self.knowledge.told, time)

    # --- by the server -------------------------------------------------------------------------

    async def _until_answered(self, name: str, write: str, arguments: dict[str, Any]) -> Time:
        arguments = {"run": self.run_id, **arguments}
        while True:
            time = await self._once(name, write, arguments, key=write)
            if time is not None:
                return time
            await asyncio.sleep(RETRY_SECONDS)

    async def _once(
        self, name: str, write: str, arguments: dict[str, Any], key: str | None = None
    ) -> Time | None:
        headers = {"Headwater-Client": self.run_id}
        if key:
            headers["Idempotency-Key"] = key
        try:
            response = await self.rng.choice(self.servers).post(
                f"/api/mutation/bankApp.{name}",
                json={"write": write, **arguments},
                headers=headers,
                timeout=60,
            )
        except httpx2.HTTPError as error:
            self.refused = repr(error)
            return None
        self.refused = f"{response.status_code} {response.text}"
        if response.status_code == 200:
            time = time_of(response.json()["position"])
            self._acknowledge(write, time)
            return time
        if response.status_code != 503:
            self.knowledge.complaints.append(f"{name}: {response.status_code} {response.text}")
        return None

    async def _read(self) -> None:
        known = self.knowledge.told
        try:
            response = await self.rng.choice(self.servers).post(
                "/api/query/bankApp.everything", json={"run": self.run_id}, timeout=60
            )
        except httpx2.HTTPError:
            return
        if response.status_code == 200:
            told = response.json()
            read = Read(known, time_of(told["position"]), picture(told["value"]))
            self.knowledge.reads.append(read)
        elif response.status_code not in (500, 503):  # 500 is `query_timeout`
            self.knowledge.complaints.append(f"query: {response.status_code} {response.text}")

    # --- past it -------------------------------------------------------------------------------

    async def _direct(self, write: str, number: int, source: str, target: str, amount: int) -> None:
        client: AsyncMongoClient[dict[str, Any]] = self.database.client

        async def body(session: Any) -> None:
            versions: dict[str, int] = {}
            for account, sign in ((source, -1), (target, 1)):
                update = {
                    "$inc": {"amount": sign * amount, "version": 1},
                    "$set": {"writer": write},
                }
                accounts = self.database["accounts"]
                found = await accounts.find_one_and_update(
                    {"_id": account}, update, return_document=True, session=session
                )
                versions[account] = found["version"]
            entry = {"_id": write, "run": self.run_id, "number": number, "versions": versions}
            await self.database["entries"].insert_one(entry, session=session)

        try:
            async with client.start_session() as session:
                await session.with_transaction(body)
                self._acknowledge(write, _operation_time(session))
        except PyMongoError:
            pass  # whether it was made is not known

    async def _direct_touch(self, write: str, account: str) -> None:
        client: AsyncMongoClient[dict[str, Any]] = self.database.client
        update = {"$inc": {"version": 1}, "$set": {"writer": write}}
        try:
            async with client.start_session() as session:
                await self.database["accounts"].update_one(
                    {"_id": account}, update, session=session
                )
                self._acknowledge(write, _operation_time(session))
        except PyMongoError:
            pass


def _operation_time(session: Any) -> Time:
    return session.operation_time.time, session.operation_time.inc
