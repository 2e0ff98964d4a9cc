"""How settings become what redacts: the key is read once, as the worker starts."""

from __future__ import annotations

from tailrace.key_files import chosen_key
from tailrace.redaction.rules import redactor_of
from tailrace.redaction.tokens import Tokens
from tailrace_stream.redact.config import RedactionSettings
from tailrace_stream.redact.redaction import NO_REDACTION, Redaction


def redaction_of(settings: RedactionSettings) -> Redaction:
    """Return what redacts by these settings.

    Raises:
        RoleNotInstalled: there are rules, and the extra `redaction` is missing.
        CommandFailed: the key cannot be read.
    """
    if not settings.rules and not settings.fields:
        return NO_REDACTION
    if settings.key_file is not None:
        key = chosen_key(settings.key_file, name="redaction.key_file")
    else:
        key = settings.key.get_secret_value().encode()
    tokens = Tokens(key)
    redactor = redactor_of(settings.rules, tokens=tokens) if settings.rules else None
    return Redaction(redactor=redactor, fields=settings.fields, tokens=tokens)
