"""What the lines of a dataset are, as Elastic's integration of that name says of all of them.

It is the same for every line, so a chunk's documents have it in common. What differs from line to
line, such as an outcome, is a parser's to say, and where it says a field nothing stands here.
"""

from __future__ import annotations

from collections.abc import Mapping

from tailrace.detect import parser_for
from tailrace.wire import Placement

KIND = "event.kind"
CATEGORY = "event.category"
TYPE = "event.type"

Words = Mapping[str, str | tuple[str, ...]]

NO_WORDS: Words = {}
_EVENT: Words = {KIND: "event"}
WORDS: Mapping[str, Words] = {
    "nginx.access": {**_EVENT, CATEGORY: ("web",), TYPE: ("access",)},
    "apache.access": {**_EVENT, CATEGORY: ("web",)},
    "traefik.access": {
        **_EVENT,
        CATEGORY: ("web",),
        TYPE: ("access",),
        "network.transport": "tcp",
        "observer.vendor": "traefik",
        "observer.product": "traefik",
        "observer.type": "proxy",
    },
    # Measures of a virtual machine.
    "elasticsearch.gc": {KIND: "metric", "service.type": "elasticsearch"},
    **dict.fromkeys(
        (
            *("nginx.error", "apache.error", "iis.access"),
            *("haproxy.log", "system.auth", "kafka.log", "redis.log", "mongodb.log"),
            *("mysql.error", "mysql.slowlog", "postgresql.log"),
            *("elasticsearch.server", "elasticsearch.slowlog"),
            *("elasticsearch.deprecation", "elasticsearch.audit"),
        ),
        _EVENT,
    ),
}
"""By dataset."""


def words_of(placement: Placement) -> Words:
    """Return the fields of each line that is one of its dataset."""
    if placement.parser != parser_for(placement.dataset):
        return NO_WORDS  # Whoever reads it otherwise says what it is.
    return WORDS.get(placement.dataset, NO_WORDS)
