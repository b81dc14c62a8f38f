"""SFT rows as tokens on disk."""

from pathlib import Path

import polars as pl
import pytest

from stages.core.curation import chat
from stages.core.tables.sft import SFT, SFT_KEY
from stages.edge.errors import InputError
from stages.edge.files import tables
from stages.edge.training import token_file
from tests.test_kills import write_sft
from tests.tiny_models import save_tiny_model, sft_row


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("student"))


def test_every_row_is_there_in_the_tables_order(student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_file, "ROWS_AT_ONCE", 7)
    monkeypatch.setattr(tables, "ROWS_PER_PART", 10)
    write_sft(tmp_path, 24)
    sft = tmp_path / "data/sft/turbo"
    assert len(tables.files(sft)) == 3
    tokens = token_file.write(sft, student, tmp_path / "tokens")
    rows = [(ids.tolist(), num_prompt) for ids, num_prompt in map(tokens.row, range(24))]
    wanted = list(tables.read(sft, SFT).select("input_ids", "num_prompt").iter_rows())
    assert rows == wanted
    lengths, num_prompt = token_file.lengths(sft)
    assert tokens.lengths.tolist() == lengths.tolist() == [len(ids) for ids, _ in wanted]
    assert tokens.num_prompt.tolist() == num_prompt.tolist() == [num for _, num in wanted]


def test_what_a_kill_left_is_made_anew_and_what_is_finished_is_kept(student: Path, tmp_path: Path) -> None:
    write_sft(tmp_path, 5)
    half = tmp_path / "tokens.partial"
    half.mkdir()
    (half / "tokens.bin").write_bytes(b"half")
    first = token_file.write(tmp_path / "data/sft/turbo", student, tmp_path / "tokens")
    stamp = (tmp_path / "tokens/tokens.bin").stat().st_mtime_ns
    second = token_file.write(tmp_path / "data/sft/turbo", student, tmp_path / "tokens")
    assert not half.exists() and (tmp_path / "tokens/tokens.bin").stat().st_mtime_ns == stamp
    assert second.row(4)[0].tolist() == first.row(4)[0].tolist()


@pytest.mark.parametrize("change", ["other ids", "another end", "another template"])
def test_tokens_of_another_tokenizer_are_refused_before_anything_is_trained(
    change: str, student: Path, tmp_path: Path
) -> None:
    row = sft_row("a", "1+1?", "2")
    if change == "other ids":
        row["input_ids"] = [*row["input_ids"][:-3], row["input_ids"][0], *row["input_ids"][-2:]]
    elif change == "another end":
        row["input_ids"] = row["input_ids"][:-1]
    (tmp_path / "student").mkdir()
    for file in student.iterdir():
        text = file.read_bytes()
        text = text.replace(b"message.role + ", b"'by ' + message.role + ") if change == "another template" else text
        (tmp_path / "student" / file.name).write_bytes(text)
    tables.write(pl.DataFrame([row], schema=SFT), tmp_path / "sft", SFT, SFT_KEY)
    with pytest.raises(
        InputError, match=r"made with another tokenizer or chat template than that of .*make the rows anew"
    ):
        token_file.write(tmp_path / "sft", tmp_path / "student", tmp_path / "tokens")
    assert not (tmp_path / "tokens").exists()


def test_a_folder_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_sft(tmp_path, 3)
    with pytest.raises(InputError, match="empty: holds no tokenizer"):
        token_file.write(tmp_path / "data/sft/turbo", tmp_path / "empty", tmp_path / "tokens")


def test_a_template_that_writes_another_text_than_the_messages_is_refused(student: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(student)
    messages = [{"role": "user", "content": "What is 2 + 2?"}, {"role": "assistant", "content": "\\boxed{4}"}]
    row = chat.tokenise(messages, tokenizer)
    chat.read_back(row, messages, tokenizer)
    for wrong in (
        chat.TokenisedRow(row.input_ids[:-1], row.num_prompt),  # the end token is not trained
        chat.TokenisedRow(row.input_ids[:-3] + row.input_ids[-1:], row.num_prompt),  # the answer is cut
    ):
        with pytest.raises(ValueError, match=r"trained|another text"):
            chat.read_back(wrong, messages, tokenizer)


def test_an_empty_table_makes_an_empty_file(student: Path, tmp_path: Path) -> None:
    tables.write(pl.DataFrame(schema=SFT), tmp_path / "sft", SFT, SFT_KEY)
    tokens = token_file.write(tmp_path / "sft", student, tmp_path / "tokens")
    assert len(tokens.lengths) == 0
