"""A source of sums, a step that keeps the hard ones, a benchmark, a scorer of last words, and a model family."""

from dataclasses import replace

from infimed_plugins import Sample, Score, hookimpl
from infimed_plugins.benchmarks import Benchmark
from infimed_plugins.families import QWEN3_VL


class Sums:
    licence, splits = "CC0-1.0", ("train", "test")

    def load(self, split, *, folder=None, seed=0, limit=None):
        first = self.splits.index(split) * 1000
        for n in range(first, first + min(limit or 100, 100)):
            yield Sample(f"sum-{n}", "sums", split, f"What is {n} + {n}?", "math", str(2 * n))


def keep_hard(samples, context):
    for sample in samples:
        if int(sample.answer) % 20:
            yield sample
        else:
            context.dropped["round number"] += 1


def last_word(benchmark, responses, prompt_style):
    found = [(response, "".join(response.text.split()[-1:])) for response in responses]
    return [Score(1.0, 0.0, float(word == str(response.gold)), word or None) for response, word in found]


@hookimpl
def register_sources(register):
    register("sums", Sums())


@hookimpl
def register_curation_steps(register):
    register("keep_hard", keep_hard)


@hookimpl
def register_benchmarks(register):
    register("sums", Benchmark("sums", source="sums", split="test"))


@hookimpl
def register_scorers(register):
    register("last_word", last_word)


@hookimpl
def register_families(register):
    register("digits-vl", replace(QWEN3_VL, name="digits-vl", models=("example/Digits-VL-4B",), model_types=()))
