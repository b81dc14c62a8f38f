"""The process that writes to MLflow: for one stage while it runs, or for what the pipeline's state lacks there."""

import gc
import os
import queue
import signal
import sys
import threading
from pathlib import Path

from stages.edge import track
from stages.edge.track.events import Event, receive, redacted


def main() -> None:
    """`record` follows the stage at the other end of the pipe; without arguments, sync."""
    uri = track.destination()
    if uri is None:
        print("tracking is off (MLFLOW_TRACKING_URI)")
        return
    for name, value in track.CLIENT_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    recording = sys.argv[1:] == ["record"]
    inbox: queue.SimpleQueue[Event] = queue.SimpleQueue()
    if recording:
        # Whatever ends the stage, this process must outlive it to write that down.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        threading.Thread(target=receive, args=(sys.stdin, inbox), daemon=True).start()
    try:
        # Two thousand modules: the collector's passes over them are a third of the import.
        gc.disable()
        from stages.edge.track import runs

        gc.freeze()
        gc.enable()
        if recording:
            runs.record(inbox, uri, Path.cwd())
        else:
            look = f"mlflow ui --backend-store-uri {uri}" if uri.startswith("sqlite:") else uri
            print(redacted(f"{runs.sync(uri, Path.cwd())}; look with: {look}"))
    except Exception as error:  # the one boundary: no failure of tracking is a failure of the pipeline
        problem = redacted(f"{type(error).__name__}: {error}".partition("\n")[0])[:300]
        # The stage that waits for its recorder prints this line as a warning.
        print(problem) if recording else track.warn(problem)


if __name__ == "__main__":
    main()
    # All is written; taking those modules down one by one would keep a stage waiting for half a second.
    sys.stdout.flush()
    os._exit(0)
