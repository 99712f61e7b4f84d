"""The built-in benchmarks, one file each. A new one is a file here and its name in ``benchmarks.BUILT_IN``."""
