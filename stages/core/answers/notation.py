r"""Notation: one spelling for the many ways in which the same formula is typed.

`tidy` changes spelling only: ``\dfrac12`` and ``\frac{1}{2}`` become one string, while 1/2 and 0.5 stay two. It takes
time linear in the length and never raises.
"""

import re
from collections.abc import Callable

_SYMBOLS = {
    **dict.fromkeys("−–—‐‑﹣－", "-"),  # noqa: RUF001
    **dict.fromkeys("\u00a0\u2009\u202f\u3000\u2003", " "),
    **dict.fromkeys("\u200b\u2060\ufeff\u200e", ""),
    **{chr(0xFF01 + step): chr(0x21 + step) for step in range(94)},
    "、": ",", "。": ".", "【": "[", "】": "]",
    "×": r"\times ", "÷": "/", "∕": "/", "⁄": "/", "·": r"\cdot ", "⋅": r"\cdot ", "∙": r"\cdot ", "∗": "*",  # noqa: RUF001
    "π": r"\pi ", "θ": r"\theta ", "α": r"\alpha ", "β": r"\beta ", "λ": r"\lambda ", "φ": r"\phi ",  # noqa: RUF001
    "∞": r"\infty ", "∅": r"\emptyset ", "°": r"^{\circ}", "±": r"\pm ", "√": r"\sqrt ", "ℝ": r"\mathbb{R}",  # noqa: RUF001
    "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ",  # noqa: RUF001
    "½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}", "⅔": r"\frac{2}{3}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}",
    **{sign: f"^{{{power}}}" for power, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    **{sign: f"_{{{index}}}" for index, sign in enumerate("₀₁₂₃₄₅₆₇₈₉")},
    "\x0c": r"\f", "\x08": r"\b",  # JSON's \f and \b: what was \frac, \binom or \boxed before a careless decoder
}  # fmt: skip
_TABLE = str.maketrans(_SYMBOLS)
_RAISED = re.compile("[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]{2,}")
_LOWERED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")

_GROUP = r"(?:,\\!\s*|\{,\}\s*|\\[,;:! ]\s*|~)"
_STYLES = r"text(?:bf|it|rm|sf)?|math(?:rm|bf|it|sf|cal)|mbox|operatorname\*?|underline|emph|boxed|fbox"
_VECTOR = r"\\(?:mathbf|boldsymbol|vec|overrightarrow)\s*(?:\{\s*[a-zA-Z]{1,2}\s*\}|[a-zA-Z])"
_WORDS = r"sqrt|pi|sin|cos|tan|sec|csc|cot|log|ln|exp|arcsin|arccos|arctan|infty|gcd|lcm"

_Replacement = str | Callable[[re.Match[str]], str]
_RULES: list[tuple[re.Pattern[str], _Replacement]] = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\.\s?\.\s?\.+|…|\\[ldc]?dots(?![a-zA-Z])", r" \\ldots "),
        (r"\t(?=ext|imes|frac|heta)", r"\\t"),
        (r"\r(?=ight)", r"\\r"),
        # thousands, before spaces go: 1{,}234  1,\!234  1\,234
        (rf"(?<![\d.])(\d{{1,3}}(?:{_GROUP}\d{{3}})+)(?!\d)", lambda match: re.sub(r"\D", "", match[1])),
        (rf"\\({_STYLES})\s*\{{\s*\}}", ""),
        (r"\\\$", " USD "),
        (r"[€£¥₹]", lambda match: f" {match[0]} "),
        (r"(?<!\\)\\[()\[\]]|\$", " "),
        (r"\\(?:left|right|[bB]igg?[lrm]?)(?![a-zA-Z])\s*\.?", ""),
        (r"\\(?:displaystyle|textstyle|limits|nolimits|bf|rm|it|q?quad|hfill|enspace|thinspace)(?![a-zA-Z])", " "),
        (r"\\(?:[hv]space|phantom|label|tag)\*?\s*\{[^{}]*\}", " "),
        (r"(?<!\\)\\[,;:! ]|(?<!\\)~", " "),
        (r"\\[dtc]frac(?![a-zA-Z])", r"\\frac"),
        (r"\\[dt]binom(?![a-zA-Z])", r"\\binom"),
        (r"\\l?vee(?![a-zA-Z])|\\lor(?![a-zA-Z])", " or "),
        (r"\\(?:lt|gt)(?![a-zA-Z])", lambda match: "<" if match[0] == r"\lt" else ">"),
        (r"\\(?:leqslant|leq)(?![a-zA-Z])|<=", r"\\le "),
        (r"\\(?:geqslant|geq)(?![a-zA-Z])|>=", r"\\ge "),
        (r"\\neq(?![a-zA-Z])|(?<![\w)}])!=", r"\\ne "),  # 5!=120 is a factorial
        (r"\\(?:varnothing|empty)(?![a-zA-Z])|\\\{\s*\\\}", r"\\emptyset "),
        (r"\\l(?:brace|vert)(?![a-zA-Z])", lambda match: r"\{" if "brace" in match[0] else "|"),
        (r"\\r(?:brace|vert)(?![a-zA-Z])", lambda match: r"\}" if "brace" in match[0] else "|"),
        (r"\\langle(?![a-zA-Z])", "("),
        (r"\\rangle(?![a-zA-Z])", ")"),
        (r"\^\s*\\circ(?![a-zA-Z])|\\degree(?![a-zA-Z])|\\deg(?![a-zA-Z])", r"^{\\circ}"),
        (rf"({_VECTOR})\s*\\times(?![a-zA-Z])", r"\1 \\cross "),  # unlike \cdot
        (r"\\(?:cdot|times|ast)(?![a-zA-Z])", "*"),
        (r"\\div(?![a-zA-Z])", "/"),
        (r"\\colon(?![a-zA-Z])", ":"),
        (r"\\mathbb\s*R(?![a-zA-Z])|\\R(?![a-zA-Z])", r"\\mathbb{R}"),
        (r"\+\s*\\infty", r"\\infty"),
        (rf"(?<![\\a-zA-Z])({_WORDS})(?![a-zA-Z])", r"\\\1 "),
        (r"\\sqrt\s*\(([^()]*)\)", r"\\sqrt{\1}"),
        (r"\\sqrt\s*(\d+(?:\.\d+)?|[a-zA-Z])", r"\\sqrt{\1}"),
        (r"\\(frac|binom)\s*(\d)\s*(\d)(?!\d)", r"\\\1{\2}{\3}"),
        (r"\\(frac|binom)\s*(\d)\s*(?=\{)", r"\\\1{\2}"),
        (r"(\\(?:frac|binom)\s*\{[^{}]*\})\s*(\d|[a-zA-Z])", r"\1{\2}"),
        (r"([\^_])\s*(\d+|[a-zA-Z])(?![\d.])", r"\1{\2}"),
    )
]  # fmt: skip
_STYLED = re.compile(rf"\\(?:{_STYLES})\s*\{{([^{{}}]*)\}}(?=\s*(_)?)")
_TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|[a-zA-Z]+|\d+(?:\.\d+)?|\s+|.", re.DOTALL)
_TRAILING = " \t\n\\,;.:!"


def tidy(text: str) -> str:
    """`text` with one spelling for symbols, spacing, fractions, roots, styles and thousands separators."""
    text = _RAISED.sub(lambda match: f"^{{{match[0].translate(_LOWERED)}}}", text).translate(_TABLE)
    if r"\begin" not in text:
        text = re.sub(r"\\\\(?=[a-zA-Z{}])", r"\\", text)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    for _ in range(3):
        text = _STYLED.sub(_unstyled, text)
    text = " ".join(text.split())
    while text and text[-1] in _TRAILING and not text.endswith((r"\}", "!")):
        text = text[:-1]
    return text.strip() if "!" not in text[-1:] else text


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


def _unstyled(match: re.Match[str]) -> str:
    """The content of a style, with spaces around it unless it is one character with a subscript."""
    inside = match[1]
    return inside if len(inside) == 1 and match[2] else f" {inside} "
