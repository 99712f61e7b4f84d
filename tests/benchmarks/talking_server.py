"""The faulty loopback server (tests/engines/faulty_server.py) with replies that a test chooses by the prompt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import faulty_server
from faulty_server import FaultyServer


class TalkingServer(FaultyServer):
    """Answers ``says_to(text, attempt)``, from attempt 1; faults as its parent's."""

    def __init__(self, says_to: Callable[[str, int], str], **settings: Any) -> None:
        super().__init__(**settings)
        self.says_to = says_to
        self.http.RequestHandlerClass = _Handler


class _Handler(faulty_server._Handler):
    def answer(self, body: dict[str, Any], text: str, fault: faulty_server.Fault | None) -> dict[str, Any]:
        reply = super().answer(body, text, fault)
        faulty = self.server.faulty
        assert isinstance(faulty, TalkingServer)
        for choice in reply["choices"]:
            if fault is None:
                choice["message"]["content"] = faulty.says_to(text, faulty.asked[text])
        return reply
