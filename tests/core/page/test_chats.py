from stages.core.page import chats
from stages.core.sampling.prompts import Example

SUM = Example("sums", "1+1?", "2")
ANY = Example(None, "Why?", "Because.")


def test_without_topics_there_is_one_chat_with_all_that_is_sent() -> None:
    asked = chats.prompt("high", "high", "Be short.", "Box it.", [ANY])
    (chat,) = asked.chats
    assert chat.problems == "all problems"
    assert [(each["role"], each["content"]) for each in chat.messages] == [
        ("system", "Be short."), ("user", "Why?\nBox it."), ("assistant", "Because."), ("user", "(the problem)\nBox it."),
    ]  # fmt: skip
    assert (asked.effort, asked.reasoning_effort, asked.num_examples) == ("high", "high", 1)


def test_a_topic_with_examples_of_its_own_has_its_chat_and_other_problems_theirs() -> None:
    asked = chats.prompt("low", None, None, None, [SUM, ANY])
    assert [(chat.problems, len(chat.messages)) for chat in asked.chats] == [
        ("problems of the topic sums", 5), ("problems of no such topic", 3),
    ]  # fmt: skip
