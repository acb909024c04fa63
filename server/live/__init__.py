"""Live queries: results that follow the feed. Matching, ordering and patching are pure."""
