"""The tests of the judge ask the engines' faulty server, and the one beside it that says what a test chooses."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS / room) for room in ("judge", "benchmarks", "engines")]
