"""Verdicts by lm-eval's own code, for its tasks; by itself: lines of {"doc", "text"} from stdin to lines of verdicts.

Run by the python of an environment that has lm-eval[api,math].
"""

import json
import sys

from lm_eval.tasks.aime.utils import process_results as boxed
from lm_eval.tasks.minerva_math.utils import process_results as verified


def process_results(doc: dict[str, str], results: list[str]) -> dict[str, int]:
    """`exact_match` of its AIME tasks and `math_verify` of its minerva_math tasks."""
    return {
        "exact_match": boxed(doc, results)["exact_match"],
        "math_verify": verified(doc, results)["math_verify"],
    }


if __name__ == "__main__":
    for line in sys.stdin:
        row = json.loads(line)
        print(json.dumps(process_results(row["doc"], [row["text"]])))
