"""MongoDB as the judge of filters and orders, and failures kept as files once it has judged."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from bson import json_util
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.json_util import JSONOptions
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import OperationFailure

from server.live.matching import NotCompiled, compile_filter
from server.live.ordering import Unsortable, compile_sort

FAILURES = Path(__file__).parent / "failures" / "filters"

CODEC = CodecOptions[dict[str, Any]](
    tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
JSON = JSONOptions(
    json_mode=json_util.JSONMode.CANONICAL,
    tz_aware=True,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)

Documents = list[dict[str, Any]]
Case = dict[str, Any]
"""``{"documents", "filter"}`` or ``{"documents", "sort"}``."""


class Oracle:
    """A collection of MongoDB's, and its documents as it gives them back."""

    def __init__(self, uri: str, name: str) -> None:
        self._client = MongoClient[dict[str, Any]](uri)
        self._name = name
        self._collection: Collection[dict[str, Any]] = self._client.get_database(
            name, CODEC
        ).get_collection("documents")

    def close(self) -> None:
        self._client.drop_database(self._name)
        self._client.close()

    def hold(self, documents: Sequence[Mapping[str, Any]]) -> Documents:
        self._collection.delete_many({})
        if documents:
            self._collection.insert_many([dict(document) for document in documents])
        return list(self._collection.find())

    def matching(self, query: Mapping[str, Any]) -> set[Any] | None:
        """The ids of what matches; None where MongoDB refuses the filter."""
        try:
            return {document["_id"] for document in self._collection.find(query, {"_id": 1})}
        except OperationFailure:
            return None

    def sorted(self, sort: list[tuple[str, int]], ids: list[Any]) -> list[Any] | None:
        """`ids` in order; None where MongoDB refuses to sort them."""
        try:
            found = self._collection.find({"_id": {"$in": ids}}, {"_id": 1}).sort(sort)
            return [document["_id"] for document in found]
        except OperationFailure:
            return None

    def fault(self, case: Case) -> str | None:
        """How we differ from MongoDB in `case`."""
        held = self.hold(case["documents"])
        if "sort" in case:
            sort = [(path, direction) for path, direction in case["sort"]]
            return self.sort_fault(sort, held)
        return self.filter_fault(case["filter"], held)

    def filter_fault(self, query: dict[str, Any], held: Documents) -> str | None:
        """How we differ from MongoDB in what matches."""
        wanted = self.matching(query)
        try:
            matcher = compile_filter(query)
        except NotCompiled as error:
            refused = "MongoDB refuses" in str(error)
            return f"refused: {error}" if refused and wanted is not None else None
        if wanted is None:
            return None
        found = {document["_id"] for document in held if matcher.matches(document)}
        if matcher.asks is not None and wanted <= found:
            return None
        return (
            None if found == wanted else f"too much {found - wanted}, too little {wanted - found}"
        )

    def sort_fault(self, sort: list[tuple[str, int]], held: Documents) -> str | None:
        """How we differ from MongoDB in the order, or in what has none."""
        wanted = self.sorted(sort, [document["_id"] for document in held])
        try:
            order = compile_sort(sort)
        except NotCompiled:
            return None
        try:
            found = [document["_id"] for document in sorted(held, key=order)]
        except Unsortable:
            found = None
        return None if found == wanted else f"{found}, wanted {wanted}"

    def report(self, case: Case) -> str:
        """Shrink a case that fails, keep it as a file, and say what it is."""
        case = shrunk(case, lambda smaller: self._still_fails(smaller))
        text = json_util.dumps(case, indent=1, json_options=JSON)
        path = FAILURES / f"{sha256(text.encode()).hexdigest()[:12]}.json"
        FAILURES.mkdir(exist_ok=True)
        path.write_text(text + "\n")
        return f"{self.fault(case)}\n{case}\nkept as {path.name}"

    def _still_fails(self, case: Case) -> bool:
        try:
            return self.fault(case) is not None
        except Exception:
            return False  # not a case at all any more


def kept_failures() -> list[Path]:
    return sorted(FAILURES.glob("*.json"))


def load_failure(path: Path) -> Case:
    return cast("Case", json_util.loads(path.read_text(), json_options=JSON))


def shrunk(case: Case, fails: Callable[[Case], bool]) -> Case:
    """A smaller case that fails too, found by leaving out one thing after another."""
    for _ in range(200):
        smaller = next((one for one in _smaller(case) if fails(cast("Case", one))), None)
        if smaller is None:
            break
        case = cast("Case", smaller)
    return case


def _smaller(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        for name, inner in fields.items():
            if name not in ("documents", "filter", "sort", "_id"):
                yield {k: v for k, v in fields.items() if k != name}
            for one in _smaller(inner):
                yield {**fields, name: one}
    elif isinstance(value, list):
        items = cast("list[Any]", value)
        if len(items) > 3:
            yield items[: len(items) // 2]
            yield items[len(items) // 2 :]
        for index, inner in enumerate(items):
            yield items[:index] + items[index + 1 :]
            for one in _smaller(inner):
                yield [*items[:index], one, *items[index + 1 :]]
