"""What of a MongoDB URI may be shown: its hosts."""

import re

__all__ = ["shown_hosts"]

HOSTS = re.compile(r"[\w.\-%\[\]:]+?(:\d+)?(,[\w.\-%\[\]:]+?(:\d+)?)*")


def shown_hosts(uri: str) -> str:
    """The hosts of `uri`, and nothing that could be a part of a password or an option.

    A password written without its percent-escapes may hold any of ``/?@``, so everything before
    the last ``@`` is taken for secret, even where that costs the hosts of an odd but valid URI.
    """
    rest = uri.rpartition("@")[2] if "@" in uri else uri.rpartition("://")[2]
    hosts = re.split(r"[/?]", rest, maxsplit=1)[0]
    return hosts if HOSTS.fullmatch(hosts) else "(unreadable)"
