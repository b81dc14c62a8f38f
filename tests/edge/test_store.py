"""The store of answers: nothing committed is lost, one writer of a part at a time, found from everywhere."""

import contextlib
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from stages.core.sampling.queries import Answer
from stages.edge import store
from stages.edge.errors import InputError
from stages.edge.store import segments

ROOT = Path(__file__).parents[2]
ANSWER = Answer("stop", "x = 2 \x00 \ud800 \u2028 \U0001f600", None, 3, 4, None)


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("REASONLITE_STORE", str(tmp_path))
    return tmp_path


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def answer(number: int) -> Answer:
    return ANSWER._replace(prompt_tokens=number)


def start(code: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_what_was_put_comes_back_as_it_was_also_later() -> None:
    many = [(key(number), answer(number)) for number in range(1200)]
    with store.opened("model", "high") as answers:
        answers.put(many)
        assert answers.known([key(0), key(-1)]) == [True, False]
    with store.opened("model", "high") as answers:
        assert answers.get([key for key, _ in many]) == dict(many)
        assert answers.known([key(-1), key(3)]) == [False, True]
        assert answers.get([key(-1)]) == {} and answers.known([]) == []


def test_models_are_apart_and_the_parts_of_a_model_are_not() -> None:
    with store.opened("one", "medium") as answers:
        answers.put([(key(1), ANSWER)])
    with store.opened("other", "medium") as answers:
        assert answers.known([key(1)]) == [False]
    with store.opened("one", "high") as answers:
        assert answers.known([key(1)]) == [True]
        assert answers.get([key(1)]) == {key(1): ANSWER}


def test_a_full_part_becomes_a_segment_that_never_changes(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(store, "SEGMENT_ROWS", 100)
    with store.opened("model", "high") as answers:
        for start in range(0, 250, 50):
            answers.put([(key(number), answer(number)) for number in range(start, start + 50)])
            assert all(answers.known([key(number) for number in range(start + 50)]))
        assert answers.get([key(0), key(249)]) == {key(0): answer(0), key(249): answer(249)}
    found = sorted((folder / "model").glob(segments.SEGMENT))
    assert len(found) == 2
    for segment in found:
        assert segments.segment_name(segment) == segment.name
        assert segment.stat().st_mode & 0o222 == 0
    with store.opened("model", "high") as answers:
        assert sum(answers.known([key(number) for number in range(300)])) == 250


def test_one_thread_may_look_up_while_another_commits_and_seals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "SEGMENT_ROWS", 20)
    faults: list[BaseException] = []

    def write(answers: store.Store) -> None:
        try:
            for number in range(400):
                answers.put([(key(number), answer(number))])
        except BaseException as fault:
            faults.append(fault)

    with store.opened("model", "high") as answers:
        writer = threading.Thread(target=write, args=(answers,))
        writer.start()
        while writer.is_alive():
            known = answers.known([key(number) for number in range(400)])
            assert known == sorted(known, reverse=True), "they were put in this order"
            assert len(answers.get([key(0), key(399)])) <= 2
        writer.join()
        assert not faults and all(answers.known([key(number) for number in range(400)]))


def test_of_two_answers_to_one_query_the_earliest_counts_in_whatever_order_the_files_come() -> None:
    with store.opened("model", "b") as answers:
        answers.put([(key(1), answer(1))])
    time.sleep(0.01)
    for part in ("a", "c"):
        file = segments.File(store.root() / "model" / f"{part}.sqlite", write=True)
        file.put([(bytes.fromhex(key(1)), answer(2))], part)
        file.close()
    for part in ("a", "b", "c"):
        with store.opened("model", part) as answers:
            assert answers.get([key(1)]) == {key(1): answer(1)}


def test_an_answer_that_is_put_twice_stays_the_first() -> None:
    with store.opened("model", "a") as answers:
        answers.put([(key(1), answer(1))])
        answers.put([(key(1), answer(2)), (key(2), answer(2))])
        assert answers.get([key(1), key(2)]) == {key(1): answer(1), key(2): answer(2)}


@given(
    st.sets(st.binary(min_size=32, max_size=32), max_size=50), st.sets(st.binary(min_size=32, max_size=32), max_size=50)
)
def test_the_keys_of_a_file_are_a_set(held: set[bytes], others: set[bytes]) -> None:
    keys = segments.Keys(sorted(held))
    assert len(keys) == len(held)
    asked = sorted(held | others)
    assert list(keys.holds(asked)) == [each in held for each in asked]


def test_keys_with_the_same_beginning_are_told_apart() -> None:
    one, other = b"\x01" * 8 + b"\x02" * 24, b"\x01" * 8 + b"\x03" * 24
    assert list(segments.Keys([one]).holds([one, other])) == [True, False]


WRITER = """
import hashlib
import json
from stages.core.sampling.queries import Answer
from stages.edge import store
with store.opened("model", "high") as answers:
    for number in range(10**6):
        key = hashlib.sha256(str(number).encode()).hexdigest()
        answers.put([(key, Answer("stop", "text " * 50, None, 1, 1, None))])
        print(number, flush=True)
"""


def test_after_a_kill_every_committed_answer_is_there_and_the_claim_is_free() -> None:
    writer = start(WRITER)
    assert writer.stdout is not None
    committed = [int(writer.stdout.readline()) for _ in range(20)]
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    with store.opened("model", "high") as answers:
        assert len(answers.get([key(number) for number in committed])) == 20
        answers.put([(key(-1), ANSWER)])


def test_a_commit_that_a_kill_cut_short_is_rolled_back_for_writers_and_readers_alike(folder: Path) -> None:
    with store.opened("model", "high") as answers:
        answers.put([(key(number), ANSWER) for number in range(300)])
    (file,) = (folder / "model").glob("high.*.sqlite")
    journal = f"{file.name}-journal"
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.executescript("PRAGMA journal_mode=TRUNCATE; PRAGMA cache_size=1; PRAGMA cache_spill=1; BEGIN")
        for number in range(300, 900):  # more than the cache holds: some pages are in the file, the journal is hot
            writer.execute("INSERT INTO answers VALUES (?, 'high', 0, ?)", (bytes.fromhex(key(number)), b"x" * 900))
        torn = {name: (folder / "model" / name).read_bytes() for name in (file.name, journal)}
        writer.execute("ROLLBACK")
    assert torn[journal]
    for part in ("medium", "high"):
        for name, content in torn.items():
            (folder / "model" / name).write_bytes(content)
        with store.opened("model", part) as answers:
            assert sum(answers.known([key(number) for number in range(900)])) == 300
            assert answers.get([key(299)]) == {key(299): ANSWER}
    for name, content in torn.items():
        (folder / "model" / name).write_bytes(content)
    reader = segments.File(file)
    assert len(list(reader.rows())) == 300
    with pytest.raises(InputError, match="readonly"):
        reader.put_rows([(bytes.fromhex(key(1000)), "high", 0.0, b"")])
    reader.close()


def test_a_second_writer_of_a_part_waits_for_the_first_and_one_of_another_part_does_not() -> None:
    code = "from stages.edge import store\nwith store.opened('model', '{}') as a: print(a.known(['{}']), flush=True)"
    with store.opened("model", "high") as answers:
        second = start(code.format("high", key(1)))
        other = start(code.format("medium", key(1)))
        assert other.communicate(timeout=30)[0] == "[False]\n"
        time.sleep(1)
        assert second.poll() is None
        answers.put([(key(1), ANSWER)])
    assert second.communicate(timeout=30)[0] == "[True]\n"


@pytest.mark.parametrize("segment", [False, True], ids=["part", "segment"])
def test_a_damaged_file_is_named_and_nothing_is_asked_for_anew(segment: bool, folder: Path) -> None:
    with store.opened("model", "high") as answers:
        answers.put([(key(number), ANSWER) for number in range(2000)])
    (file,) = (folder / "model").glob("high.*.sqlite")
    if segment:
        file = segments.seal(file)
        file.chmod(0o644)
    content = bytearray(file.read_bytes())
    content[100:9000] = os.urandom(8900)
    file.write_bytes(content)
    with pytest.raises(InputError, match=rf"{file.name} is damaged.*sync"), store.opened("model", "high") as answers:
        answers.get([key(number) for number in range(2000)])
    file.write_bytes(b"no database at all" * 100)
    with pytest.raises(InputError, match=rf"{file.name} is damaged"), store.opened("model", "high"):
        pass


def test_a_reader_of_a_part_that_is_sealed_meanwhile_harms_neither_it_nor_the_next_one(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr(store, "SEGMENT_ROWS", 100)
    with store.opened("model", "high") as answers:
        answers.put([(key(number), answer(number)) for number in range(60)])
    with store.opened("model", "medium") as reader, store.opened("model", "high") as answers:
        assert reader.known([key(0)]) == [True]
        for start in range(60, 260, 20):  # seals twice while the reader has the first part open
            answers.put([(key(number), answer(number)) for number in range(start, start + 20)])
            assert reader.get([key(5)]) == {key(5): answer(5)}
        assert all(answers.known([key(number) for number in range(260)]))
    sealed = list((folder / "model").glob(segments.SEGMENT))
    assert len(sealed) == 2 and all(segments.segment_name(path) == path.name for path in sealed)
    with store.opened("model", "high") as answers:
        assert answers.get([key(0), key(259)]) == {key(0): answer(0), key(259): answer(259)}


def test_a_reader_that_takes_its_time_does_not_stop_the_writer(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(segments, "ROWS_PER_PAGE", 10)
    monkeypatch.setattr(segments, "SECONDS_TO_LOCK", 1)
    with store.opened("model", "high") as answers:
        answers.put([(key(number), answer(number)) for number in range(50)])
        (file,) = (folder / "model").glob("high.*.sqlite")
        with contextlib.closing(segments.File(file)) as reader:
            rows = reader.answers()
            first = next(rows)
            answers.put([(key(50), answer(50))])
            assert [first[3], *(row[3] for row in rows)] == [answer(number) for number in range(51)]


def test_a_file_that_another_process_keeps_locked_is_not_called_damaged(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr(segments, "SECONDS_TO_LOCK", 0.1)
    with store.opened("model", "high") as answers:
        answers.put([(key(1), ANSWER)])
        (file,) = (folder / "model").glob("high.*.sqlite")
        with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(InputError, match=r"kept it locked.*run again"):
                answers.put([(key(2), ANSWER)])
            other.execute("ROLLBACK")
        answers.put([(key(2), ANSWER)])


def test_a_part_under_a_name_without_an_id_is_gone_on_with(folder: Path) -> None:
    (folder / "model").mkdir(parents=True)
    file = segments.File(folder / "model/high.sqlite", write=True)
    file.put([(bytes.fromhex(key(1)), ANSWER)], "high")
    file.close()
    with store.opened("model", "high") as answers:
        answers.put([(key(2), ANSWER)])
        assert answers.known([key(1), key(2)]) == [True, True]
    assert [path.name for path in (folder / "model").glob("*.sqlite")] == ["high.sqlite"]


def test_a_temporary_workspace_of_dvc_uses_the_store_of_the_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("REASONLITE_STORE")
    workspace = tmp_path / ".dvc/tmp/exps/standalone/abc"
    workspace.mkdir(parents=True)
    monkeypatch.chdir(workspace)
    assert store.root() == tmp_path / ".cache" / "answers"


def test_a_reader_waits_for_no_writer_and_misses_no_answer_that_was_committed_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store, "SEGMENT_ROWS", 20)
    committed, stop = 0, threading.Event()

    def write() -> None:
        nonlocal committed
        with store.opened("model", "high") as answers:
            while not stop.is_set():
                answers.put([(key(number), answer(number)) for number in range(committed, committed + 10)])
                committed += 10

    writer = threading.Thread(target=write)
    writer.start()
    deadline = time.monotonic() + 60
    try:
        while committed < 300:
            assert time.monotonic() < deadline
            before = committed
            with store.reading("model") as answers:
                assert len(answers.get([key(number) for number in range(before)])) == before
    finally:
        stop.set()
        writer.join()


def test_a_model_that_nobody_asked_has_no_answers() -> None:
    with store.reading("nobody") as answers:
        assert answers.get([key(1)]) == {}


def test_only_a_raw_turn_is_stored_with_a_word_that_it_is_one(tmp_path: Path) -> None:
    plain, raw = Answer("stop", "4", None, 1, 2, None), Answer("stop", "<|channel|>", None, 1, 2, None, is_raw=True)
    with contextlib.closing(segments.File(tmp_path / "a.sqlite", write=True)) as file:
        file.put([(b"a" * 32, plain), (b"b" * 32, raw)], "part")
        rows = [json.loads(zstandard.ZstdDecompressor().decompress(row[-1])) for row in file.rows()]
        assert [answer for *_, answer in file.answers()] == [plain, raw]
    assert rows == [["stop", "4", None, 1, 2, None], ["stop", "<|channel|>", None, 1, 2, None, True]]
