"""MongoDB's filter language, compiled."""

from server.live.matching.matcher import Matcher, compile_filter
from server.live.matching.named_paths import filter_paths
from server.live.matching.terms import Range
from server.live.ordering import NotCompiled

__all__ = ["Matcher", "NotCompiled", "Range", "compile_filter", "filter_paths"]
