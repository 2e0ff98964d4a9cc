"""Which rules there are by name, and how those of a source are put together."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Protocol

from tailrace.errors import RoleNotInstalled
from tailrace.extras import missing_modules
from tailrace.redaction import addresses, cards, secrets
from tailrace.redaction.behind_escapes import UNUSUAL
from tailrace.redaction.linear import EXTRA, NotAPattern, Pattern
from tailrace.redaction.private_keys import KeyPattern
from tailrace.redaction.redactor import Redactor, Rule
from tailrace.redaction.tokens import Tokens

SECRETS, CARDS, EMAIL = "secrets", "cards", "email"
BUILT_IN = (SECRETS, CARDS, EMAIL)
_TAKEN = (*BUILT_IN, "secret", "card")
_OF_THE_TEXT = re.compile(r"\\[AzZ]|\(\?[a-zA-Z]*-[a-zA-Z]*m")


class Asked(Protocol):
    """One rule as a user asks for it."""

    @property
    def name(self) -> str:
        """Return its name."""
        ...

    @property
    def pattern(self) -> str | None:
        """Return its pattern, None for a built-in rule."""
        ...


class Redactors:
    """What takes secrets out of the events of each source; None for most."""

    def __init__(self, by_source: Mapping[str, Redactor | None]) -> None:
        self._by_source = dict(by_source)

    def knows(self, source: str) -> bool:
        """Return whether the source is configured, with rules or without."""
        return source in self._by_source

    def of(self, source: str) -> Redactor | None:
        """Return what redacts a source's events; None where they are sent as they are.

        Raises:
            KeyError: no such source is configured, so nobody can tell.
        """
        return self._by_source[source]


def redactors_of(
    rules: Mapping[str, Sequence[Asked]], *, key: Callable[[], bytes]
) -> Redactors:
    """Return the redactors of sources by their names.

    The key is asked for only where there is a rule.

    Raises:
        RoleNotInstalled: there are rules, and the extra `redaction` is missing.
        CommandFailed: the key cannot be had.
    """
    if not any(rules.values()):
        return Redactors(dict.fromkeys(rules))
    tokens = Tokens(key())
    return Redactors(
        {
            name: redactor_of(asked, tokens=tokens) if asked else None
            for name, asked in rules.items()
        }
    )


def redactor_of(asked: Sequence[Asked], *, tokens: Tokens) -> Redactor:
    """Return what redacts by these rules.

    Raises:
        RoleNotInstalled: the extra `redaction` is missing.
    """
    names = {one.name for one in asked if one.pattern is None}
    own = [
        Rule(one.name, one.name, Pattern(one.pattern.encode(), is_utf8=True))
        for one in asked
        if one.pattern is not None
    ]
    return Redactor(
        # The secrets come first: a key's pieces are theirs.
        [_built_in(name) for name in BUILT_IN if name in names],
        screen=_screen(frozenset(names)) if names else None,
        keys=KeyPattern() if SECRETS in names else None,
        own=own,
        tokens=tokens,
    )


def rule_problem(name: str, *, has_pattern: bool) -> str | None:
    """Return what is wrong with a rule beside its pattern, or None."""
    known = ", ".join(BUILT_IN)
    if not has_pattern and name not in BUILT_IN:
        return (
            f"no rule is named {name!r}; there are {known}, and one of your own needs a"
            " pattern"
        )
    if has_pattern and name in _TAKEN:
        return (
            f"{name!r} names a rule that is built in ({known}), or what its tokens begin"
            " with; give your own another name"
        )
    if missing_modules(EXTRA):
        return f"rules need the extra {EXTRA}: run `pip install 'tailrace[{EXTRA}]'`"
    return None


def pattern_problem(pattern: str) -> str | None:
    """Return what is wrong with a user's pattern, or None."""
    if _OF_THE_TEXT.search(pattern.replace("\\\\", "")):
        return (
            f"{pattern!r} asks where the text begins or ends, which is another place in"
            " each chunk; use ^ and $, which are those of a line"
        )
    try:
        compiled = Pattern(pattern.encode(), is_utf8=True)
    except NotAPattern as error:
        return f"{pattern!r} is no pattern of RE2: {error}"
    except RoleNotInstalled:
        return None  # The rule says so, once.
    except UnicodeEncodeError:
        return f"{pattern!r} is no text"
    if compiled.group_count > 1:
        return (
            f"{pattern!r} has {compiled.group_count} groups, and may have one, which is"
            " what is replaced; write the others as (?:...)"
        )
    return f"{pattern!r} matches where nothing stands" if compiled.is_in(b"") else None


@cache
def _built_in(name: str) -> Rule:
    if name == SECRETS:
        begun = Pattern(secrets.BEGUN)
        return Rule(SECRETS, "secret", secrets.SecretPattern(), begun=begun)
    if name == CARDS:
        begun, plain = Pattern(cards.BEGUN), cards.digits_of
        return Rule(CARDS, "card", cards.CardPattern(), plain=plain, begun=begun)
    begun, plain = Pattern(addresses.BEGUN), addresses.plain_address
    return Rule(EMAIL, "email", Pattern(addresses.ADDRESS), plain=plain, begun=begun)


@cache
def _screen(names: frozenset[str]) -> Pattern:
    """Return one pattern that matches each line in which a rule of these finds anything."""
    parts = {SECRETS: secrets.SCREEN, CARDS: cards.SCREEN, EMAIL: addresses.SCREEN}
    asked = [part for name, part in parts.items() if name in names]
    return Pattern(b"|".join((*asked, UNUSUAL)))
