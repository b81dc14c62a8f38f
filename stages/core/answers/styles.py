r"""Styles: typefaces, colours, sizes and spaces around braces of any depth are taken off, and old TeX becomes LaTeX.

One pass over the braces, in linear time. ``\color{red}{\mathbf{\frac12}}`` is ``\frac12``, ``{6 \choose 2}`` is
``\binom{6}{2}``, and a brace without a partner is dropped.
"""

import re

STYLES = (
    r"text(?:bf|it|rm|sf|tt|sc|sl|up|md|normal)?|math(?:rm|bf|it|sf|tt|cal|normal|bfit)|mbox|hbox"
    r"|operatorname\*?|underline|emph|boxed|fbox|"
    r"framebox|boldsymbol|bm|pmb|bold|ensuremath|mathstrut|mathop|mathbin|mathrel|mathord|smash|textstyle"
    r"|displaystyle|scriptstyle|"
    r"tiny|scriptsize|footnotesize|small|normalsize|large|Large|LARGE|huge|Huge"
)
_PROSE = frozenset(("text", "textrm", "textnormal", "mathrm", "mbox", "hbox", "operatorname", "textit", "mathit"))
_HIDDEN = r"[hv]space|[hv]?phantom|label|tag|raisebox|kern|hskip"
_COLOURED = r"textcolor|colorbox|color|fcolorbox"
_ONE_UNIT = re.compile(r"(?:\\[ ,;:!]|[\s~.(])*(?P<unit>[VANJWKCTFHLPgmshlu])[\s.)]*")
_BEFORE_UNIT = re.compile(r"[\d})/*.](?:\\[ ,;:!]|[\s~])*$")
_TOKEN = re.compile(
    rf"\\(?:(?P<hidden>{_HIDDEN})\*?\s*(?:\{{(?:[^{{}}]|\{{[^{{}}]*\}})*\}}|(?P<bare>[^\s\w\\]))"
    rf"|(?P<colour>{_COLOURED})\*?\s*(?:\[[^\[\]]*\])?\s*\{{[^{{}}]*\}}(?P<painted>\s*\{{)?"
    rf"|(?P<style>{STYLES})\s*\{{)|\\(?P<infix>over|choose|atop)(?![a-zA-Z])|\\.|(?P<open>\{{)|(?P<close>\}})",
    re.DOTALL,
)
_NEEDED = re.compile(rf"\\(?:{STYLES}|{_HIDDEN}|{_COLOURED}|over|choose)(?![a-zA-Z])")
_PLAIN = "{"
MAX_STYLES = 100
"""Groups nested deeper keep their braces and lose no style: joining them over and over would take for ever."""


def unstyled(text: str) -> str:
    """`text` without styles and without braces that have no partner; fractions of plain TeX are those of LaTeX."""
    if text.count("{") == text.count("}") and not _NEEDED.search(text):
        return text
    pieces: list[str] = []
    opened: list[tuple[str, int, int]] = []  # kind, the piece that opens it, and where an infix stands (or -1)
    infix = -1
    position = 0
    for match in _TOKEN.finditer(text):
        pieces.append(text[position : match.start()])
        position = match.end()
        if match["hidden"]:
            pieces.append(" ")
        elif match["style"] or match["colour"] or match["open"]:
            kind = _PLAIN if match["open"] else match["style"] or ("color" if match["painted"] else "")
            kind = _PLAIN if kind and len(opened) >= MAX_STYLES else kind
            pieces.append(_PLAIN if kind else " ")
            if kind:
                opened.append((kind, len(pieces) - 1, infix))
                infix = -1
        elif match["infix"] and infix < 0:
            infix = len(pieces)
            pieces.append(match[0])
        elif match["close"] and opened:
            kind, start, outer = opened.pop()
            if kind == _PLAIN and infix < 0:
                pieces.append("}")
            else:
                pieces[start:] = [_closed(kind, pieces, start, infix, text[position : position + 1])]
            infix = outer
        elif not match["close"]:
            pieces.append(match[0])
    pieces.append(text[position:])
    for _, start, _ in opened:
        pieces[start] = " "
    if infix >= 0 and not opened:
        return _fraction(pieces, -1, infix).strip()
    return "".join(pieces)


def _closed(kind: str, pieces: list[str], start: int, infix: int, following: str) -> str:
    """What stands for the group that was opened at `start`."""
    if infix >= 0:
        return _fraction(pieces, start, infix)
    inside = "".join(pieces[start + 1 :])
    before = "".join(pieces[max(0, start - 3) : start])
    if before.rstrip().endswith(("^", "_")) and not before.rstrip().endswith("\\_"):
        return f"{{{inside.strip()}}}"
    unit = _ONE_UNIT.fullmatch(inside)
    if unit and kind in _PROSE and following != "_" and _BEFORE_UNIT.search(before):
        return rf" \text{{{unit['unit']}}} "
    return inside if len(inside) == 1 and following == "_" else f" {inside} "


def _fraction(pieces: list[str], start: int, infix: int) -> str:
    above, below = "".join(pieces[start + 1 : infix]).strip(), "".join(pieces[infix + 1 :]).strip()
    macro = "binom" if pieces[infix] == r"\choose" else "frac"
    return rf"\{macro}{{{above}}}{{{below}}}"
