"""Which parser reads the log of which server: those that are named by their dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from tailrace_stream.parsers import (
    apache_error,
    auth,
    cef,
    csv,
    elasticsearch,
    gelf,
    haproxy,
    iis,
    java_gc,
    kafka,
    klog,
    mongodb,
    mysql_error,
    mysql_slowlog,
    nginx_error,
    postgresql,
    python,
    redis,
    traefik,
    zookeeper,
)
from tailrace_stream.parsers.dating import Dating

PARSERS: Mapping[str, Callable[[pl.Series, Dating], pl.DataFrame]] = {
    "nginx.error": nginx_error.parse,
    "apache.error": apache_error.parse,
    "system.auth": auth.parse,
    "postgresql.log": postgresql.parse,
    "mysql.error": mysql_error.parse,
    "mysql.slowlog": mysql_slowlog.parse,
    "redis.log": redis.parse,
    "mongodb.log": mongodb.parse,
    "haproxy.log": haproxy.parse,
    "traefik.access": traefik.parse,
    "elasticsearch.server": elasticsearch.parse_server,
    "elasticsearch.slowlog": elasticsearch.parse_slowlog,
    "elasticsearch.deprecation": elasticsearch.parse_deprecation,
    "elasticsearch.audit": elasticsearch.parse_audit,
    "elasticsearch.gc": java_gc.parse,
    "kafka.log": kafka.parse,
    "zookeeper.log": zookeeper.parse,
    "iis.access": iis.parse,
    "python": python.parse,
    "csv": csv.parse,
    "klog": klog.parse,
    "gelf": gelf.parse,
    "cef": cef.parse,
}
"""By the name of a dataset, which the parser bears, too: see `tailrace.datasets`."""
