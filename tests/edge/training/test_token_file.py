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
from tests.tiny_models import save_tiny_model


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("student"))


def expected(sft: Path, student: Path) -> list[tuple[list[int], int]]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(student)
    rows = [chat.tokenise(messages, tokenizer) for messages in tables.read(sft, SFT)["messages"].to_list()]
    return [(row.input_ids, row.labels.count(chat.IGNORED)) for row in rows]


@pytest.mark.parametrize("num_workers", [1, 2])
def test_every_row_is_there_in_the_tables_order_however_many_workers_made_it(
    num_workers: int, student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_file, "ROWS_AT_ONCE", 7)
    write_sft(tmp_path, 24)
    found = token_file.write(tmp_path / "data/sft/turbo", student, tmp_path / "tokens", num_workers, "local")
    rows = [found.row(index) for index in range(24)]
    wanted = expected(tmp_path / "data/sft/turbo", student)
    assert [(ids.tolist(), num_prompt) for ids, num_prompt in rows] == wanted
    assert found.lengths.tolist() == [len(ids) for ids, _ in wanted]
    assert found.num_prompt.tolist() == [num_prompt for _, num_prompt in wanted]


def test_what_a_kill_left_is_made_anew_and_what_is_finished_is_kept(student: Path, tmp_path: Path) -> None:
    write_sft(tmp_path, 5)
    half = tmp_path / "tokens.partial"
    half.mkdir()
    (half / "tokens.bin").write_bytes(b"half")
    made = token_file.write(tmp_path / "data/sft/turbo", student, tmp_path / "tokens", 1, "local")
    stamp = (tmp_path / "tokens/tokens.bin").stat().st_mtime_ns
    again = token_file.write(tmp_path / "data/sft/turbo", student, tmp_path / "tokens", 1, "local")
    assert not half.exists() and (tmp_path / "tokens/tokens.bin").stat().st_mtime_ns == stamp
    assert again.row(4)[0].tolist() == made.row(4)[0].tolist()


def test_a_template_without_the_end_token_is_refused_before_anything_is_trained(student: Path, tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    for file in student.iterdir():
        text = file.read_bytes()
        (tmp_path / "odd" / file.name).write_bytes(text.replace(b"+ '<|im_end|>' +", b"+"))
    write_sft(tmp_path, 3)
    with pytest.raises(InputError, match="cannot be trained with: the chat template ends an answer without"):
        token_file.write(tmp_path / "data/sft/turbo", tmp_path / "odd", tmp_path / "tokens", 1, "local")
    assert not (tmp_path / "tokens").exists()


def test_a_folder_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_sft(tmp_path, 3)
    with pytest.raises(InputError, match="empty: holds no tokenizer"):
        token_file.write(tmp_path / "data/sft/turbo", tmp_path / "empty", tmp_path / "tokens", 1, "local")


def test_a_template_that_writes_another_text_than_the_messages_is_refused(student: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(student)
    messages = [{"role": "user", "content": "What is 2 + 2?"}, {"role": "assistant", "content": "\\boxed{4}"}]
    row = chat.tokenise(messages, tokenizer)
    chat.read_back(row, messages, tokenizer)
    for wrong in (
        chat.Row(row.input_ids, [*row.labels[:-1], chat.IGNORED]),  # the end token is not trained
        chat.Row(row.input_ids[:-3] + row.input_ids[-1:], row.labels[:-3] + row.labels[-1:]),  # the answer is cut
    ):
        with pytest.raises(ValueError, match=r"trained|another text"):
            chat.read_back(wrong, messages, tokenizer)


def test_an_empty_table_makes_an_empty_file(student: Path, tmp_path: Path) -> None:
    tables.write(pl.DataFrame(schema=SFT), tmp_path / "sft", SFT, SFT_KEY)
    found = token_file.write(tmp_path / "sft", student, tmp_path / "tokens", 1, "local")
    assert len(found.lengths) == 0
