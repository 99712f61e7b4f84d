"""What is wrong with the files of a data set."""

from __future__ import annotations

from infimed_plugins.errors import DataError, MissingFileError


class DamagedFileError(DataError):
    """A file that is cut off, changed, or of another schema: not one row but the whole set cannot be used."""


class UnreachableFileError(MissingFileError):
    """A file that is there, as far as is known, but could not be fetched now."""


class MissingImageError(DataError):
    """A row's image is not where the row says."""
