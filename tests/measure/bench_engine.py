"""What our engine layer costs over a bare client: ``python tests/measure/bench_engine.py``. Prints two tables.

Every client asks the same loopback server (a process of its own, which answers at once or after ``--latency``) the
same 2,000 requests, 64 at a time: an 80 kB image, another for each request, n = 10. ``bare httpx`` is one AsyncClient
under asyncio, as its manual shows; ``bare httpx, 64 clients`` is how our engine uses it (engines/http_client.py). The
order of the clients changes from round to round; the table has the median of the rounds and their span.

Then the peak memory (RSS) of OpenAIEngine with a store, by the number of requests. With 80 kB images it drifts by some
tens of MB, which is glibc's heap in pieces: under MALLOC_MMAP_THRESHOLD_=65536 it stays.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import io
import json
import math
import os
import platform
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from PIL import Image

from infimed_plugins.engines import ChatRequest, Sampling
from infimed_plugins.records import ImageRef

CONCURRENCY = 64
SAMPLES = 10
NOISE = random.Random(0).randbytes(2_000_000)
TEXT = " ".join(random.Random(1).choices(["lesion", "in", "the", "left", "lobe", "bright", "is", "T2"], k=150))
Ask = Callable[[bytes], Awaitable[Any]]


def image(number: int, size: int) -> bytes:
    """A PNG of noise, of so many bytes."""
    side = math.isqrt(size)
    start = number * 997 % (len(NOISE) - side * side)
    made = io.BytesIO()
    Image.frombytes("L", (side, side), NOISE[start : start + side * side]).save(made, "PNG", compress_level=0)
    return made.getvalue()


def requests(count: int, size: int) -> Iterator[ChatRequest]:
    for number in range(count):
        yield ChatRequest(str(number), f"<image>What is it, {number}?", (ImageRef(data=image(number, size)),))


def body(number: int, size: int) -> bytes:
    """The same request for a bare client."""
    uri = "data:image/png;base64," + base64.b64encode(image(number, size)).decode()
    content = [{"type": "image_url", "image_url": {"url": uri}}, {"type": "text", "text": f"What is it, {number}?"}]
    settings = {"n": SAMPLES, "temperature": 1.0, "top_p": 1.0, "max_tokens": 512, "seed": 7}
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": content}], **settings}).encode()


class Answering(asyncio.Protocol):
    """A server of one answer, as light as can be."""

    latency = 0.0
    answer = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.head, self.left = b"", 0
        self.wait = 0.0

    def data_received(self, data: bytes) -> None:
        if self.left == 0:
            self.head += data
            head, end, rest = self.head.partition(b"\r\n\r\n")
            if not end:
                return
            self.wait = self.latency if head.startswith(b"POST") else 0.0
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            self.head, self.left = b"", int(length or 0) - len(rest)
        else:
            self.left -= len(data)
        if self.left == 0:
            asyncio.get_running_loop().call_later(self.wait, self.transport.write, self.answer)


async def serve(latency: float) -> None:
    choice = {"message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
    choices = [{"index": index, **choice} for index in range(SAMPLES)]
    usage = {"prompt_tokens": 300, "completion_tokens": 150 * SAMPLES}
    content = json.dumps({"choices": choices, "usage": usage}).encode()
    Answering.latency = latency
    Answering.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def serving(latency: float) -> Iterator[str]:
    process = subprocess.Popen([sys.executable, __file__, "--serve", str(latency)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
    finally:
        process.kill()
        process.wait()


async def bare(workers: list[Ask], count: int, size: int) -> int:
    """Ask with every worker until all is asked; how many texts came."""
    numbers = iter(range(count))
    texts = 0

    async def work(ask: Ask) -> None:
        nonlocal texts
        for number in numbers:
            reply = await ask(body(number, size))
            texts += len(reply["choices"])

    await asyncio.gather(*(work(ask) for ask in workers))
    return texts


@contextlib.asynccontextmanager
async def httpx_clients(url: str, clients: int) -> AsyncIterator[list[Ask]]:
    import httpx

    headers = {"Content-Type": "application/json"}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    certificates = httpx.create_ssl_context()
    made = [httpx.AsyncClient(headers=headers, timeout=600, limits=limits, verify=certificates) for _ in range(clients)]

    def asker(client: httpx.AsyncClient) -> Ask:
        async def ask(content: bytes) -> Any:
            return (await client.post(url + "/chat/completions", content=content)).raise_for_status().json()

        return ask

    yield [asker(made[worker % clients]) for worker in range(CONCURRENCY)]
    for client in made:
        await client.aclose()


@contextlib.asynccontextmanager
async def aiohttp_client(url: str) -> AsyncIterator[list[Ask]]:
    import aiohttp
    import orjson

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask(content: bytes) -> Any:
            headers = {"Content-Type": "application/json"}
            async with session.post(url + "/chat/completions", data=content, headers=headers) as reply:
                return orjson.loads(await reply.read())

        yield [ask] * CONCURRENCY


async def run_bare(client: str, url: str, count: int, size: int) -> int:
    opened = (
        aiohttp_client(url)
        if client == "bare aiohttp + orjson"
        else httpx_clients(url, CONCURRENCY if client.endswith("64 clients") else 1)
    )
    async with opened as workers:
        return await bare(workers, count, size)


def run_engine(client: str, url: str, count: int, size: int, folder: Path) -> int:
    """Texts out of OpenAIEngine, bare or over a store; ``again`` is the second run over a full store."""
    from infimed_plugins.engines.cached_engine import CachedEngine
    from infimed_plugins.engines.openai import OpenAIEngine
    from infimed_plugins.engines.response_cache import ResponseCache

    sampling = Sampling(n=SAMPLES, temperature=1.0, seed=7)
    engine = OpenAIEngine("m", base_url=url, concurrency=CONCURRENCY)
    if client == "OpenAIEngine":
        return sum(len(reply.texts) for reply in engine.generate(requests(count, size), sampling))
    with ResponseCache(folder / "replies.sqlite") as store:
        stored = CachedEngine(engine, store)
        return sum(len(reply.texts) for reply in stored.generate(requests(count, size), sampling))


def run_evaluation(url: str, count: int, size: int, folder: Path) -> int:
    """Replies that the runner of `infimed eval` asks for and writes; their scoring is not in it."""
    from infimed_plugins import hookimpl, plugins
    from infimed_plugins.benchmarks import Benchmark
    from infimed_plugins.benchmarks.run_folder import RunFolder
    from infimed_plugins.benchmarks.runner import RunOptions, ask
    from infimed_plugins.engines.openai import OpenAIEngine
    from infimed_plugins.records import Sample

    class Loopback:
        splits = ("test",)

        def load(self, split: str, **options: Any) -> Iterator[Sample]:
            for request in requests(count, size):
                yield Sample(request.id, "loopback", split, request.text[7:], "text", "yes", images=request.images)

    @hookimpl
    def register_sources(register: Callable[[str, Any], None]) -> None:
        register("loopback", Loopback())

    module = ModuleType("loopback_source")
    module.register_sources = register_sources  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    plugins.BUILT_IN_MODULES = (*plugins.BUILT_IN_MODULES, module.__name__)
    engine = OpenAIEngine("m", base_url=url, concurrency=CONCURRENCY)
    run = RunFolder(folder / "run")
    ask(Benchmark("loopback", "loopback", "test"), engine, run, RunOptions())
    lines = sum(1 for _ in (run.path / "responses.jsonl").open(encoding="utf-8"))
    shutil.rmtree(run.path)
    return lines * SAMPLES  # of the ten choices the server sends, one is taken


BARE = ("bare httpx", "bare httpx, 64 clients", "bare aiohttp + orjson")
EVALUATION = "infimed eval's runner"
OURS = ("OpenAIEngine", "OpenAIEngine + store", "the same again", EVALUATION)


def measure(client: str, url: str, count: int, size: int, folder: Path) -> dict[str, float]:
    """One client in this fresh process: wall and CPU seconds, imports apart, and peak memory."""
    import httpx  # noqa: F401

    import infimed_plugins.engines.openai  # noqa: F401

    started, cpu = time.perf_counter(), time.process_time()
    if client in BARE:
        texts = asyncio.run(run_bare(client, url, count, size))
    elif client == EVALUATION:
        texts = run_evaluation(url, count, size, folder)
    else:
        texts = run_engine(client, url, count, size, folder)
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    assert texts == count * SAMPLES
    return {"wall": wall, "cpu": cpu, "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def fresh(client: str, url: str, count: int, size: int, folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", json.dumps([client, url, count, size, str(folder)])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def compare(arguments: argparse.Namespace, latency: float) -> None:
    """Print the table of one latency."""
    walls: dict[str, list[float]] = {client: [] for client in (*BARE, *OURS)}
    cpus: dict[str, list[float]] = {client: [] for client in walls}
    with serving(latency) as url:
        for round_ in range(arguments.rounds):
            with tempfile.TemporaryDirectory() as folder:
                order = [*BARE, *OURS] if round_ % 2 == 0 else [*OURS, *BARE]
                for client in order:
                    got = fresh(client, url, arguments.requests, arguments.image, Path(folder))
                    walls[client].append(got["wall"])
                    cpus[client].append(got["cpu"])
    print(f"\n{arguments.requests} requests, latency {latency:g} s, {arguments.rounds} rounds, load {load()}")
    print(f"{'client':26}{'wall s':>8}{'from':>8}{'to':>8}{'CPU s':>8}{'req/s':>8}", end="")
    print(f"{'over bare httpx':>17}{'over 64 clients':>17}")
    for client, seen in walls.items():
        wall = statistics.median(seen)
        over = [wall / statistics.median(walls[base]) - 1 for base in BARE[:2]]
        print(
            f"{client:26}{wall:8.2f}{min(seen):8.2f}{max(seen):8.2f}{statistics.median(cpus[client]):8.2f}"
            f"{arguments.requests / wall:8.0f}{over[0]:17.1%}{over[1]:17.1%}",
            flush=True,
        )


def memory(arguments: argparse.Namespace) -> None:
    print(f"\npeak memory of OpenAIEngine + store, and of a second run, which reads the store; load {load()}")
    print(f"{'requests':>10}{'MB':>8}{'s':>8}{'again MB':>10}{'again s':>9}{'store MB':>10}")
    with serving(0.0) as url:
        for count in arguments.memory:
            with tempfile.TemporaryDirectory() as folder:
                first, again = (fresh(OURS[1], url, count, arguments.image, Path(folder)) for _ in range(2))
                size = sum(file.stat().st_size for file in Path(folder).iterdir()) / 2**20
            print(
                f"{count:10}{first['rss']:8.0f}{first['wall']:8.1f}{again['rss']:10.0f}{again['wall']:9.1f}{size:10.0f}",
                flush=True,
            )


def load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--image", type=int, default=80_000, help="bytes")
    parser.add_argument("--latency", type=float, nargs="*", default=[0.0, 0.25], help="seconds the server takes")
    parser.add_argument("--memory", type=int, nargs="*", default=[2000, 20_000, 100_000], help="numbers of requests")
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        asyncio.run(serve(arguments.serve))
        return
    if arguments.one:
        client, url, count, size, folder = json.loads(arguments.one)
        print(json.dumps(measure(client, url, count, size, Path(folder))))
        return
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load()}")
    for latency in arguments.latency:
        compare(arguments, latency)
    memory(arguments)


if __name__ == "__main__":
    main()
