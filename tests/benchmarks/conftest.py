"""The tests of evaluation ask the engines' faulty server too, and one beside it that says what a test chooses."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "engines")]
