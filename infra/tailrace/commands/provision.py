"""`tailrace provision`: topics and templates, safe to repeat."""

from __future__ import annotations

from tailrace.commands.common import AsJson, ConfigFile, DataDir, write_json, write_line


def provision(
    config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Make the topics and the index templates that the roles need."""
    import msgspec

    from tailrace.provision import provision as provision_all
    from tailrace.settings import read_connections

    connections = read_connections(config, data_dir=data_dir)
    report = msgspec.to_builtins(provision_all(connections))
    if as_json:
        write_json(report)
        return
    for name, value in report.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        write_line(f"{name.replace('_', ' ')}: {shown or 'none'}")
