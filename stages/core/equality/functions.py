r"""Functions: which names and letters are functions in a formula, and which signs are none of a formula's."""

import re

TOKEN = re.compile(r"\s*(?:(\d+\.?\d*|\.\d+)|(\\[a-zA-Z]+|\\[{}])|([a-zA-Z])|([-+*/^_!(){}\[\]|,=']))")
FUNCTIONS = frozenset((
    "sin", "cos", "tan", "sec", "csc", "cot", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "arccot", "arcsec",
    "arccsc", "ln", "log", "exp", "cis",
))  # fmt: skip
SCIENTIFIC = re.compile(r"\d[eE][-+]?\d|(?<![\d.])0[xb]")
INVERSES = {name: f"arc{name}" for name in ("sin", "cos", "tan", "cot", "sec", "csc")}
SELECTING = ("min", "max", "gcd", "lcm")
GREEK = re.compile(
    "alpha|beta|[gG]amma|[dD]elta|(?:var)?epsilon|zeta|eta|[tT]heta|vartheta|kappa|[lL]ambda|mu|nu|[xX]i|rho|"
    "[sS]igma|tau|(?:var)?phi|Phi|chi|[pP]si|[oO]mega"
)
APPLIED_LETTERS = frozenset("fghFGHPE")
"""Before a bracket these letters are functions more often than factors."""
APPLIED_GREEK = re.compile(
    r"\\(?:(?:zeta|Gamma)\s*\(|(?:(?:var)?phi|Phi|[pP]si|sigma|tau|mu|eta|omega)\s*\("
    r"|(?<![\d}).])\\pi\s*\(\s*(?:\d+|[a-zA-Z])\s*\))"
)
"""Greek letters that are functions before a bracket: zeta(3) is no product."""
CALL = re.compile(
    r"(?<![\\a-zA-Z])(?:[a-zA-Z]\s*\(\s*(?:\d+|[a-zA-Z])\s*(?:,[^()]*)?\)|[a-zA-Z]\s*\([^()]*,[^()]*\)"
    r"|[EVP]\s*(?:\(|\[))"
)
"""A letter before a bracket with one letter, one number or a list in it is a function as well: u(t), B(2,3)."""
FLOOR = re.compile(r"(?<!\\sqrt)\s*\[[^\[\](),]*[a-zA-Z\\.][^\[\](),]*\]|\\\{[^{},]*\\\}")
"""Square brackets may be the whole part of what they enclose, braces that are typed its fractional part."""
ORDER = re.compile(r"(?<![\\a-zA-Z])[a-df-zA-Z]'*(?:_(?:\w|\{\w+\}))?\s*\^\s*\{\s*\(\s*\w+\s*\)\s*\}")
"""The fourth derivative y^{(4)} is no power."""


APPLIED_MACROS = frozenset(
    ("zeta", "Gamma", "phi", "varphi", "Phi", "psi", "Psi", "sigma", "tau", "mu", "eta", "omega")
)
PAIRS = {
    "lfloor": ("floor", r"\rfloor"),
    "lceil": ("ceil", r"\rceil"),
    "{": ("part", r"\}"),
    "lvert": ("abs", r"\rvert"),
}
CLOSERS = frozenset((r"\rfloor", r"\rceil", r"\}", r"\rvert", r"\bmod", r"\mod"))
PRODUCTS = {"*": "*", "/": "/", r"\bmod": "mod", r"\mod": "mod"}
