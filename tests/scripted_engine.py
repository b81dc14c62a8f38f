"""An engine for tests of processes: `vllm serve` whose answers are scripted, with a worker that has to be ended like vLLM's.

`install` makes an environment whose python, and all that it starts, finds this program in the place of vLLM's.
"""

import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from tests import small_pipeline
from tests.scripted_server import ScriptedServer

ROOT = Path(__file__).parents[1]
SECONDS = 0.2
"""How long an answer takes."""
WORKER = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)  # EngineCore"


def install(folder: Path) -> Path:
    """Make the environment in `folder`; what has to stand first on PATH."""
    prefix = Path(sys.prefix)
    programs = folder / "bin"
    programs.mkdir(parents=True)
    (folder / "lib").symlink_to(prefix / "lib")
    (folder / "pyvenv.cfg").write_text((prefix / "pyvenv.cfg").read_text())
    for program in (prefix / "bin").iterdir():
        if program.name != "vllm":
            (programs / program.name).symlink_to(program.resolve() if program.name == "python" else program)
    (programs / "vllm").write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom tests import scripted_engine\nscripted_engine.main()\n"
    )
    return programs


def main() -> None:
    """Serve until SIGTERM; then end the worker first, as vLLM's front does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--served-model-name")
    args, _ = parser.parse_known_args()
    worker = subprocess.Popen([sys.executable, "-c", WORKER])

    def end(number: int, frame: FrameType | None) -> None:
        worker.kill()
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    with ScriptedServer(
        [args.served_model_name],
        lambda body: small_pipeline.reply(body)._replace(seconds=SECONDS),
        address=("127.0.0.1", args.port),
    ):
        while worker.poll() is None:
            time.sleep(0.1)
    sys.exit(1)
