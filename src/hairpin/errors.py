"""Whose fault it is, what was found, and what to do about it.

Every error that a person may see is a `HairpinError`. The command line prints its message and its
remedy and ends with its exit code; the gate answers with the status of a `PeerMistake`.
"""

from __future__ import annotations

from http import HTTPStatus


class HairpinError(Exception):
    """Base of all errors that Hairpin explains. `remedy` says what to do."""

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  {self.remedy}" if self.remedy else self.message


class YourMistake(HairpinError):
    """A show file, a flag or a setting is wrong. One `Finding` for every mistake."""

    exit_code = 2

    def __init__(self, message: str, remedy: str = "", findings: tuple[Finding, ...] = ()) -> None:
        super().__init__(message, remedy)
        self.findings = findings


class Finding(Exception):
    """One mistake at one place: `questions[2].choices` holds `1`, allowed are 2 to 8."""

    def __init__(self, place: str, found: str, allowed: str) -> None:
        super().__init__(place, found, allowed)
        self.place = place
        self.found = found
        self.allowed = allowed

    def __str__(self) -> str:
        return f"{self.place}: found {self.found}; allowed: {self.allowed}"


class PeerMistake(HairpinError):
    """Bytes from a peer that we cannot accept; carries the HTTP status of the reply."""

    exit_code = 3

    def __init__(self, status: HTTPStatus, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.status = status


class EngineDown(HairpinError):
    """A disk, a bus or a process does not answer now; trying again later may help."""

    exit_code = 4


class DataDamaged(HairpinError):
    """Bytes on disk are not what was written. Stop, name the range, name the command to run."""

    exit_code = 5
