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
    headers: tuple[tuple[str, str], ...] = ()
    model: str | None = None
    """Answer under another name than the one asked for."""
    half: bool = False
    """Close the connection in the middle of the body."""
    no_chunk: bool = False
    """A chunked body whose first chunk says no size."""
    choices: int | None = None
    """As many choices, whatever was asked for."""
    prompt_ids: tuple[int, ...] | None = None
    """Tokens of the prompt, told to who asks for token ids."""
    fingerprint: str | None = None
    """The completion's `system_fingerprint`."""


class ScriptedServer:
    """`with ScriptedServer(["m"], lambda body: Reply("4")) as server:` then ask `server.url`; `server.requests` has the bodies."""

    def __init__(
        self,
        models: Sequence[str] | Callable[[], Sequence[str]],
        reply: Callable[[dict[str, Any]], Reply],
        key: str | None = None,
        metrics: bool = True,
        address: tuple[str, int] = ("127.0.0.1", 0),
        version: str | None = None,
    ) -> None:
        """`models` is what /v1/models lists, asked anew each time where it is a function; `key` is the one accepted.

        With `version` the server is a vLLM that tells it. With `metrics` the server counts its tokens at /metrics, as vLLM does; without, it streams when asked to. `reply`
        gets the body, with the number of the choice as `choice` where several are asked for.
        """
        self.requests: list[dict[str, Any]] = []
        self.num_tokens = self.num_waiting = 0
        self._metrics = metrics
        self.most_in_flight = 0
        self._in_flight = 0
        self._models, self._reply, self._key = models, reply, key
        self._turn = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path == "/health":  # for which vLLM asks no key
                    owner._send_bytes(self, 200, b"")
                    return
                if owner._refused(self):
                    return
                if self.path == "/metrics":
                    text = f'vllm:generation_tokens_total{{model_name="m"}} {owner.num_tokens}\n'
                    text += f'vllm:num_requests_waiting{{model_name="m"}} {owner.num_waiting}.0\n'
                    owner._send_bytes(self, 200 if owner._metrics else 404, text.encode() if owner._metrics else b"")
                    return
                if self.path == "/version" and version:
                    owner._send(self, 200, {"version": version})
                    return
                models = owner._models() if callable(owner._models) else owner._models
                whose = {"owned_by": "vllm"} if version else {}
                listed = [{"id": name, "object": "model", **whose} for name in models]
                owner._send(self, 200, {"object": "list", "data": listed})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if not owner._refused(self):
                    owner._answer(self, body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing on stderr."""

        class Server(ThreadingHTTPServer):
            request_queue_size = 128

            def handle_error(self, request: object, client_address: object) -> None:
                """Say nothing of clients that were killed."""

        self._server = Server(address, Handler)
        self._server.daemon_threads = True
        self.url = f"http://{address[0]}:{self._server.server_port}/v1"

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
            number = body.get("n", 1)
            found = [self._reply({**body, "choice": place} if number > 1 else body) for place in range(number)]
            reply = found[0]
            time.sleep(reply.seconds)
        finally:
            with self._turn:
                self._in_flight -= 1
        if reply.drop:
            handler.close_connection = True
            handler.connection.close()
        elif reply.raw is not None:
            self._send_bytes(handler, reply.status, reply.raw, reply.headers)
        elif reply.status >= 400:
            error = {"error": {"message": reply.content, "type": "server_error"}}
            self._send_bytes(handler, reply.status, json.dumps(error).encode(), reply.headers)
        elif reply.half:
            whole = json.dumps(completion(body, found)).encode()
            handler.close_connection = True
            self._send_bytes(handler, 200, whole[: len(whole) // 2], length=len(whole))
        elif reply.no_chunk:
            handler.send_response(200)
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            handler.close_connection = True
            handler.wfile.write(b"no size\r\n")
        elif body.get("stream"):
            self._stream(handler, body, found)
        else:
            with self._turn:
                self.num_tokens += sum(each.completion_tokens for each in found)
            self._send(handler, 200, completion(body, found))

    def _stream(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], found: Sequence[Reply]) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        whole = completion(body, found)
        pieces = []
        for choice in whole["choices"]:
            said = choice["message"]
            opening = {"role": "assistant", "content": ""}  # as vLLM and OpenAI do, whatever follows
            pieces.append({"choices": [{"index": choice["index"], "delta": opening, "finish_reason": None}]})
            halves = [
                {name: half}
                for name, text in said.items()
                if name != "role" and text is not None
                for half in (text[: len(text) // 2], text[len(text) // 2 :])
            ]
            for delta in halves:
                pieces.append({"choices": [{"index": choice["index"], "delta": delta, "finish_reason": None}]})
            ended = {"index": choice["index"], "delta": {}, "finish_reason": choice["finish_reason"]}
            if "token_ids" in choice:
                ended["token_ids"] = choice["token_ids"]
            pieces.append({"choices": [ended]})
        pieces.append({"choices": [], "usage": whole["usage"]})
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                event = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": whole["model"], **piece}
                if found[0].fingerprint:
                    event["system_fingerprint"] = found[0].fingerprint
                handler.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
                handler.wfile.flush()
            handler.wfile.write(b"data: [DONE]\n\n")

    def _send(self, handler: BaseHTTPRequestHandler, status: int, document: dict[str, Any]) -> None:
        self._send_bytes(handler, status, json.dumps(document).encode())

    def _send_bytes(
        self,
        handler: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        headers: Sequence[tuple[str, str]] = (),
        length: int | None = None,
    ) -> None:
        with contextlib.suppress(ConnectionError):  # the client may have lost patience, as tests want it to
            handler.send_response(status)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", str(len(body) if length is None else length))
            for name, value in headers:
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(body)


def completion(body: dict[str, Any], found: Sequence[Reply]) -> dict[str, Any]:
    """A chat completion as vLLM writes it, with a choice for each reply."""
    many = found if found[0].choices is None else [found[0]] * found[0].choices
    choices = [
        {
            "index": place,
            "message": {"role": "assistant", "content": reply.content, "reasoning": reply.reasoning},
            "finish_reason": reply.finish_reason,
            "logprobs": None,
            **({"token_ids": [0] * reply.completion_tokens} if body.get("return_token_ids") else {}),
        }
        for place, reply in enumerate(many)
    ]
    made = sum(reply.completion_tokens for reply in many)
    prompt = {"prompt_token_ids": list(found[0].prompt_ids)} if found[0].prompt_ids else {}
    return {
        **(prompt if body.get("return_token_ids") else {}),
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": found[0].model or body["model"],
        **({"system_fingerprint": found[0].fingerprint} if found[0].fingerprint else {}),
        "choices": choices,
        "usage": {
            "prompt_tokens": found[0].prompt_tokens,
            "completion_tokens": made,
            "total_tokens": found[0].prompt_tokens + made,
        },
    }
