"""lm-eval, with one more client: it sends, for the seed n of a task, the seed that the exam had for its sample n.

Run by the python of an environment that has lm-eval[api,math]; EXAM_SEEDS names a file of seeds by question.
"""

import json
import os
from pathlib import Path
from typing import Any

from lm_eval.__main__ import cli_evaluate
from lm_eval.api.registry import register_model
from lm_eval.models.openai_completions import LocalChatCompletion

SEEDS: dict[str, list[int]] = json.loads(Path(os.environ["EXAM_SEEDS"]).read_text(encoding="utf-8"))


@register_model("exam-chat-completions")
class ExamChatCompletion(LocalChatCompletion):
    """`local-chat-completions`, but for the seed."""

    def _create_payload(self, messages: list[dict[str, str]], **settings: Any) -> dict[str, Any]:
        payload = super()._create_payload(messages, **settings)
        return {**payload, "seed": SEEDS[messages[-1]["content"]][payload["seed"]]}


if __name__ == "__main__":
    cli_evaluate()
