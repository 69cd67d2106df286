"""Writes src/unicode/char_tables.cc: how the `tokenizers` library classifies every character, measured by running it."""
import pathlib

from tokenizers import normalizers, pre_tokenizers

TARGET = pathlib.Path(__file__).parents[2] / "src" / "text" / "char_tables.cc"
POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
HANGUL = range(0xAC00, 0xD7A4)


def ranges(points):
    """Neighbours joined; surrogates, which no text has, do not end a range."""
    out = []
    for c in points:
        if out and (c == out[-1][1] + 1 or (c == 0xE000 and out[-1][1] == 0xD7FF)):
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def removed_by(normalizer):
    return [c for c in POINTS if normalizer.normalize_str(f"a{chr(c)}a") == "aa"]


def split_by(pre_tokenizer):
    return [c for c in POINTS if len(pre_tokenizer.pre_tokenize_str(f"a{chr(c)}a")) > 1]


def with_normal_form():
    """Characters that decompose or that are sorted among marks; Hangul syllables are computed."""
    nfd, nfkd = normalizers.NFD(), normalizers.NFKD()
    def has(c):
        text = chr(c)
        return c == 0x345 or nfkd.normalize_str(text) != text or nfd.normalize_str("a\u0345" + text) == f"a{text}\u0345"
    return [c for c in POINTS if c not in HANGUL and has(c)]


def bert_marks():
    """Nonspacing marks by themselves: what BertNormalizer drops after decomposing."""
    strip = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)
    nfd = normalizers.NFD()
    return [c for c in POINTS if nfd.normalize_str(chr(c)) == chr(c) and strip.normalize_str(f"a{chr(c)}a") == "aa"]


def lowercase_pairs():
    """Rows of [first, last, distance] for characters whose lower case is one other character."""
    lower, rows = normalizers.Lowercase(), []
    for c in POINTS:
        text = lower.normalize_str(chr(c))
        if len(text) != 1 or text == chr(c):
            continue
        distance = ord(text) - c
        if rows and rows[-1][2] == distance and rows[-1][1] == c - 1:
            rows[-1][1] = c
        else:
            rows.append([c, c, distance])
    return rows


def scripts():
    """Rows of [first, last, number]: neighbours that UnicodeScripts does not cut have one number; 0 cuts nowhere."""
    cut = pre_tokenizers.UnicodeScripts()
    same = lambda a, b: len(cut.pre_tokenize_str(chr(a) + chr(b))) == 1
    known, rows = [], []  # one character of each script
    for c in POINTS:
        if same(0x61, c) and same(0x3042, c):
            continue
        if rows and rows[-1][1] == c - 1 and same(rows[-1][1], c):
            rows[-1][1] = c
            continue
        number = next((i for i, k in enumerate(known) if same(k, c)), None)
        if number is None:
            number = len(known)
            known.append(c)
        rows.append([c, c, number + 1])
    return rows


def array(kind, name, rows):
    cells = ["{" + ", ".join(f"{v:#x}" if i < 2 else str(v) for i, v in enumerate(row)) + "}" for row in rows]
    lines, line = [], "   "
    for cell in cells:
        if len(line) + len(cell) + 2 > 118:
            lines.append(line)
            line = "   "
        line += f" {cell},"
    lines.append(line)
    return f"const {kind} {name}[] = {{\n" + "\n".join(lines) + "\n};\n"


def main():
    control = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    joined = [c for c in POINTS if len(pre_tokenizers.Whitespace().pre_tokenize_str(f"a{chr(c)}a")) == 1]
    classes = {"Punctuation": split_by(pre_tokenizers.Punctuation()), "Numeric": split_by(pre_tokenizers.Digits(True)),
               "Word": joined, "Mark": removed_by(normalizers.StripAccents()), "BertMark": bert_marks(),
               "BertControl": removed_by(control), "Decomposing": with_normal_form()}
    parts = ["// Character classes of the reference implementation; made by tests/golden/make_char_tables.py, not edited by hand.",
             '#include "unicode/char_tables.h"\n', "namespace gptq {\n", "// clang-format off", "namespace {\n"]
    parts += [array("CharRange", f"k{name}", ranges(points)) for name, points in classes.items()]
    parts += [array("LowercaseRange", "kLowercase", lowercase_pairs()), array("ScriptRange", "kScripts", scripts())]
    parts += ["}  // namespace\n"]
    parts += [f"const CharClass k{name}Chars(k{name});" for name in classes]
    parts += ["const std::span<const LowercaseRange> kLowercaseRanges(kLowercase);",
              "const std::span<const ScriptRange> kScriptRanges(kScripts);", "// clang-format on\n", "}  // namespace gptq"]
    TARGET.write_text("\n".join(parts) + "\n")
    print({name: len(ranges(points)) for name, points in classes.items()})


if __name__ == "__main__":
    main()
