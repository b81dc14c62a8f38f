"""Why stages run, in a few lines."""

import pytest

from stages.core.planning import reasons
from stages.core.planning.reasons import Reasons

CODE = {"stages/core/equality": ("matching.py", "relations.py"), "stages/vote.py": ()}


def shown(stages: dict[str, Reasons], width: int = 100) -> list[str]:
    return list(reasons.lines({name: each.plain() for name, each in stages.items()}, width))


def test_stages_with_the_same_reasons_share_a_line_and_those_without_any_have_none() -> None:
    found = shown(
        {"base": Reasons(is_new=True), "vote": Reasons(code=CODE), "read": Reasons(is_new=True), "x": Reasons()}
    )
    assert found == [
        "- base, read: did not run here before",
        "- vote: code stages/vote.py, stages/core/equality (matching.py, relations.py)",
    ]


def test_settings_are_named_with_their_old_and_new_values() -> None:
    settings = {"teach.medium.num_samples": (6, 8), "teach.medium.suffix": (None, "")}
    assert shown({"teach": Reasons(settings=settings)}) == [
        "- teach: settings teach.medium.num_samples 6 -> 8, teach.medium.suffix none -> ''"
    ]


def test_data_is_named_with_the_stage_that_makes_it_and_outs_are_counted() -> None:
    (line,) = shown({"judge": Reasons(data={"v": "vote", "s": ""}, outs={"o": "deleted"})})
    assert line == "- judge: data v of vote, s; 1 out deleted"


def test_a_folder_of_which_no_file_can_be_named_is_called_a_folder() -> None:
    (line,) = shown({"judge": Reasons(code={"stages/core/text": ()}, definition=True)})
    assert line == "- judge: code folder stages/core/text; its lines in dvc.yaml"


def test_many_names_are_counted_and_lines_are_broken() -> None:
    stages = {f"stage@{n}": Reasons(code={f"stages/core/p{k}": ("a.py",) for k in range(12)}) for n in range(12)}
    found = shown(stages, 60)
    assert max(map(len, found)) <= 60
    line = " ".join(each.strip() for each in found)
    assert "stage@5 and 6 more:" in line and line.endswith("stages/core/p3 (a.py) and 8 more")


@pytest.mark.parametrize(
    ("given", "is_code_alone"),
    [
        (Reasons(code=CODE), True),
        (Reasons(definition=True), True),
        (Reasons(), False),
        (Reasons(code=CODE, is_new=True), False),
        (Reasons(code=CODE, settings={"a": (1, 2)}), False),
        (Reasons(code=CODE, data={"a": ""}), False),
        (Reasons(code=CODE, outs={"a": "deleted"}), False),
    ],
)
def test_code_alone_is_nothing_else(given: Reasons, is_code_alone: bool) -> None:
    assert given.is_code_alone == is_code_alone


def test_several_files_of_a_folder_share_its_name() -> None:
    code = {f"stages/core/tables/{name}.py": () for name in "abcd"}
    (line,) = shown({"judge": Reasons(code=code)})
    assert line == "- judge: code stages/core/tables (a.py, b.py, c.py and 1 more)"
