r"""The reward as GRPOTrainer calls it: keywords only, a list for each column, texts or chats."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from stages.edge.judge import accuracy_reward, reward_on


def chat(*contents: Any) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": content} for content in contents]


def called(reward: Any, completions: list[Any], **columns: list[Any]) -> list[float | None]:
    """The call of trl 1.16, `GRPOTrainer._calculate_rewards`."""
    return reward(
        prompts=["?"] * len(completions),
        completions=completions,
        completion_ids=[[1, 2]] * len(completions),
        **columns,
        trainer_state=SimpleNamespace(global_step=1),
        log_extra=lambda *_: None,
        log_metric=lambda *_: None,
    )


def test_right_answers_earn_one_wrong_ones_nothing_and_without_a_gold_there_is_no_reward() -> None:
    completions = [r"We add: \boxed{\frac{1}{2}}", "The answer is 5.", "0.5", "I do not know.", "", r"\boxed{4}", "4"]
    golds = ["1/2", "4", "1/2", "1/2", "3", None, "N/A"]
    assert called(accuracy_reward, completions, gold=golds) == [1.0, 0.0, 1.0, 0.0, 0.0, None, None]
    assert called(accuracy_reward, [], gold=[]) == []


def test_of_a_chat_the_assistants_last_message_counts() -> None:
    parts = [{"type": "text", "text": r"It is \boxed"}, {"type": "image"}, {"type": "text", "text": "{4}"}]
    completions = [
        chat(r"\boxed{4}"),
        chat(r"\boxed{4}", r"No: \boxed{5}"),
        [*chat(r"\boxed{4}"), {"role": "tool", "content": r"\boxed{5}"}],
        chat(parts),
        chat(None),
        [],
    ]
    assert called(accuracy_reward, completions, gold=[4] * 6) == [1.0, 0.0, 1.0, 1.0, 0.0, 0.0]


def test_what_stands_in_the_reasoning_earns_nothing() -> None:
    texts = [
        r"<think>\boxed{4}</think> So \boxed{5}",
        r"<think>\boxed{5}</think> So \boxed{4}",
        r"<think>\boxed{4}",
        r"hm</think>4",
    ]
    assert called(accuracy_reward, texts, gold=["4"] * 4) == [0.0, 1.0, 0.0, 1.0]


def test_the_gold_may_stand_in_another_column_and_a_missing_one_is_told() -> None:
    reward = reward_on("solution")
    assert called(reward, ["4", "5"], solution=["4", "4"], gold=["5", "5"]) == [1.0, 0.0]
    assert reward.__name__ == "accuracy_reward", "the name under which the trainer logs it"
    with pytest.raises(ValueError, match=r"no column 'gold'.*reward_on"):
        called(accuracy_reward, ["4"], answer=["4"])
    with pytest.raises(ValueError, match="2 completions and 1 values"):
        accuracy_reward(completions=["4", "5"], gold=["4"])


def test_an_answer_that_cannot_be_decided_earns_nothing_off_the_main_thread_too_and_is_counted() -> None:
    found: list[Any] = []

    def work() -> None:
        completions = [r"\boxed{x=10^{10^{10}}}", r"\boxed{\frac{x^2}{2}}"]
        rewards = accuracy_reward(
            completions=completions,
            gold=["10^{10^{10}}+1", r"\int x dx"],
            log_metric=lambda *logged: found.append(logged),
        )
        found.append(rewards)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [("undecided_share", 0.5), [0.0, 1.0]]


@pytest.mark.slow
def test_the_trainer_itself_gets_its_rewards() -> None:
    """`_calculate_rewards` of the installed trl, on what it reads of a trainer; no model is needed for it."""
    import torch
    from accelerate import Accelerator  # type: ignore[import-untyped]
    from trl.trainer.grpo_trainer import GRPOTrainer

    logged: dict[str, float] = {}
    trainer = SimpleNamespace(
        accelerator=Accelerator(cpu=True),
        args=SimpleNamespace(report_to=[]),
        reward_funcs=[accuracy_reward, reward_on("solution")],
        reward_processing_classes=[None, None],
        reward_func_names=["accuracy_reward", "accuracy_reward"],
        state=SimpleNamespace(global_step=0),
        environments=None,
        _log_completion_extra=lambda *_: None,
        _log_metric=logged.__setitem__,
    )
    inputs = [{"prompt": "2+2?", "gold": "4", "solution": "5"}] * 2 + [{"prompt": "?", "gold": None, "solution": "4"}]
    prompts = [each["prompt"] for each in inputs]
    completions = [chat(r"\boxed{4}"), chat(r"\boxed{5}"), chat("4")]
    rewards = GRPOTrainer._calculate_rewards(trainer, inputs, prompts, completions, [[1]] * 3)
    assert torch.equal(rewards.nan_to_num(-1), torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 1.0]]))
    assert logged == {"undecided_share": 0.0}
