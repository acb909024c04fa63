"""Words to make up conversations from."""

from random import Random

__all__ = ["FILES", "NAMES", "SUBJECTS", "VERBS", "sentences"]

NAMES = [
    "Ada Abel", "Bram Brook", "Chidi Okafor", "Dora Delta", "Emre Estuary", "Fatima Fjord",
    "Goro Geyser", "Hana Hill", "Ines Inlet", "Jonas Jetty", "Kofi Kanal", "Lena Lagoon",
    "Mira Marsh", "Noor North", "Otto Oxbow", "Priya Pool", "Quinn Quay", "Rosa Rapids",
    "Sven Spring", "Tara Tarn", "Uma Upland", "Viktor Vale", "Wanda Weir", "Xenia Xylo",
    "Yusuf Yards", "Zoe Zander", "Amir Ash", "Bea Birch", "Cosmo Cedar", "Dilek Dune",
    "Elif Elm", "Finn Fen", "Greta Grove", "Hugo Heath", "Iris Isle", "Juno Juniper",
    "Kai Knoll", "Luz Loch", "Milo Moor", "Nadia Nook",
]  # fmt: skip
VERBS = [
    "Explain", "Rewrite", "Measure", "Test", "Document", "Simplify", "Review", "Speed up",
    "Migrate", "Draw", "Compare", "Mend",
]  # fmt: skip
SUBJECTS = [
    "the login page", "the import of invoices", "the search index", "the nightly report",
    "the river model", "the retry policy", "the price list", "the map of gauges",
    "the onboarding", "the cache of images", "the flood warning", "the release notes",
    "the sensor driver", "the query planner",
]  # fmt: skip
FILES = [
    "src/app.py", "src/river.py", "src/gauges/driver.py", "src/search/index.py", "web/main.js",
    "web/map.css", "tests/test_river.py", "docs/flood.md", "README.md", "pyproject.toml",
]  # fmt: skip

_OPENINGS = ["First,", "As far as I can tell,", "In short,", "Note that", "Then", "For now,"]
_DOERS = ["the parser", "each worker", "that test", "our model", "the second query", "the index"]
_DEEDS = [
    "reads the file twice", "keeps what it has seen", "waits for the slowest part",
    "drops **what nobody asked for**", "is asked `once a minute`", "says nothing when it fails",
    "takes most of the time", "can be made half as long",
]  # fmt: skip
_REASONS = [
    "because the order matters there", "so that nothing is lost", "unless the lock is held",
    "which the log shows", "and I would leave it so", "but only on Mondays",
]  # fmt: skip


def sentences(rng: Random, count: int) -> str:
    """Some made-up sentences, in Markdown."""
    return " ".join(_sentence(rng) for _ in range(count))


def _sentence(rng: Random) -> str:
    opening, doer, deed = rng.choice(_OPENINGS), rng.choice(_DOERS), rng.choice(_DEEDS)
    return f"{opening} {doer} {deed}, {rng.choice(_REASONS)}."
