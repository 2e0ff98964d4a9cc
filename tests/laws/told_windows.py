"""What workers told of windows, as the index keeps it, held against what is true."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from tailrace.sketches import from_field, merged
from tailrace_stream.records import Outgoing
from tests.laws.timed_lines import FieldWindow, Group, TimedFile, Truth

Document = Mapping[str, Any]

FIGURES = ("tailrace.rate.count", "tailrace.spread.count", "tailrace.top.total")
"""One of them stands in each document, and grows with each revision."""


@dataclass(slots=True)
class ToldWindows:
    """Every revision that was told of every document."""

    revisions: defaultdict[str, dict[int, Document]] = field(
        default_factory=lambda: defaultdict[str, dict[int, Document]](dict)
    )
    """By id and version."""
    told_count: int = 0
    """How often one was told."""

    @property
    def stored(self) -> list[Document]:
        """Return what the index holds: of each id the greatest version."""
        return [versions[max(versions)] for versions in self.revisions.values()]

    def add(self, name: str, version: int, document: Document) -> None:
        """Take one revision into account.

        What is told again under a version must be what was told before: the index may
        hold either.
        """
        self.told_count += 1
        known = self.revisions[name].setdefault(version, document)
        assert known == document, f"two documents of one revision: {known}, {document}"

    def assert_in_order(self) -> None:
        """No later revision takes back what an earlier one has counted."""
        for name, versions in self.revisions.items():
            figures = [figure_of(versions[version]) for version in sorted(versions)]
            assert figures == sorted(set(figures)), f"{name}: {figures}"


def told_windows(rates: Iterable[Outgoing]) -> ToldWindows:
    told = ToldWindows()
    decode = msgspec.json.decode
    for record in rates:
        lines = record.value.split(b"\n")[:-1]
        for action, source in zip(lines[::2], lines[1::2], strict=True):
            said = decode(action)["index"]
            told.add(said["_id"], said["version"], decode(source))
    return told


def figure_of(document: Document) -> int:
    (figure,) = [document[name] for name in FIGURES if name in document]
    return figure


def assert_exact(
    stored: Iterable[Document], truth: Truth, *, forms: Mapping[str, str]
) -> None:
    """No window is too high or too low, by whatever it is asked.

    `forms` tells by a template's id which texts are of it.
    """
    counts, late = Counter[Group](), Counter[Group]()
    spreads: defaultdict[FieldWindow, list[Document]] = defaultdict(list)
    tops: defaultdict[FieldWindow, Counter[str]] = defaultdict(Counter)
    for document in stored:
        if "tailrace.rate.count" in document:
            group = _group_of(document, forms)
            counts[group] += document["tailrace.rate.count"]
            late[group] += document.get("tailrace.rate.late_count", 0)
        elif "tailrace.spread.field" in document:
            spreads[_window_of(document, "tailrace.spread.field")].append(document)
        else:
            assert not document["tailrace.top.error"]
            found = zip(
                document["tailrace.top.values"],
                document["tailrace.top.counts"],
                strict=True,
            )
            tops[_window_of(document, "tailrace.top.field")].update(dict(found))
    assert_equal(counts, truth.counts, what="counts")
    assert_equal(+late, truth.late, what="late events")
    assert tops == truth.paths
    assert spreads.keys() == truth.values.keys()
    for window, parts in spreads.items():
        true = truth.values[window]
        assert sum(one["tailrace.spread.count"] for one in parts) == len(true), window
        assert sum(one["tailrace.spread.sum"] for one in parts) == sum(true), window
        assert min(one["tailrace.spread.min"] for one in parts) == min(true), window
        assert max(one["tailrace.spread.max"] for one in parts) == max(true), window
        sketches = [from_field(one["tailrace.spread.sketch"]) for one in parts]
        assert merged(sketches).count == len(true), window


def assert_equal(found: Counter[Group], true: Counter[Group], *, what: str) -> None:
    wrong = {
        group: (found[group], true[group])
        for group in found.keys() | true.keys()
        if found[group] != true[group]
    }
    shown = sorted(wrong.items())[:5]
    assert not wrong, f"{len(wrong)} {what} are wrong, as (found, true): {shown}"


@dataclass(slots=True)
class SentDocuments:
    """By its id the template of each document."""

    templates: dict[str, str] = field(default_factory=dict[str, str])
    sent_count: int = 0

    @property
    def repeat_count(self) -> int:
        """Return how often one was sent again: chunks overlap, and workers die."""
        return self.sent_count - len(self.templates)

    def add(self, name: str, template: str) -> None:
        self.sent_count += 1
        assert self.templates.setdefault(name, template) == template, name

    def forms_by_template(self, files: Iterable[TimedFile]) -> dict[str, str]:
        """Return which texts each template has, by what documents say of their own.

        They are the documents of all lines and of nothing else.
        """
        form_of = {
            document: (file.dataset, line.form)
            for file in files
            for document, line in zip(file.ids, file.lines, strict=True)
        }
        assert self.templates.keys() == form_of.keys()
        pairs = {(form_of[name], template) for name, template in self.templates.items()}
        forms = {template: form for (_, form), template in pairs}
        assert len(forms) == len(pairs), f"lines and templates do not pair: {pairs}"
        return forms


def sent_documents(docs: Iterable[Outgoing]) -> SentDocuments:
    sent = SentDocuments()
    for record in docs:
        lines = record.value.split(b"\n")[:-1]
        for action, source in zip(lines[::2], lines[1::2], strict=True):
            name = _action_of(action).create.document_id
            sent.add(name, _template_of(source).template_id)
    return sent


class _Create(msgspec.Struct):
    document_id: str = msgspec.field(name="_id")


class _Action(msgspec.Struct):
    create: _Create


class _Template(msgspec.Struct):
    template_id: str = msgspec.field(name="tailrace.template.id")


_action_of = msgspec.json.Decoder(_Action).decode
_template_of = msgspec.json.Decoder(_Template).decode


def _group_of(document: Document, forms: Mapping[str, str]) -> Group:
    return Group(
        document["event.dataset"],
        document["host.name"],
        _start_ms(document),
        document.get("log.level", ""),
        document.get("tailrace.rate.status_class", ""),
        forms[document["tailrace.template.id"]],
    )


def _window_of(document: Document, named_by: str) -> FieldWindow:
    return FieldWindow(
        document["event.dataset"],
        document["host.name"],
        _start_ms(document),
        document[named_by],
    )


def _start_ms(document: Document) -> int:
    return round(datetime.fromisoformat(document["@timestamp"]).timestamp() * 1_000)
