"""The ``infimed`` command: the groups together, and errors as one clear line with exit code 2."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
import typer.core

from infimed_plugins import __version__, storage
from infimed_plugins.cli import check, curate, data, evaluate, judge, profile, quickstart, reward, score, trainers
from infimed_plugins.cli.options import AsJson
from infimed_plugins.console import guard_streams, print_json, print_table, tell
from infimed_plugins.errors import InfimedError


class _OneLineErrors(typer.core.TyperGroup):
    """Print an InfimedError on one line of stderr and exit with its code: 2, or 3 where many requests failed.

    A file that cannot be written or read is told likewise. Anything else is a bug and keeps its traceback.
    """

    def main(self, *args: Any, **options: Any) -> Any:
        guard_streams()
        try:
            return super().main(*args, **options)
        except InfimedError as error:
            said, code = str(error), error.exit_code
        except OSError as error:
            if error.errno is None:
                raise
            where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
            said, code = f"{where}{error.strerror}; name another place, or mend that one", InfimedError.exit_code
        tell(f"error: {' '.join(said.split())}", style="red")
        sys.exit(code)

    def invoke(self, ctx: Any) -> Any:
        """Say what Ctrl-C leaves; the exit code is 130."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            tell("interrupted; what is done is kept, and the same command goes on")
            raise


app = typer.Typer(
    cls=_OneLineErrors,
    name="infimed",
    help="The InfiMed recipe for medical vision-language models, on LLaMA-Factory and EasyR1.",
    epilog="Start with: infimed quickstart",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"infimed-plugins {__version__}")
        raise typer.Exit


@app.callback()
def root(
    no_lock: Annotated[
        bool, typer.Option("--no-lock", help="Write without locks: nobody else writes there, and there are none.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Set the options that stand before a command."""
    storage.without_locks = no_lock


@app.command("plugins", epilog="Example: infimed plugins --json")
def list_plugins(as_json: AsJson = False) -> None:
    """List rewards, sources, steps, engines, benchmarks, scorers and model families, and who registered them."""
    from infimed_plugins.plugins import registry

    things = [{"kind": thing.kind, "name": thing.name, "owner": thing.owner} for thing in registry()]
    if as_json:
        print_json(things)
    else:
        print_table("Plugins", ["kind", "name", "owner"], [list(thing.values()) for thing in things])


app.add_typer(data.app, name="data")
app.command("curate", epilog="Example: infimed curate instructions --source slake/train --out data/slake")(
    curate.curate
)
app.command(
    "reflect", epilog="Example: infimed reflect --input pairs.jsonl --model Qwen/Qwen2.5-VL-32B-Instruct --out r"
)(curate.reflect)
app.add_typer(check.app, name="check")
app.add_typer(quickstart.app, name="quickstart")
app.command("reward", epilog="Example: infimed reward generations.jsonl --html rewards.html")(reward.reward)
app.command("profile", epilog="Example: infimed profile data/quickstart_rlvr --model runs/quickstart/sft")(
    profile.profile
)
app.add_typer(judge.app, name="judge")
app.add_typer(trainers.app, name="trainers")
app.command("eval", epilog="Example: infimed eval --model runs/quickstart/sft --limit 100")(evaluate.evaluate)
app.command("score", epilog="Example: infimed score runs/eval/sft runs/eval/rl --mode paper --html page.html")(
    score.score
)
app.command("import", epilog="Example: infimed import eval_results/RL-3B --model RL-3B --out runs/eval/rl")(
    score.import_results
)
app.command("export", epilog="Example: infimed export slake --out ~/LMUData")(score.export)
