"""``make bench``: this server beside a bare one, in one run on one machine."""
