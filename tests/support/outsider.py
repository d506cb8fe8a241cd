"""The independent verifier of `docs/`, as an outsider has it: a file, and nothing of ours."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

FILE = Path(__file__).parents[2] / "docs" / "verify_journal.py"


def load() -> ModuleType:
    """The file as a module."""
    spec = importlib.util.spec_from_file_location("verify_journal", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
