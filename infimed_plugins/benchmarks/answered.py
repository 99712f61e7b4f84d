"""The former name of ``records.Response``, for branches that are not merged yet; to be deleted then."""

from __future__ import annotations

from infimed_plugins.records import Response as Answered

__all__ = ["Answered"]
