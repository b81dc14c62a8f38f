"""A model server that costs next to nothing, so that what is measured is the client.

python perf/fake_server.py --ports 8001 8002 --seconds 0.2 --slow 1
"""

import argparse
import asyncio
import json
import random
import time
from typing import Any

ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "NUMBER" + "x" * 592, "reasoning": "y" * 2000},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 700, "total_tokens": 800},
    }
).encode()
"""What each request gets, with its own number in place of NUMBER: a server that repeats a text is taken for one that
ignores the seed."""
SPREAD = 0.5
"""Sigma of the lognormal latencies: the slowest of a hundred takes about three times the median."""


class Endpoint:
    """One port: its latencies, and when requests came and answers went."""

    def __init__(self, seconds: float, seed: int) -> None:
        """`seconds` is the median latency."""
        self._seconds, self._draw = seconds, random.Random(seed)
        self.arrivals: list[float] = []
        self.departures: list[float] = []

    def began(self) -> float:
        """A request came; how long it takes."""
        self.arrivals.append(time.monotonic())
        return self._seconds * self._draw.lognormvariate(0, SPREAD) if self._seconds else 0.0

    def ended(self) -> None:
        """Its answer goes."""
        self.departures.append(time.monotonic())


class Connection(asyncio.Protocol):
    """As much of HTTP/1.1 as the clients need."""

    def __init__(self, endpoint: Endpoint) -> None:
        """`endpoint` is the port's."""
        self._endpoint, self._got, self._is_last = endpoint, b"", False
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """Remember where to answer."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        self._got += data
        while True:
            head, found, rest = self._got.partition(b"\r\n\r\n")
            if not found:
                return
            lower = head.lower()
            at = lower.find(b"content-length:")
            length = int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(rest) < length:
                return
            self._got = rest[length:]
            self._is_last = b"connection: close" in lower
            self._answer(head.split(b" ", 2)[1])

    def _answer(self, path: bytes) -> None:
        if path.endswith(b"/chat/completions"):
            seconds = self._endpoint.began()
            if seconds:
                asyncio.get_running_loop().call_later(seconds, self._complete)
            else:
                self._complete()
        elif path.endswith(b"/models"):
            self._send(b'{"object": "list", "data": [{"id": "m", "object": "model"}]}')
        elif path.endswith(b"/metrics"):
            self._send(b"vllm:generation_tokens_total %d\n" % len(self._endpoint.departures))
        elif path.endswith(b"/stats"):
            stats = {"arrivals": self._endpoint.arrivals, "departures": self._endpoint.departures}
            self._send(json.dumps(stats).encode())
        else:
            self._send(b"{}")

    def _complete(self) -> None:
        self._endpoint.ended()
        self._send(ANSWER.replace(b"NUMBER", b"%08d" % len(self._endpoint.departures), 1))

    def _send(self, body: bytes) -> None:
        if not self._transport.is_closing():
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            self._transport.write(head + body)
            if self._is_last:
                self._transport.close()


async def serve(ports: list[int], seconds: float, num_slow: int) -> None:
    """Serve on all ports until killed; the last `num_slow` of them ten times slower."""
    loop = asyncio.get_running_loop()
    for place, port in enumerate(ports):
        slow = place >= len(ports) - num_slow
        endpoint = Endpoint(10 * seconds if slow else seconds, place)
        await loop.create_server(lambda endpoint=endpoint: Connection(endpoint), "127.0.0.1", port, backlog=4096)  # type: ignore[misc]
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ports", type=int, nargs="+", required=True)
    parser.add_argument("--seconds", type=float, default=0.0, help="median latency")
    parser.add_argument("--slow", type=int, default=0, help="ports that are ten times slower")
    args = parser.parse_args()
    asyncio.run(serve(args.ports, args.seconds, args.slow))
