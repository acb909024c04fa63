"""``make bench-peers``: this server beside others that do its work, in one run on one machine."""
