"""What takes secrets out of the events of an agent with these settings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from tailrace.key_files import chosen_key
from tailrace.redaction.rules import Redactors, redactors_of
from tailrace.redaction.tokens import kept_key
from tailrace_agent.config import AgentSettings


def redactors_for(settings: AgentSettings, *, folder: Path) -> Redactors:
    """Return the redactor of each source, by the key that is given or kept in `folder`.

    Raises:
        RoleNotInstalled: there are rules, and the extra `redaction` is missing.
        CommandFailed: the key cannot be read, kept or made.
    """
    rules = {source.name: source.redact for source in settings.sources}
    return redactors_of(rules, key=_key_of(settings, folder=folder))


def _key_of(settings: AgentSettings, *, folder: Path) -> Callable[[], bytes]:
    given = settings.redact_key.get_secret_value()
    if given:
        return given.encode
    if settings.redact_key_file is not None:
        return partial(chosen_key, settings.redact_key_file, name="redact_key_file")
    return partial(kept_key, folder)
