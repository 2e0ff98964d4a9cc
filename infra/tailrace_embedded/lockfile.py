"""How `artifacts.json` is made: versions in, every file with size and SHA-256 out.

Run by a developer who changes a version (`python -m tailrace_embedded lock`); users only
ever read the result.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from tailrace_embedded.artifacts import MANIFEST_FILE, Manifest
from tailrace_embedded.maven import resolve_jars, resolve_zip

# Kafka and ZooKeeper bring only the slf4j interface; log4j makes it write to a file.
KAFKA = (
    "org.apache.kafka:kafka_2.13:4.1.0",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3",
)
# ZooKeeper's POM does not bring the last two, and the server does not start without.
ZOOKEEPER = (
    "org.apache.zookeeper:zookeeper:3.9.4",
    "org.apache.logging.log4j:log4j-slf4j2-impl:2.24.3",
    "io.dropwizard.metrics:metrics-core:4.1.12.1",
    "org.xerial.snappy:snappy-java:1.1.10.5",
)
ELASTICSEARCH = (
    "org.elasticsearch.distribution.integ-test-zip",
    "elasticsearch",
    "9.2.4",
)

# Native TLS for five platforms, and test doubles that a POM brings by mistake.
EXCLUDED_NAMES = frozenset(
    {
        "byte-buddy",
        "byte-buddy-agent",
        "mockito-core",
        "netty-tcnative-boringssl-static",
        "objenesis",
    }
)


def write_manifest(*, work_dir: Path) -> Path:
    """Resolve and download everything into `work_dir`; return the manifest written."""
    group, name, version = ELASTICSEARCH
    manifest = Manifest(
        kafka=tuple(resolve_jars(KAFKA, into=work_dir, excluded_names=EXCLUDED_NAMES)),
        zookeeper=tuple(
            resolve_jars(ZOOKEEPER, into=work_dir, excluded_names=EXCLUDED_NAMES)
        ),
        elasticsearch=(
            resolve_zip(group=group, name=name, version=version, into=work_dir),
        ),
    )
    encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    MANIFEST_FILE.write_bytes(encoded + b"\n")
    return MANIFEST_FILE
