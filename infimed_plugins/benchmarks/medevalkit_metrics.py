"""MedEvalKit's own ``metrics.json`` for a run folder, the bugs of its sums included."""

from __future__ import annotations

from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.benchmarks.run_folder import RunFolder
from infimed_plugins.errors import InfimedError
from infimed_plugins.plugins import registry
from infimed_plugins.records import Json
from infimed_plugins.scoring import medevalkit


def metrics_of(folder: RunFolder) -> dict[str, Json]:
    """What upstream would write for the folder's replies, or ``{"error": …}`` where it would write nothing."""
    benchmark: Benchmark = registry().get("benchmark", folder.settings().get("benchmark", "?"))
    rows = folder.answered()
    if benchmark.medevalkit not in medevalkit.BENCHMARKS:
        return {"error": f"MedEvalKit has no data set {benchmark.name}"}
    if any(row.row is None or row.error for row in rows):
        return {"error": "upstream's own rows, or some replies, are missing here"}
    try:
        return medevalkit.metrics(benchmark.medevalkit, [row.row for row in rows], [row.text for row in rows])
    except medevalkit.UpstreamCrashError as error:
        return {"error": f"upstream ends here: {error}"}
    except (InfimedError, ZeroDivisionError, KeyError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
