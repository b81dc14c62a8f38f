r"""Notation: one spelling for the many ways in which the same formula is typed.

`tidy` changes spelling only: ``\dfrac12`` and ``\frac{1}{2}`` become one string, while 1/2 and 0.5 stay two. It takes
time linear in the length and never raises.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from stages.core.answers.styles import unstyled
from stages.core.answers.symbols import plain

_GROUP = r"(?:,\\!\s*|\{,\}\s*|\\[,;:! ]\s*|~)"
_VECTOR = r"\\(?:mathbf|boldsymbol|bm|vec|overrightarrow)\s*(?:\{\s*[a-zA-Z]{1,2}\s*\}|[a-zA-Z])"
_WORDS = r"sqrt|pi|sin|cos|tan|sec|csc|cot|log|ln|exp|arcsin|arccos|arctan|infty|gcd|lcm"
_OTHER_NAMES = {
    "tg": "tan", "ctg": "cot", "cotg": "cot", "ctan": "cot", "cosec": "csc", "arctg": "arctan", "arcctg": "arccot",
    "sh": "sinh",
    "ch": "cosh", "th": "tanh", "sgn": "sgn", "cis": "cis", "lb": "lb", "asin": "arcsin", "acos": "arccos",
    "atan": "arctan",
}  # fmt: skip
"""Functions under the names of other languages and of programs."""
_BASES = {
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "twelve": 12,
    "sixteen": 16,
}

_Replacement = str | Callable[[re.Match[str]], str]


class _Rule(NamedTuple):
    """A replacement, tried only where the text has one of the `hints` ("" is in every text)."""

    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: _Replacement


def _rules(*rules: tuple[str, str, _Replacement]) -> list[_Rule]:
    """Hints stand side by side, separated by spaces."""
    return [_Rule(tuple(hints.split(" ")), re.compile(pattern), replacement) for hints, pattern, replacement in rules]


def _digits(match: re.Match[str]) -> str:
    return re.sub(r"\D", "", match[1])


_COUNT = r"\s*\{?\s*(?P<%s>\d{1,4})(?!\d)\s*\}?\s*"
_CHOOSE = (
    r"(?<![\w\\}^_])(?:\{\s*\}\s*)?(?:"
    rf"_{_COUNT % 'n1'}(?P<f1>[CPA])\s*_{_COUNT % 'k1'}|(?P<f2>[CAP])\s*_{_COUNT % 'n2'}\^{_COUNT % 'k2'}"
    rf"|(?P<f3>[CAP])\s*\^{_COUNT % 'k3'}_{_COUNT % 'n3'}|\^{_COUNT % 'n4'}(?P<f4>[CP])\s*_{_COUNT % 'k4'}"
    rf"|(?P<n5>\d{{1,4}})\s*(?P<f5>[CP])\s*_?{_COUNT % 'k5'})(?![\w{{])"
)
"""Combinations and arrangements of other schools: 10C3, C_6^2, {}_5P_2, and A_5^2, which is 5 times 4."""


def _chosen(match: re.Match[str]) -> str:
    found = {key[0]: value for key, value in match.groupdict().items() if value is not None}
    above, below = int(found["n"]), int(found["k"])
    if not 0 <= below <= above <= 1000:
        return match[0]
    if found["f"] == "C":
        return rf"\binom{{{above}}}{{{below}}}"
    return rf"({above}!/{above - below}!)"


_BEFORE_STYLES = _rules(
    (".. \u2026 dots", r"\.\s?\.\s?\.+|…|\\[ldc]?dots(?![a-zA-Z])", r" \\ldots "),
    ("\t", r"\t(?=ext|imes|frac|heta)", r"\\t"),
    ("\r", r"\r(?=ight)", r"\\r"),
    # thousands, before spaces go: 1{,}234  1,\!234  1\,234
    ("\\ {,} ~", rf"(?<![\d.])(\d{{1,3}}(?:{_GROUP}\d{{3}})+)(?!\d)", _digits),
    ("{:}", r"\{:\}", ":"),
    ("\\$", r"\\\$", " USD "),
    ("\u20ac \u00a3 \u00a5 \u20b9", r"[€£¥₹]", lambda match: f" {match[0]} "),
    ("$ \\", r"(?<!\\)\\[()\[\]]|\$", " "),
    ("\\", rf"({_VECTOR})\s*\\times(?![a-zA-Z])", r"\1 \\cross "),  # unlike \cdot
    ("\\math \\text \\bold", r"^\s*\\(?:mathbf|mathrm|boldsymbol|textbf|text|bold|mathscr"
        r"|mathcal)\s*\{?\s*([RZNQ])\s*\}?\s*$", r"\\mathbb{\1}"),
    ("\\operatorname", r"\\operatorname\*?\s*\{\s*(" + "|".join(_OTHER_NAMES) + r")\s*\}",
     lambda match: rf"\{_OTHER_NAMES[match[1]]} "),
    ("tg} sec} cis}", r"\\(?:mathrm|text|rm)\s*\{\s*(a?r?c?c?tg|cosec|cis)\s*\}",
     lambda match: rf"\{_OTHER_NAMES.get(match[1], match[1])} "),
    ("\\root", r"\\root\s*\{?\s*(\w+)\s*\}?\s*\\of", r"\\sqrt[\1]"),
    ("\u6216 \u548c \u4e14 \u53ca", r"(?<=[\d\w})\]])\s*([或和且及])\s*(?=[-\d\w\\({\[])",
     lambda match: " or " if match[1] == "\u6216" else " and "),
)  # fmt: skip
_RULES = _rules(
    ("\\", r"\\(?:left|right|middle|[bB]igg?[lrm]?)(?![a-zA-Z])\s*(?:\.(?!\d))?", ""),
    ("\\", r"\\(?:(?:display|text|script|scriptscript)style|(?:no)?limits|tiny|scriptsize|footnotesize|small"
           r"|normalsize|[lL]arge|LARGE"
     r"|[hH]uge|bf(?:series)?|rm|it|sf|tt|q?quad|hfill|enspace|(?:neg)?(?:thin|med|thick)space|null|strut"
     r"|mathstrut|nonumber"
     r"|protect|relax|centering)(?![a-zA-Z])", " "),
    ("\\ ~", r"(?<!\\)\\[,;:! ]|(?<!\\)~", " "),
    ("frac", r"\\[dtc]frac(?![a-zA-Z])", r"\\frac"),
    ("binom", r"\\[dt]binom(?![a-zA-Z])", r"\\binom"),
    ("\\", r"\\l?vee(?![a-zA-Z])|\\lor(?![a-zA-Z])", " or "),
    ("\\", r"\\l?wedge(?![a-zA-Z])|\\land(?![a-zA-Z])", " and "),
    ("\\", r"\\(?:lt|gt)(?![a-zA-Z])", lambda match: "<" if match[0] == r"\lt" else ">"),
    ("\\l <=", r"\\(?:leqslant|leqq|leq)(?![a-zA-Z])|<=", r"\\le "),
    ("\\g >=", r"\\(?:geqslant|geqq|geq)(?![a-zA-Z])|>=", r"\\ge "),
    ("\\n !=", r"\\(?:neq|not\s*=)(?![a-zA-Z])|(?<![\w)}])!=", r"\\ne "),  # 5!=120 is a factorial
    ("\\", r"\\(?:varnothing|empty)(?![a-zA-Z])|\\\{\s*\\\}", r"\\emptyset "),
    ("\\", r"\\l(?:brace|vert)(?![a-zA-Z])", lambda match: r"\{" if "brace" in match[0] else "|"),
    ("\\", r"\\r(?:brace|vert)(?![a-zA-Z])", lambda match: r"\}" if "brace" in match[0] else "|"),
    ("\\", r"\\lvert(?![a-zA-Z])|\\rvert(?![a-zA-Z])|\\vert(?![a-zA-Z])", "|"),
    ("\\lb", r"\\lbrack(?![a-zA-Z])", "["),
    ("\\rb", r"\\rbrack(?![a-zA-Z])", "]"),
    ("\\langle", r"\\langle(?![a-zA-Z])", "("),
    ("\\rangle", r"\\rangle(?![a-zA-Z])", ")"),
    ("\\", r"\^\s*\{\s*\\circ\s*\}|\^\s*\\circ(?![a-zA-Z])|\\degree(?![a-zA-Z])|\\deg(?![a-zA-Z])|\^\s*\\degree",
    r"^{\\circ}"),
    ("\\prime", r"\^\s*\{?((?:\s*\\prime)+)\s*\}?", lambda match: "'" * match[1].count("p")),
    ("\\", r"\\(?:cdot|times|ast|cdotp|bullet)(?![a-zA-Z])", "*"),
    ("**", r"(?<![*\s])\s*\*\*\s*(?=[-\d({a-zA-Z])", "^"),
    ("\\div", r"\\div(?![a-zA-Z])", "/"),
    ("\\colon", r"\\colon(?![a-zA-Z])", ":"),
    ("\\mathbb \\R \\Z", r"\\mathbb\s*([RZNQC])(?![a-zA-Z])|\\([RZ])(?![a-zA-Z])",
     lambda match: rf"\mathbb{{{match[1] or match[2]}}}"),
    ("oo", r"(?<![a-zA-Z\\])oo(?![a-zA-Z])", r"\\infty "),
    ("infty", r"\+\s*\\infty", r"\\infty"),
    ("inf", r"(?<![\\a-zA-Z])inf(?:inity)?(?![a-zA-Z])", r"\\infty "),
    ("dot bar", r"(?<![\d.])(\d*\.\d*)((?:\\dot\s*\{?\s*\d\s*\}?\s*)\d*(?:\\dot\s*\{?\s*\d\s*\}?)?"
        r"|\\bar\s*\{?\s*\d+\s*\}?)(?!\d)",
     lambda match: rf"{match[1]}\overline{{{re.sub('[^0-9]', '', match[2])}}}"),
    # 0.1(6) repeats its 6, but 1.05(1200) is a product
    ("(", r"(?<![\d.])(\d*\.(?=\()|0?\.\d*|\d+\.\d+(?=\(\d\)))\((\d{1,12})\)(?![\d^!])", r"\1\\overline{\2}"),
    ("", rf"(?<![\\a-zA-Z])({_WORDS})(?![a-zA-Z])", r"\\\1 "),
    ("ldots", r"(?<![\d.])(\d{0,20}\.)(?:(\d{0,20}?)(\d)\3{2,40}|(\d{2,6})\4{1,20})\s*\\ldots(?!\s*\d)",
     lambda match: f"{match[1]}{match[2] or ''}\\overline{{{match[3] or match[4]}}}"),
    ("a. p. A. P.", r"(?<=[\d\s])([aApP])\.\s?[mM]\.?(?![a-zA-Z])", lambda match: f"{match[1].lower()}m"),
    (".", r"(?<![\d.,])([1-9]\d{0,2}(?:\.\d{3}){2,})(?![\d.])", _digits),
    ("sec", r"(?<=[\d\s/}])\\sec\s*(?=[.)\s]*$)", " sec "),
    ("arc arg sh ch th tg ctan lg cosec",
     r"\\(tg|ctg|cotg|ctan|cosec|arctg|arcctg|sh|ch|th)(?![a-zA-Z])|(?<![\\a-zA-Z])(tg|ctg|arctg|arcctg"
     r"|cosec)(?![a-zA-Z])",
     lambda match: rf"\{_OTHER_NAMES[match[1] or match[2]]} "),
    ("lg", r"(?<![a-zA-Z])\\?lg(?![a-zA-Z])", r"\\log_{10} "),
    # of thousands a group that begins with 0 is no number of its own; in braces of a macro there is no list
    (",0", r"(?<![\d,.])([1-9]\d{0,2}(?:,\d{3})*,0\d{2}(?:,\d{3})*)(?![\d,])"
           r"|(?<![\d,.])([1-9]\d{0,2}(?:,\d{3})*,0\d{2}(?:,\d{3})*)(?=, )",
     lambda match: match[0].replace(",", "")),
    ("{", r"(?<=[\w^\]}])\{\s*([1-9]\d{0,2}(?:,\d{3})+)\s*\}", lambda match: f"{{{_digits(match)}}}"),
    ("C P A", _CHOOSE, _chosen),
    ("\\sqrt", r"\\sqrt\s*\(([^()]*)\)", r"\\sqrt{\1}"),
    ("\\sqrt", r"\\sqrt\s*(\d+(?:\.\d+)?|[a-zA-Z])", r"\\sqrt{\1}"),
    ("\\sqrt[", r"\\sqrt\s*(\[[^\[\]]*\])\s*(\d+(?:\.\d+)?|[a-zA-Z])", r"\\sqrt\1{\2}"),
    ("frac binom", r"\\(frac|binom)\s*(\d)\s*(\d)(?!\d)", r"\\\1{\2}{\3}"),
    ("frac binom", r"\\(frac|binom)\s*(\d)\s*(?=\{)", r"\\\1{\2}"),
    ("frac binom", r"(\\(?:frac|binom)\s*\{[^{}]*\})\s*(\d|[a-zA-Z])", r"\1{\2}"),
    ("^ _", r"([\^_])\s*(\d+|[a-zA-Z])(?!\d|\.\d)", r"\1{\2}"),
    ("_{", r"_\{\s*\(?\s*(" + "|".join(_BASES) + r"|1?\d)\s*\)?\s*\}",
    lambda match: f"_{{{_BASES.get(match[1], match[1])}}}"),
    (")_", r"\(\s*(\w+)\s*\)\s*_\{\s*(\d+)\s*\}", r"\1_{\2}"),
    ("_{", r"(?<![\w.])0+(?=\d[\dA-F]*\s*_\{\s*\(?1?\d\)?\s*\})", ""),
    ("base", r"(?<!\w)([0-9A-F]{1,60})\s*\(?\s*(?:in\s+)?base\s*[- ]\s*(" + "|".join(_BASES) + r"|1?\d)\s*\)?",
     lambda match: f"{match[1]}_{{{_BASES.get(match[2], match[2])}}}"),
)  # fmt: skip
_MATRIX_RULES = _rules(
    ("\\\\", r"\\\\\s*\[\s*-?[\d.]+\s*(?:pt|ex|em|mm|cm|in|mu|bp)\s*\]", r"\\\\"),
    ("\\cr", r"\\cr(?![a-zA-Z])|\\tabularnewline(?![a-zA-Z])", r"\\\\"),
    ("matrix", r"\{(small|[pbBvV])?matrix\*\}(?:\[[lrc]\])?", r"{\1matrix}"),
    ("smallmatrix", r"\{smallmatrix\}", "{matrix}"),
    ("\\hline", r"\\hline(?![a-zA-Z])", " "),
)
_MATH_MACRO = re.compile(r"\\\\(?=[a-zA-Z{}])")
_TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|[a-zA-Z]+|\d+(?:\.\d+)?|\s+|.", re.DOTALL)
_STOPPED = re.compile(r"(?<=[\w}])\s?[.,;]\s?\}$")
"""A full stop in braces around everything."""
_TRAILING = " \t\n\\,;.:!"


def tidy(text: str) -> str:
    """`text` with one spelling for symbols, spacing, fractions, roots, styles and thousands separators."""
    text = plain(text)
    text = _replaced(text, _MATRIX_RULES) if r"\begin" in text else _MATH_MACRO.sub(r"\\", text)
    text = _replaced(text, _BEFORE_STYLES)
    text = _replaced(unstyled(text), _RULES)
    text = _STOPPED.sub("}", " ".join(text.split()))
    while text and text[-1] in _TRAILING and not text.endswith((r"\}", "!")):
        text = text[:-1]
    return text.strip() if "!" not in text[-1:] else text


def _replaced(text: str, rules: list[_Rule]) -> str:
    for hints, pattern, replacement in rules:
        for hint in hints:
            if hint in text:
                text = pattern.sub(replacement, text)
                break
    return text


def squeeze(text: str) -> str:
    """A tidied text without the spaces that mean nothing; "2^6 3" and "no solution" keep theirs."""
    pieces: list[str] = []
    pending = False
    for token in _TOKEN.findall(text):
        if token.isspace():
            pending = True
            continue
        before = pieces[-1] if pieces else ""
        words = before[-1:].isalnum() and token[0].isalnum()
        if words and (pending or (before[0] == "\\" and token[0].isalpha())):
            pieces.append(" ")
        pieces.append(token)
        pending = False
    return "".join(pieces)
