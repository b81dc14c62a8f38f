"""Serve a model until interrupted: a vLLM engine for each group of the visible GPUs, for this host's stages to use.

python -m stages.serve Qwen/Qwen3-8B --port 8000

It prints the line that sets OPENAI_BASE_URL. Options that it does not know are for `vllm serve`, after the chosen
profile's `runtime.engine.args`. Every engine listens on loopback: to serve other hosts, put a proxy with a key before
it, or a tunnel.
"""

import argparse

from stages.edge import params
from stages.edge.cli import running
from stages.edge.engines import server


def main() -> None:
    """Serve with the settings of the chosen profile's `runtime.engine`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="hub id or folder")
    parser.add_argument("--name", help="name that clients ask for; the model without it")
    parser.add_argument("--port", type=int, help="port of the first engine; the others have the next ones")
    args, more = parser.parse_known_args()
    settings = params.load(params.Runtime, "runtime").engine
    settings = settings.model_copy(update={"args": [*settings.args, *more]})
    server.serve(args.model, args.name or args.model, args.port, settings)


if __name__ == "__main__":
    running.run(main, is_stage=False)
