"""`tailrace provision`: topics and templates, safe to repeat."""

from __future__ import annotations

from tailrace.commands.common import AsJson, ConfigFile, DataDir, write_json, write_line
from tailrace.extras import require


def provision(
    config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Make the topics and the index templates that the roles need."""
    require("indexer")
    from dataclasses import asdict

    from tailrace.provision import provision as provision_all
    from tailrace.settings import read_connections

    connections = read_connections(config, data_dir=data_dir)
    report = asdict(provision_all(connections))
    if as_json:
        write_json(report)
        return
    for name, names in report.items():
        write_line(f"{name.replace('_', ' ')}: {', '.join(names) or 'none'}")
