r"""Structures: what a text is made of where neither brackets nor commas alone tell it.

Rows of numbers, cycles of a permutation, environments of several lines, sets described by a condition, families with an
integer parameter, and answers that are numbered by question. Each reader takes a tidied text and gives None for any
other.
"""

import re

from stages.core.answers.brackets import split

MAX_CHARS = 1_000
_ROW = re.compile(r"(?:[A-Z]|-?\d+(?:\.\d+)?)(?:\s+(?:[A-Z]|-?\d+(?:\.\d+)?))+")
_CYCLE = r"\(\s*\d+(?:(?:\s+|\s*,\s*)\d+)+\s*\)"
_CYCLES = re.compile(rf"{_CYCLE}(?:\s*(?:\\circ|\*)?\s*{_CYCLE})*")
_ENVIRONMENT = re.compile(
    r"(?:\\\{\s*)?\\begin\{(?P<kind>cases|array|aligned|align\*?|gathered|split|matrix)\}(?:\{[lcr"
    r"| ]*\})?(?P<inside>.*)\\end\{(?P=kind)\}",
    re.DOTALL,
)
_ROW_END = re.compile(r"(?:\\\\)+")
_RELATION = re.compile(r"=|[<>]|\\(?:le|ge|ne|in)(?![a-zA-Z])")
_CONDITION = re.compile(r"^(?:,|if|when|for|where|otherwise)\s*|^\s+")
_BUILDER = re.compile(
    r"\\\{\s*(?P<head>[^{}|:]+?)\s*(?P<domain>\\in\s*\\mathbb\{[A-Z]\})?\s*(?:\\mid(?![a-zA-Z])"
    r"|\\vert(?![a-zA-Z])|\||:)\s*(?P<condition>.+?)\s*\\\}",
    re.DOTALL,
)
_LETTER = re.compile(r"[a-zA-Z]")
_FAMILY = re.compile(
    r"(?P<what>.+?)\s*[,;]?\s*(?P<open>\(|\[)?\s*(?:,|where|for|with|and)?\s*(?:"
    r"(?P<letter>[a-zA-Z])\s*\\in\s*(?P<domain>\\mathbb\{[ZN]\})(?:\s*(?P<sign>\^\s*\{?\s*[+*]\s*\}?"
    r"|_\{?\s*\+\s*\}?|\^\{\+\}))?"
    r"|(?P<integer>[a-zA-Z])\s*(?:is\s+)?(?:an\s+|any\s+)?integer|(?:any|some"
    r"|all)\s+integers?\s+(?P<named>[a-zA-Z]))\s*(?P<close>\)|\])?",
    re.DOTALL,
)
_NUMBERED = re.compile(r"\(?\s*(?P<label>\d|[a-f]|i{1,3}|iv|v)\s*\)\s*(?P<rest>.+)", re.DOTALL)
_LABELS = (("1", "2", "3", "4", "5", "6"), ("a", "b", "c", "d", "e", "f"), ("i", "ii", "iii", "iv", "v"))


def row(text: str) -> list[str] | None:
    """The entries of 1 2 3, which is neither a product nor one number; capitals side by side are a word."""
    if len(text) > MAX_CHARS or not _ROW.fullmatch(text):
        return None
    entries = text.split()
    return ["".join(entries)] if all(map(str.isalpha, entries)) else entries


def cycles(text: str) -> list[str] | None:
    """The cycles of a permutation such as (1 2)(3 4), each from its least entry on, sorted where they are disjoint."""
    if len(text) > MAX_CHARS or not text.startswith("(") or not _CYCLES.fullmatch(text):
        return None
    groups = [re.findall(r"\d+", group) for group in re.findall(r"\([^()]*\)", text)]
    if len(groups) == 1 and "," in text:
        return None  # a tuple
    turned = []
    for group in groups:
        start = min(range(len(group)), key=lambda place: (int(group[place]), place))
        turned.append(group[start:] + group[:start])
    entries = [entry for group in turned for entry in group]
    if len(set(entries)) == len(entries):
        turned.sort(key=lambda group: int(group[0]))
    return [f"({' '.join(group)})" for group in turned]


def lines(text: str) -> tuple[list[str], bool] | None:
    """The lines of an environment, and whether they are cases with conditions; each line relates something."""
    match = _ENVIRONMENT.fullmatch(text.strip())
    if not match or r"\begin" in match["inside"]:
        return None
    rows = [line.strip(" ,.;") for line in _ROW_END.split(match["inside"])]
    rows = [line for line in rows if line.strip("& ")]
    cells = [[cell.strip(" ,") for cell in line.split("&")] for line in rows]
    if match["kind"] in ("cases", "array") and all(len(line) == 2 and _is_case(*line) for line in cells):
        return [f"({value}, {_CONDITION.sub('', condition)})" for value, condition in cells], True
    joined = [" ".join(line) for line in cells]
    is_system = match["kind"] != "matrix" and all(map(_RELATION.search, joined))
    return (joined, False) if is_system and joined else None


def _is_case(value: str, condition: str) -> bool:
    return bool(_RELATION.search(condition) or "otherwise" in condition) and not value.endswith("=")


def condition(text: str) -> str | None:
    r"""What a set is described by: -1<x<2 of \{x \mid -1<x<2\}, and "2k+1, k \in Z" of \{2k+1 \mid k \in Z\}."""
    match = _BUILDER.fullmatch(text) if text.startswith(r"\{") and len(text) <= MAX_CHARS else None
    if not match:
        return None
    if _LETTER.fullmatch(match["head"]) and re.search(rf"(?<![\\a-zA-Z]){match['head']}", match["condition"]):
        over_others = match["domain"] and r"{R}" not in match["domain"]
        return f"{match['condition']}, {match['head']} {match['domain']}" if over_others else match["condition"]
    return f"{match['head']}, {match['condition']}" if _FAMILY.fullmatch(f"x, {match['condition']}") else None


def family(text: str) -> tuple[str, str] | None:
    r"""A family with a parameter as its member for k and the set of the parameter: ("k\pi", "Z") of n\pi, n \in Z."""
    if len(text) > MAX_CHARS or not ("\\in" in text or "integer" in text):
        return None
    match = _FAMILY.fullmatch(text)
    if not match or bool(match["open"]) != bool(match["close"]):
        return None
    letter = match["letter"] or match["integer"] or match["named"]
    what = match["what"].strip(" ,;")
    if not re.search(rf"(?<![\\a-zA-Z]){letter}(?![a-zA-Z])", what) or _LETTER.fullmatch(what):
        return None
    domain = (match["domain"] or r"\mathbb{Z}") + ("+" if match["sign"] else "")
    return renamed(what, letter, "k"), domain


def renamed(text: str, letter: str, other: str) -> str:
    """`text` with another letter for one of its letters, unless it has that one as well."""
    if letter == other or re.search(rf"(?<![\\a-zA-Z]){other}(?![a-zA-Z])", text):
        return text
    return re.sub(rf"(?<![\\a-zA-Z]){letter}(?![a-zA-Z])", lambda _: other, text)


def numbered(parts: list[str]) -> list[str]:
    """The answers of a list that numbers them, "(1) 3; (2) 5", without their numbers; [] for any other list."""
    matches = [_NUMBERED.fullmatch(part) for part in parts]
    found = tuple(match["label"] for match in matches if match)
    if len(parts) < 2 or not any(found == labels[: len(parts)] for labels in _LABELS):
        return []
    return [match["rest"].strip() for match in matches if match]


def oriented(text: str) -> str:
    """A chain of inequalities with its smallest side first: c<b<a of a>b>c."""
    if ">" not in text and r"\ge" not in text:
        return text
    signs = re.findall(r"<|>|\\(?:le|ge|ne)(?![a-zA-Z])|=", text)
    if not signs or set(signs) - {">", r"\ge"} or len(split(text)) > 1 or re.search(r"\b(?:and|or)\b", text):
        return text
    sides = [side.strip() for side in re.split(r">|\\ge(?![a-zA-Z])", text)]
    if not all(sides):
        return text
    turned = {">": "<", r"\ge": r"\le "}
    pieces = [sides[-1]]
    for sign, side in zip(reversed(signs), reversed(sides[:-1]), strict=True):
        pieces += [turned[sign], side]
    return " ".join(" ".join(pieces).split())


def listed(text: str) -> str:
    """Answers that stand in a line each as one list; a formula that spans lines stays."""
    if "\n" not in text or r"\begin" in text or len(text) > MAX_CHARS:
        return text
    each = [line.strip().rstrip(",;.") for line in text.split("\n") if line.strip()]
    apart = "\n\n" in text.strip() or all("=" in line for line in each)
    is_list = apart and len(each) > 1 and all(line and _is_whole(line) for line in each)
    return ", ".join(each) if is_list else text


def _is_whole(line: str) -> bool:
    """Whether a line is a formula of its own rather than a piece of one, or of a sentence."""
    balanced = all(line.count(opening) == line.count(closing) for opening, closing in ("()", "[]", "{}"))
    ends = line[-1] in "+-*/=<>^_(," or line[0] in "+*/=<>^_),"
    return balanced and not ends and not re.search(r"(?<![\\a-zA-Z])[a-zA-Z]{3,}", line) and len(line) <= 100
