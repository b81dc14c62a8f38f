"""A model server that says what a test tells it to: the OpenAI protocol on loopback, with every kind of failure."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple


class Reply(NamedTuple):
    """What comes back for a request: a completion, or with `status` >= 400 an error; `raw` replaces the whole body."""

    content: str | None = ""
    reasoning: str | None = None
    finish_reason: str = "stop"
    prompt_tokens: int = 10
    completion_tokens: int = 5
    status: int = 200
    raw: bytes | None = None
    drop: bool = False
    """Close the connection without an answer."""
    seconds: float = 0.0
    """Wait as long before answering."""


class ScriptedServer:
    """`with ScriptedServer(["m"], lambda body: Reply("4")) as server:` then ask `server.url`; `server.requests` has the bodies."""

    def __init__(
        self,
        models: Sequence[str] | Callable[[], Sequence[str]],
        reply: Callable[[dict[str, Any]], Reply],
        key: str | None = None,
    ) -> None:
        """`models` is what /v1/models lists, asked anew each time where it is a function; `key` is the one accepted."""
        self.requests: list[dict[str, Any]] = []
        self.most_in_flight = 0
        self._in_flight = 0
        self._models, self._reply, self._key = models, reply, key
        self._turn = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if owner._refused(self):
                    return
                models = owner._models() if callable(owner._models) else owner._models
                owner._send(self, 200, {"object": "list", "data": [{"id": name, "object": "model"} for name in models]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if not owner._refused(self):
                    owner._answer(self, body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing on stderr."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> "ScriptedServer":
        """Start to serve."""
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()

    def _refused(self, handler: BaseHTTPRequestHandler) -> bool:
        if self._key is None or handler.headers.get("Authorization") == f"Bearer {self._key}":
            return False
        self._send(handler, 401, {"error": {"message": "wrong key", "type": "invalid_request_error"}})
        return True

    def _answer(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        with self._turn:
            self.requests.append(body)
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            reply = self._reply(body)
            time.sleep(reply.seconds)
        finally:
            with self._turn:
                self._in_flight -= 1
        if reply.drop:
            handler.close_connection = True
            handler.connection.close()
        elif reply.raw is not None:
            self._send_bytes(handler, reply.status, reply.raw)
        elif reply.status >= 400:
            self._send(handler, reply.status, {"error": {"message": reply.content, "type": "server_error"}})
        else:
            self._send(handler, 200, completion(body, reply))

    def _send(self, handler: BaseHTTPRequestHandler, status: int, document: dict[str, Any]) -> None:
        self._send_bytes(handler, status, json.dumps(document).encode())

    def _send_bytes(self, handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        with contextlib.suppress(ConnectionError):  # the client may have lost patience, as tests want it to
            self._write(handler, status, body)

    def _write(self, handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


def completion(body: dict[str, Any], reply: Reply) -> dict[str, Any]:
    """A chat completion as vLLM writes it."""
    message = {"role": "assistant", "content": reply.content, "reasoning": reply.reasoning}
    usage = {
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "total_tokens": reply.prompt_tokens + reply.completion_tokens,
    }
    choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason, "logprobs": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [choice],
        "usage": usage,
    }
