"""How well the sampler keeps servers busy, and what it costs, beside other ways to do the same.

    python perf/sampling.py                    # all of it, some minutes
    python perf/sampling.py --quick            # within 20 s, smaller, without the peer
    python perf/sampling.py --peer PYTHON      # with the python of an environment that has datatrove[inference]

(a) occupancy: request-seconds that the servers held, over the allowed ones, until the queue is empty;
(b) answers a second and CPU of the client at zero latency, against one thread per slot with `requests`, which is how
    ReasonLite asks, and against datatrove's inference runner;
(c) memory with ten million queued samples of a million problems;
(d) seconds to the first request with a million answers in the store.

Prints a table and, as the last line, one JSON object. Ratios of one run on one machine; never a test.
"""

import argparse
import contextlib
import json
import os
import resource
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

ROOT = Path(__file__).parents[1]
KIB_PER_GIB = 1024**2
PROMPT = "Let n be the number {number}. " + "Find the remainder when the sum of its divisors is divided by 1000. " * 3
SAMPLING = {
    "temperature": 0.8, "top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "max_tokens": 30000,
}  # fmt: skip


def ports(number: int) -> list[int]:
    """Free loopback ports."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(number):
            probe = stack.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            found.append(int(probe.getsockname()[1]))
    return found


@contextlib.contextmanager
def servers(number: int, seconds: float, num_slow: int) -> Iterator[list[str]]:
    """Base URLs of fake servers in a process of their own."""
    chosen = ports(number)
    command = [sys.executable, str(ROOT / "perf/fake_server.py"), "--ports", *map(str, chosen)]
    run = subprocess.Popen(
        [*command, "--seconds", str(seconds), "--slow", str(num_slow)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert run.stdout is not None and run.stdout.readline() == "ready\n"
        yield [f"http://127.0.0.1:{port}/v1" for port in chosen]
    finally:
        run.kill()
        run.wait()


def fetch(url: str, path: str) -> dict[str, Any]:
    """What a fake server says at `path`."""
    with urllib.request.urlopen(url.removesuffix("/v1") + path, timeout=10) as reply:
        found: dict[str, Any] = json.load(reply)
        return found


def client(kind: str, urls: list[str], python: str = sys.executable, **options: object) -> dict[str, Any]:
    """Run a client in a process of its own; what it measured of itself."""
    with tempfile.TemporaryDirectory() as folder:
        command = [python, __file__, "--client", kind, "--urls", ",".join(urls), "--options", json.dumps(options)]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "REASONLITE_STORE": folder, "DVC_NO_ANALYTICS": "1"}
        done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=900)
        if done.returncode:
            raise SystemExit(f"client {kind} ended with {done.returncode}:\n{done.stderr[-3000:]}")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found


# --- the clients, each run in a process of its own ---


def ours(urls: list[str], options: dict[str, Any]) -> dict[str, Any]:
    """This project's sampler, with its store."""
    import polars as pl
    import yaml

    from stages.core.sampling import queries
    from stages.edge import params, store
    from stages.edge.asking import backlog
    from stages.edge.asking.progress import Progress
    from stages.edge.asking.sampler import Sampler
    from stages.edge.engines.pool import Endpoint

    started = time.monotonic()
    num_problems, num_samples = options["num_problems"], options["num_samples"]
    problems = pl.DataFrame({"problem_id": [f"{number:016x}" for number in range(num_problems)]}).with_columns(
        topic=pl.lit(None, pl.String), prompt=pl.format(PROMPT.replace("{number}", "{}"), "problem_id")
    )
    request = queries.Request("m", {"name": "m"}, SAMPLING, None, num_samples, None, "Please reason step by step.", [])
    machine = yaml.safe_load((ROOT / "params.yaml").read_text())["profiles"]["cpu"]["runtime"]
    changes = {"concurrency": options["concurrency"], "stall_seconds": 60.0, "give_up_seconds": 60.0}
    runtime = params.Runtime.model_validate(machine | changes)
    if options.get("num_stored"):
        fill(store.root() / "m", request.queries(problems), options["num_stored"])
    prepared = time.monotonic()
    with store.opened("m", "high") as answers:
        progress = Progress("bench", num_problems * num_samples, lambda figures: None)
        source: backlog.Backlog = backlog.Fixed(request.queries(problems), answers, progress)
        if options.get("most"):
            source = Limited(source, options["most"])
        endpoints = [Endpoint(url, runtime.concurrency) for url in urls]
        asked = time.monotonic()
        Sampler(endpoints, request, answers, runtime, progress).ask(source)
    return {"seconds": time.monotonic() - asked, "prepared": prepared, "started": started}


class Limited:
    """The first `most` queries of a backlog: its rest stays queued."""

    def __init__(self, source: Any, most: int) -> None:
        """`source` is the whole backlog."""
        self._source, self._left = source, most

    def take(self, most: int) -> list[Any]:
        """As the source, until enough were taken."""
        if not self._left:
            return []
        self._left -= 1
        found: list[Any] = self._source.take(1)
        return found

    def answered(self, query: Any, answer: Any) -> None:
        """Tell the source."""
        self._source.answered(query, answer)


def fill(folder: Path, problems: Any, number: int) -> None:
    """Store answers to the first `number` queries, as sealed segments and a part, without asking."""
    import zstandard

    from stages.core.sampling.queries import Answer
    from stages.edge import store
    from stages.edge.store import segments

    packed = zstandard.compress(json.dumps(list(Answer("stop", "x" * 500, None, 1, 1, None))).encode())
    keys = (query.key for asked in problems for query in asked)
    folder.mkdir(parents=True)
    left = number
    while left:
        rows = min(left, store.SEGMENT_ROWS)
        part = folder / "filling.sqlite"
        with contextlib.closing(sqlite3.connect(part)) as connection, connection:
            connection.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; {segments.SCHEMA}")
            some = ((bytes.fromhex(next(keys)), "high", 0.0, packed) for _ in range(rows))
            connection.executemany("INSERT INTO answers VALUES (?, ?, ?, ?)", some)
        segments.seal(part)
        left -= rows


def original(urls: list[str], options: dict[str, Any]) -> dict[str, Any]:
    """One thread per slot, each with `requests` and an endpoint of its own, taking from a queue; answers to a file."""
    import requests

    queue: SimpleQueue[int] = SimpleQueue()
    for number in range(options["num_problems"] * options["num_samples"]):
        queue.put(number)
    turn = threading.Lock()
    asked = time.monotonic()
    with Path("answers.jsonl").open("w") as stream:

        def work(url: str) -> None:
            while True:
                try:
                    number = queue.get_nowait()
                except Empty:
                    return
                messages = [{"role": "user", "content": PROMPT.format(number=number)}]
                body: dict[str, Any] = {"model": "m", "messages": messages, "seed": number, **SAMPLING}
                reply = requests.post(f"{url}/chat/completions", json=body, timeout=600).json()
                line = json.dumps({"prompt": messages[0]["content"], "model_output": reply["choices"][0]["message"]})
                with turn:
                    stream.write(line + "\n")

        slots = [url for url in urls for _ in range(options["concurrency"])]
        threads = [threading.Thread(target=work, args=(url,)) for url in slots]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return {"seconds": time.monotonic() - asked}


def peer(urls: list[str], options: dict[str, Any]) -> dict[str, Any]:
    """datatrove's inference runner with one endpoint and its checkpoints, as its documentation shows it."""
    from datatrove.data import Document
    from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner
    from datatrove.pipeline.writers import JsonlWriter

    documents = [
        Document(text=PROMPT.format(number=number), id=str(number))
        for number in range(options["num_problems"] * options["num_samples"])
    ]

    async def ask(document: Any, generate: Any) -> Any:
        return await generate({"messages": [{"role": "user", "content": document.text}], **SAMPLING})

    config = InferenceConfig(
        server_type="endpoint",
        endpoint_url=urls[0].removesuffix("/v1"),
        model_name_or_path="m",
        use_chat=True,
        default_generation_params={},
        max_concurrent_generations=options["concurrency"],
        max_concurrent_documents=options["concurrency"],
        metric_interval=600,
    )
    runner = InferenceRunner(
        rollout_fn=ask,
        config=config,
        output_writer=JsonlWriter("out", output_filename="${rank}_${chunk_index}.jsonl", compression=None),
        checkpoints_local_dir="checkpoints",
    )
    asked = time.monotonic()
    runner.run(documents, rank=0, world_size=1)
    return {"seconds": time.monotonic() - asked}


def run_client(args: argparse.Namespace) -> None:
    """Run one client and print its figures."""
    kinds = {"ours": ours, "original": original, "peer": peer}
    before = resource.getrusage(resource.RUSAGE_SELF)
    found = kinds[args.client](args.urls.split(","), json.loads(args.options))
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({**found, "cpu_seconds": cpu, "peak_gib": after.ru_maxrss / KIB_PER_GIB}))


# --- the measurements ---


def occupancy(number: int, num_slow: int, seconds: float, num_answers: int, concurrency: int) -> float:
    """(a) of one configuration: from the first request to the last, the share of the allowed slots that were full."""
    with servers(number, seconds, num_slow) as urls:
        client("ours", urls, num_problems=num_answers, num_samples=1, concurrency=concurrency)
        found = [fetch(url, "/stats") for url in urls]
    first = min(min(each["arrivals"]) for each in found)
    last = max(max(each["arrivals"]) for each in found)
    # The integral of requests in flight up to `last`: each one adds the time from its arrival to its departure.
    held = sum(last - at for each in found for at in each["arrivals"])
    held -= sum(last - at for each in found for at in each["departures"] if at < last)
    return float(held / (number * concurrency * (last - first)))


def speed(kind: str, num_answers: int, concurrency: int, python: str = sys.executable) -> tuple[float, float]:
    """(b): answers a second and milliseconds of the client's CPU an answer, at zero latency."""
    with servers(1, 0.0, 0) as urls:
        found = client(kind, urls, python, num_problems=num_answers, num_samples=1, concurrency=concurrency)
    return num_answers / found["seconds"], 1000 * found["cpu_seconds"] / num_answers


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--peer", metavar="PYTHON", help="a python that has datatrove[inference]")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    parser.add_argument("--urls", help=argparse.SUPPRESS)
    parser.add_argument("--options", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.client:
        run_client(args)
        return
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n\n(a) occupancy until the queue is empty")
    worst = 1.0
    for number, num_slow in ((4, 1),) if args.quick else ((1, 0), (4, 0), (4, 1), (16, 1)):
        # As many slots in all, so that each configuration asks the same of the client.
        concurrency = (64 if args.quick else 128) // number
        rounds, seconds = (4, 0.2) if args.quick else (40, 0.5)
        found = occupancy(number, num_slow, seconds, rounds * number * concurrency, concurrency)
        worst = min(worst, found)
        print(f"  {number:>2} endpoints, {num_slow} of them ten times slower, {concurrency} each: {100 * found:.1f} %")

    print("\n(b) zero latency, 32 at once: answers a second, client CPU in ms an answer")
    rates = {}
    kinds = [("ours", sys.executable), ("original", sys.executable)]
    if args.peer and not args.quick:
        kinds.append(("peer", args.peer))
    for kind, python in kinds:
        rates[kind] = speed(kind, 500 if args.quick else 10_000, 32, python)
        print(f"  {kind:<9} {rates[kind][0]:8.0f} /s {rates[kind][1]:8.2f} ms")

    with servers(1, 0.0, 0) as urls:
        queued = 100_000 if args.quick else 1_000_000
        large = client(
            "ours", urls, num_problems=queued, num_samples=10, concurrency=32, most=500 if args.quick else 2_000
        )
    print(f"\n(c) {10 * queued:,} queued samples of {queued:,} problems: {large['peak_gib']:.2f} GiB")
    with servers(1, 0.0, 0) as urls:
        stored = 20_000 if args.quick else 1_000_000
        begun = client("ours", urls, num_problems=stored, num_samples=2, concurrency=32, most=500, num_stored=stored)
        waited = min(fetch(urls[0], "/stats")["arrivals"]) - begun["prepared"]
    print(f"(d) {stored:,} answers stored: the first request leaves after {waited:.1f} s")
    print(
        json.dumps(
            {
                "occupancy": round(worst, 4),
                "speedup_over_original": round(rates["ours"][0] / rates["original"][0], 3),
                "speedup_over_peer": round(rates["ours"][0] / rates["peer"][0], 3) if "peer" in rates else None,
                "cpu_ms_per_answer": round(rates["ours"][1], 3),
                "peak_gib": round(large["peak_gib"], 3),
                "seconds_to_first_request": round(waited, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
