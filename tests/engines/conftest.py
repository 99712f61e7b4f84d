"""The tests of engines share a server that fails on purpose: faulty_server.py, importable from here."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
