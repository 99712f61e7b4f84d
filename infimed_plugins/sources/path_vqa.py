"""PathVQA: questions about pathology pictures of textbooks (He et al. 2020). hub: flaviagiammarino/path-vqa

    {"image": …, "question": "how are the histone subunits charged?", "answer": "positively charged"}

There are no ids and no answer types: ids count rows, and an answer of yes or no (about half are) is closed. Pictures
are JPEG in several modes, CMYK among them; opening one makes it RGB.
"""

from __future__ import annotations

from infimed_plugins.records import Sample
from infimed_plugins.sources.public import PublicSource, Row, closed_or_open


class PathVqa(PublicSource):
    """Open and closed questions about pathology."""

    name = "path_vqa"
    splits = ("train", "validation", "test")
    columns = ("image", "question", "answer")

    def sample(self, row: Row, split: str) -> Sample:
        """Return a text question; ``meta["kind"]`` says whether it is closed."""
        answer, kind = closed_or_open(row.fields["answer"])
        return self.make(row, split, row.fields["question"], "text", answer, images=row.image(), meta={"kind": kind})


PATH_VQA = PathVqa()
