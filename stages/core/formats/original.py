"""The rows of AMD-AGI/ReasonLite's files: what they hold, read and written.

An experiment is a folder with `info.jsonl` (problems), `answer_origin/` (answers), `vote/` (how often each answer was
given) and `answer_judge/`, `answer_judge_vote/` (answers with a verdict against the data set's answer, or the vote's).
Answers hold a model's raw turn; gpt-oss writes OpenAI's harmony format.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from stages.core.sampling.channels import split_reasoning
from stages.core.sampling.harmony import Turn
from stages.core.sampling.queries import Answer, unescape_surrogates

EXTRA = "reasonlite_dvc"
"""Key for values of our tables that the original's rows lack; its programs ignore it."""
END, START = "<|end|>", "<|start|>assistant"
ANALYSIS, FINAL = "<|channel|>analysis<|message|>", "<|channel|>final<|message|>"
_USER = re.compile(r"<\|start\|>user<\|message\|>(.*?)<\|end\|>", re.DOTALL)
_EFFORT = re.compile(r"(?:^|<\|message\|>)reasoning:\s*(\w+)", re.IGNORECASE | re.MULTILINE)
_PLAIN = re.compile(
    rf"(?:{re.escape(ANALYSIS)}(?P<thought>.*?)(?:{re.escape(END + START)}|\Z))?(?:{re.escape(FINAL)}(?P<final>.*))?",
    re.DOTALL,
)


class AnswerRow(NamedTuple):
    """A sample of a problem as the original numbers it, with its prompt and its answer."""

    problem: str
    """The problem's own id, such as `pol:0`; it may hold underscores."""
    sample: int
    prompt: str
    model_input: str
    raw: str | None
    """The model's turn; None where none came back."""
    judge: bool | None
    votes: dict[str, int] | None
    expected: str | None
    extra: Mapping[str, Any]


def parse_answer(row: Mapping[str, Any]) -> AnswerRow:
    """A row of `answer_origin`, `answer_judge` or `answer_judge_vote`.

    Raises:
        ValueError: it is none.
    """
    problem, sample = split_index(row.get("index"))
    info = row.get("info")
    prompt, model_input = row.get("prompt"), row.get("model_input")
    raw, judge, extra = row.get("answer"), row.get("judge"), row.get(EXTRA, {})
    if not (isinstance(info, dict) and isinstance(prompt, str) and isinstance(model_input, str)):
        raise ValueError("has no `info`, `prompt` or `model_input`")
    if not isinstance(raw, str | None) or not isinstance(judge, bool | None) or not isinstance(extra, dict):
        raise ValueError("`answer` is no text, or `judge` neither true nor false")
    if raw is None and isinstance(row.get("model_output"), str):
        raw = row["model_output"].removeprefix(model_input)
    expected = info.get("expected_answer")
    return AnswerRow(
        problem,
        sample,
        prompt,
        model_input,
        raw,
        judge,
        votes(info),
        None if expected is None else str(expected),
        extra,
    )


def split_index(index: object) -> tuple[str, int]:
    """(problem, sample) of an index such as `pol:0_3`; one without a number behind its last `_` is sample 0.

    Raises:
        ValueError: it is no text, or empty.
    """
    if not isinstance(index, str | int) or isinstance(index, bool) or index == "":
        raise ValueError("has no `index`")
    problem, _, sample = str(index).rpartition("_")
    return (problem, int(sample)) if problem and sample.isdecimal() else (str(index), 0)


def votes(info: Mapping[str, Any]) -> dict[str, int] | None:
    """How often each answer was given, or None where the row has no counts.

    Raises:
        ValueError: the counts are none.
    """
    counted = info.get("vote")
    if counted is None:
        return None
    if not isinstance(counted, dict) or not all(isinstance(n, int) and n >= 0 for n in counted.values()):
        raise ValueError("`vote` holds no counts by answer")
    return {str(answer): number for answer, number in counted.items()}


def user_turn(model_input: str) -> str:
    """The user's turn of a harmony conversation; a conversation of another format as it is."""
    turns = _USER.findall(model_input)
    return str(turns[-1] if turns else model_input).strip()


def effort(model_input: str) -> str | None:
    """The reasoning effort that a harmony system message names."""
    match = _EFFORT.search(model_input.partition("<|start|>user")[0])
    return match[1].lower() if match else None


def plain_turn(raw: str) -> Turn | None:
    """A raw turn of the usual shape: a thought, then an answer, or only one of them. None for any other.

    Most turns are so, and are read a thousand times faster than by cutting them into tokens (`harmony.split`).
    """
    text = raw.removeprefix(START)
    match = _PLAIN.fullmatch(text)
    if match is None or not text or any(part is not None and "<|" in part for part in match.groups()):
        return None
    return Turn(match["thought"] or None, match["final"], 0)


def answer(row: AnswerRow, turn: Turn | None) -> Answer:
    """The stored answer of a row whose raw text holds `turn` (None: the row has it in parts of its own).

    A turn without its final part hit the limit of tokens, unless the row has another status.
    """
    known = row.extra
    content = known.get("content", turn and turn.content)
    reasoning = known.get("reasoning", turn and turn.reasoning)
    status = known.get("status", "stop" if content is not None else "length")
    return Answer(status, content, reasoning, known.get("prompt_tokens"), known.get("completion_tokens"), None)


def plain_answer(row: AnswerRow) -> Answer:
    """The stored answer of a model that writes no harmony, which may think in `<think>`."""
    content, reasoning = split_reasoning(row.raw, None)
    return answer(row, Turn(reasoning, content, 0))


def verdict(row: AnswerRow) -> tuple[str, str | None]:
    """(verdict, what decided it) of a judged row, in our words."""
    if "verdict" in row.extra:
        return row.extra["verdict"], row.extra["decided_by"]
    return {True: "correct", False: "incorrect", None: "unscored"}[row.judge], None if row.judge is None else "llm"


def vote(row: Mapping[str, Any]) -> tuple[str, tuple[object, ...]]:
    """The prompt of a row of `vote`, and the columns of `voting.VOTES` but for the id.

    The counts are those of the row, which an LLM made. The label is the data set's answer unless the row has one.

    Raises:
        ValueError: it is none.
    """
    prompt, counts, extra = row.get("prompt"), votes(row), row.get(EXTRA, {})
    if not isinstance(prompt, str) or counts is None or not isinstance(extra, dict):
        raise ValueError("has no `prompt` or no `vote`")
    counted = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    total = sum(number for _, number in counted)
    first, most = counted[0] if counted else (None, 0)
    tied = len(counted) > 1 and counted[1][1] == most
    expected = None if row.get("expected_answer") is None else str(row["expected_answer"])
    label = extra.get("label", expected)
    source = extra.get("label_source", "none" if label is None else "gold")
    histogram = [{"answer": each, "votes": number} for each, number in counted]
    share = most / total if total else 0.0
    return prompt, (extra.get("num_traces", total), total, first, most, share, tied, histogram, label, source)


def info_row(problem: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `info.jsonl` from one of `problems.PROBLEMS`."""
    return {
        "prompt": problem["prompt"],
        "expected_answer": problem["gold"],
        "difficulty": problem["difficulty"],
        "index": problem["source_id"] or problem["problem_id"],
    }


def vote_row(voted: Mapping[str, Any]) -> dict[str, Any]:
    """What a row of `vote` has beside the problem's, from one of `voting.VOTES`."""
    extra = {name: voted[name] for name in ("num_traces", "label", "label_source")}
    return {"vote": {each["answer"]: each["votes"] for each in voted["histogram"]}, EXTRA: extra}


def answer_row(trace: Mapping[str, Any], info: Mapping[str, Any], conversation: str) -> dict[str, Any]:
    """A row of `answer_origin` from a trace; `conversation` is all up to the answer."""
    texts = [text if text is None else unescape_surrogates(text) for text in (trace["reasoning"], trace["content"])]
    came = trace["status"] not in ("failed", "refused")
    raw = raw_turn(*texts) if came else None
    extra = {name: trace[name] for name in ("status", "prompt_tokens", "completion_tokens")}
    if raw is not None and plain_turn(raw) != (*texts, 0):
        extra |= dict(zip(("reasoning", "content"), texts, strict=True))
    return {
        "info": dict(info),
        "index": f"{info['index']}_{trace['sample']}",
        "model_input": conversation,
        "model_output": None if raw is None else conversation + raw,
        "prompt": info["prompt"],
        "answer": raw,
        EXTRA: extra,
    }


def judged_row(row: Mapping[str, Any], verdict: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `answer_judge_vote` from one of `answer_origin` and its verdict."""
    judge = None if verdict["verdict"] in ("unscored", "no_label") else verdict["verdict"] == "correct"
    extra = {name: verdict[name] for name in ("verdict", "decided_by")}
    return {**row, "judge": judge, EXTRA: row[EXTRA] | extra}


def model_input(user: str, reasoning_effort: str | None) -> str:
    """A harmony conversation up to the assistant's turn."""
    system = f"<|start|>system<|message|>reasoning: {reasoning_effort}{END}" if reasoning_effort else ""
    return f"{system}<|start|>user<|message|>\n{user}\n{END}{START}"


def raw_turn(reasoning: str | None, content: str | None) -> str:
    """A harmony turn that holds both. `plain_turn` reads it, unless one of them has a control token in it."""
    thought = "" if reasoning is None else ANALYSIS + reasoning
    if content is None:
        return thought
    return (thought + END + START if thought else "") + FINAL + content
