r"""Symbols: characters outside ASCII as the LaTeX or the plain character that means the same."""

# ruff: noqa: RUF001
import re
import unicodedata

_NAMES = {
    "×": "times", "·": "cdot", "⋅": "cdot", "∙": "cdot", "∞": "infty", "∅": "emptyset", "±": "pm", "∓": "mp",
    "√": "sqrt",
    "≤": "le", "≦": "le", "⩽": "le", "≥": "ge", "≧": "ge", "⩾": "ge", "≠": "ne", "≈": "approx", "≅": "cong",
    "≡": "equiv",
    "∪": "cup", "∩": "cap", "∈": "in", "∉": "notin", "⊂": "subset", "⊆": "subseteq", "∖": "setminus", "∠": "angle",
    "△": "triangle", "∆": "Delta", "→": "to", "⌊": "lfloor", "⌋": "rfloor", "⌈": "lceil", "⌉": "rceil", "∥": "parallel",
    "⟂": "perp", "⊥": "perp", "∣": "mid", "∑": "sum", "∏": "prod", "∫": "int", "∂": "partial", "Ω": "Omega", "µ": "mu",
    "∧": "land", "∨": "lor", "¬": "neg", "∘": "circ", "⟨": "langle", "⟩": "rangle",
    **dict(zip("αβγδεζηθικλμνξπρστυφχψω", ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta",
    "iota", "kappa",
        "lambda", "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"],
        strict=True)),
    **dict(zip("ΓΔΘΛΞΠΣΦΨΩ", ["Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Phi", "Psi", "Omega"],
    strict=True)),
    "ϕ": "phi", "ϵ": "epsilon",
}  # fmt: skip
_RAISED_SIGNS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿⁱᵏˣ"
_LOWERED_SIGNS = "₀₁₂₃₄₅₆₇₈₉₋₊ₙᵢₖₓₘ"
_PLAIN = str.maketrans(_RAISED_SIGNS + _LOWERED_SIGNS, "0123456789-+nikx0123456789-+nikxm")
_SCRIPTS = re.compile(f"[{_RAISED_SIGNS}]+|[{_LOWERED_SIGNS}]+")

_SYMBOLS = {
    **dict.fromkeys("−–—‐‑﹣－", "-"),
    **dict.fromkeys("\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\u2061\u2062\ufeff\u200e\u200f\ufe0f", ""),
    **{chr(0xFF01 + step): chr(0x21 + step) for step in range(94)},
    "、": ",", "。": ".", "【": "[", "】": "]", "〔": "[", "〕": "]", "‘": "'", "’": "'", "′": "'",
    "″": "''", "‴": "'''",
    "∕": "/", "⁄": "/", "÷": "/", "∗": "*", "º": "°", "˚": "°", "∶": ":",
    "∛": r"\sqrt[3] ", "∜": r"\sqrt[4] ", **dict(zip("ℝℤℕℚℂ", (rf"\mathbb{{{kind}}}" for kind in "RZNQC"),
    strict=True)),
    **{sign: rf"\{name} " for sign, name in _NAMES.items()},
    **{sign: rf"\frac{{{int(unicodedata.numeric(sign) * of + 0.5)}}}{{{of}}}" for of, signs in
       {2: "½", 3: "⅓⅔", 4: "¼¾", 5: "⅕⅖⅗⅘", 6: "⅙⅚", 7: "⅐", 8: "⅛⅜⅝⅞", 9: "⅑", 10: "⅒"}.items() for sign in signs},
    "\x0c": r"\f", "\x08": r"\b",  # JSON's \f and \b: what was \frac, \binom or \boxed before a careless decoder
}  # fmt: skip
_SYMBOLS["°"] = r"^{\circ}"
_SYMBOLS |= {"º": _SYMBOLS["°"], "˚": _SYMBOLS["°"]}
_SYMBOLS |= {
    chr(code): unicodedata.normalize("NFKC", chr(code))
    for code in range(0x1D400, 0x1D800)
    if unicodedata.normalize("NFKC", chr(code)).isascii()
}
_TABLE = str.maketrans(_SYMBOLS)

_CIRCLED = re.compile(r"[\u2460-\u2473](?:\s*[,\u3001\uff0c和及与&]?\s*[\u2460-\u2473])*")
_MARKED = re.compile("((?:\\d\u0305)+)|(\\d)\u0307")


def plain(text: str) -> str:
    """`text` in ASCII as far as its symbols have a LaTeX name or a plain spelling; words stay as they are."""
    if text.isascii():
        return text.translate(_TABLE) if "\x0c" in text or "\x08" in text else text
    text = _MARKED.sub(_overlined, text)
    text = _SCRIPTS.sub(_script, text)
    text = _CIRCLED.sub(_numbers, text)
    return text.translate(_TABLE)


def _overlined(match: re.Match[str]) -> str:
    """A combining line or dot over digits, as in 0.3 with a line over the 3."""
    return rf"\overline{{{match[1].replace(chr(0x305), '')}}}" if match[1] else rf"\dot{{{match[2]}}}"


def _script(match: re.Match[str]) -> str:
    mark = "^" if match[0][0] in _RAISED_SIGNS else "_"
    return f"{mark}{{{match[0].translate(_PLAIN)}}}"


def _numbers(match: re.Match[str]) -> str:
    """Circled numbers, which name statements or choices, as a list: "(1)(3)" for the first and the third."""
    return ", ".join(str(int(unicodedata.numeric(sign))) for sign in match[0] if "\u2460" <= sign <= "\u2473")
