"""Which container a log belongs to, as its path tells it."""

from __future__ import annotations

import re
from functools import lru_cache

_PATTERNS = (
    re.compile(
        r"/pods/(?P<namespace>[^/_]{1,253})_(?P<pod>[^/_]{1,253})_(?P<uid>[^/_]{1,64})"
        r"/(?P<container>[^/]{1,253})/\d{1,9}\.log[^/]*$"
    ),
    re.compile(
        r"/containers/(?P<pod>[^/_]{1,253})_(?P<namespace>[^/_]{1,253})_"
        r"(?P<container>[^/_]{1,253})-(?P<id>[0-9a-f]{64})\.log[^/]*$"
    ),
    re.compile(r"/containers/(?P<id>[0-9a-f]{64})/(?P=id)-json\.log[^/]*$"),
)
_FIELDS = {
    "namespace": "kubernetes.namespace",
    "pod": "kubernetes.pod.name",
    "uid": "kubernetes.pod.uid",
    "container": "kubernetes.container.name",
    "id": "container.id",
}


@lru_cache(maxsize=4_096)
def container_fields(path: str) -> tuple[tuple[str, str], ...]:
    """Return fields of ECS and their values; none where the path is of another form.

    Names of namespaces, pods and containers hold no `_`, so it parts them safely.
    """
    for pattern in _PATTERNS:
        found = pattern.search(path)
        if found is not None:
            return tuple((_FIELDS[k], v) for k, v in found.groupdict().items())
    return ()
