"""What a run of a profile would take, before it costs anything, and beside what a run of it took.

python -m stages.plan
python -m stages.plan --profile reasonlite --gpus 8 --price 2.5
python -m stages.plan --profile gpu --against reasonlite --json

For each stage: what `dvc repro` would do with it (asked of DVC), problems, samples, tokens, steps, GPU hours, hours
from start to end, disk. Lengths are those of this profile's answers where there are some, else published ones; rates
are measured ones. Each number says how it is known, and its source is listed. What is not known is asked for:

python -m stages.plan --profile gpu --assume tokens.exam@final=12000 --assume rate.openai/gpt-oss-20b=9000

Without `--price` there is no cost. `--gpus` is as many as the profile trains on.
"""

import argparse
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.core.planning import plan_document, planning
from stages.core.planning.plan_document import Planned
from stages.edge import params
from stages.edge.cli import running
from stages.edge.errors import SettingError
from stages.edge.planning import evidence, repro_state
from stages.edge.planning.forecast import Forecast


def main() -> None:
    """Print the plan of a profile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", help="the chosen one if left out")
    parser.add_argument("--against", metavar="PROFILE", help="show in which settings another profile differs")
    parser.add_argument("--gpus", type=int, help="that work side by side")
    parser.add_argument("--price", type=float, metavar="PER_GPU_HOUR", help="in any currency")
    parser.add_argument("--assume", action="append", default=[], metavar="KEY=NUMBER", help="what you know better")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    name = args.profile or params.profile()
    settings = params.load_profile(name)
    other = params.load_profile(args.against) if args.against else None
    plan = _plan(name, settings, args)
    if other is not None:
        pairs = planning.differences(settings.model_dump(mode="json"), other.model_dump(mode="json"))
        plan["against"] = {"profile": args.against, "settings": {key: list(pair) for key, pair in pairs.items()}}
    if args.json:
        print(json.dumps(plan, indent=2, allow_nan=False))
        return
    print("\n".join(plan_document.text(plan)))
    if other is not None:
        print("\n".join(plan_document.differing(name, args.against, plan["against"]["settings"])))


def _plan(name: str, settings: params.Profile, args: argparse.Namespace) -> dict[str, Any]:
    runtime = settings.runtime
    num_gpus = args.gpus if args.gpus is not None else runtime.num_processes * runtime.num_hosts
    if num_gpus < 1:
        raise SettingError(f"--gpus {num_gpus}: must be at least 1")
    if args.price is not None and not (math.isfinite(args.price) and args.price >= 0):
        raise SettingError(f"--price {args.price}: must be a number that is not negative")
    stages = repro_state.stages(Path.cwd(), params.text_with(name))
    known = evidence.gather(Path.cwd(), name, settings, stages)
    works = Forecast(settings, params.graph(), known, _assumed(args.assume)).works(stages)
    expected = Forecast(settings, params.graph(), evidence.NONE, {}).works(stages)
    planned = {
        stage: Planned(
            str(each.verdict),
            each.changed,
            each.verdict not in evidence.DONE,
            works[stage],
            each.reasons,
            each.can_be_accepted and name == params.profile(),  # the commands are about the chosen profile
        )
        for stage, each in stages.items()
    }
    epochs = {stage: each.epochs for stage, each in settings.train.items()}
    return plan_document.document(name, planned, num_gpus, args.price, expected, evidence.happened(known, epochs))


def _assumed(options: list[str]) -> Mapping[str, float]:
    assumed = {}
    for option in options:
        key, _, value = option.rpartition("=")
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not key or not math.isfinite(number) or number <= 0:
            raise SettingError(f"--assume {option}: must be KEY=NUMBER with a number above 0")
        assumed[key] = number
    return assumed


if __name__ == "__main__":
    running.run(main, is_stage=False)
