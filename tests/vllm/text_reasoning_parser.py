"""A reasoning parser for vLLM's server that goes by the text: vLLM's own want ``<think>`` as a token of the model."""

from __future__ import annotations

from typing import Any

from vllm.reasoning import ReasoningParser, ReasoningParserManager


@ReasoningParserManager.register_module(["by_text"])
class TextReasoningParser(ReasoningParser):  # type: ignore[misc]
    def is_reasoning_end(self, input_ids: Any) -> bool:
        return True

    def extract_content_ids(self, input_ids: Any) -> Any:
        return input_ids

    def extract_reasoning(self, model_output: str, request: Any) -> tuple[str | None, str | None]:
        thoughts, ended, said = model_output.partition("</think>")
        return (thoughts.replace("<think>", ""), said or None) if ended else (None, model_output)

    def extract_reasoning_streaming(self, *_: Any, **__: Any) -> None:
        return None
