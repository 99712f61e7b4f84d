"""PathVQA: questions about pathology pictures of textbooks (He et al. 2020). hub: flaviagiammarino/path-vqa

    {"image": …, "question": "how are the histone subunits charged?", "answer": "positively charged"}

There are no ids and no answer types: ids count rows, and an answer of yes or no (about half are) is closed. Pictures
are JPEG in several modes, CMYK among them; opening one makes it RGB.
"""

from __future__ import annotations

from collections.abc import Iterator

from infimed_plugins.records import Sample
from infimed_plugins.sources.archives import embedded_image
from infimed_plugins.sources.files import Files
from infimed_plugins.sources.public import PublicSource, Row, closed_or_open
from infimed_plugins.sources.tables import parquet_rows

COLUMNS = ("image", "question", "answer")


class PathVqa(PublicSource):
    """Open and closed questions about pathology."""

    name = "path_vqa"
    splits = ("train", "validation", "test")

    def rows(self, files: Files, split: str) -> Iterator[Row]:
        """The hub's parquet files."""
        for index, row in enumerate(parquet_rows(files.all(f"data/{split}-*.parquet", f"{split}*.parquet"), COLUMNS)):
            yield Row(f"{index:05d}", {**row, "image": lambda row=row: embedded_image(row["image"], "the row")})

    def sample(self, row: Row, split: str) -> Sample:
        """A text question; ``meta["kind"]`` says whether it is closed."""
        answer, kind = closed_or_open(row.fields["answer"])
        images, meta = (row.fields["image"](),), {"kind": kind}
        return self.make(row, split, row.fields["question"], "text", answer, images=images, meta=meta)


PATH_VQA = PathVqa()
