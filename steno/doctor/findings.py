"""What a check found: how bad it is, what, where, and what to do. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """How bad a finding is."""

    OK = 0
    #: Worth knowing; nothing need be done.
    NOTE = 1
    #: It works, and may soon not, or in part not.
    WARNING = 2
    #: Something does not work.
    ERROR = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that a check found."""

    severity: Severity
    what: str
    #: The topic, file, address or service that it is about.
    where: str
    #: What to do about it; empty where nothing need be done.
    todo: str = ""
    #: Name of the check; set by whoever runs it.
    check: str = ""


def ok(where: str, what: str) -> Finding:
    """A finding that all is well."""
    return Finding(severity=Severity.OK, what=what, where=where)


def note(where: str, what: str, todo: str = "") -> Finding:
    """A finding that is worth knowing."""
    return Finding(severity=Severity.NOTE, what=what, where=where, todo=todo)


def warning(where: str, what: str, todo: str) -> Finding:
    """A finding of something that may soon not work, or in part does not."""
    return Finding(severity=Severity.WARNING, what=what, where=where, todo=todo)


def error(where: str, what: str, todo: str) -> Finding:
    """A finding of something that does not work."""
    return Finding(severity=Severity.ERROR, what=what, where=where, todo=todo)


def exit_status(findings: Iterable[Finding]) -> int:
    """The exit status for scripts: 0 without warnings and errors, 1 with warnings, 2 with errors."""
    worst = max((finding.severity for finding in findings), default=Severity.OK)
    return {Severity.WARNING: 1, Severity.ERROR: 2}.get(worst, 0)
