"""Sync streams: what one client has seen of its queries, and what comes next."""
