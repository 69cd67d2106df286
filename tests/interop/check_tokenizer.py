"""Our tokenizer against the `tokenizers` library: every combination of components, on random, hostile and real text."""
import json
import os
import pathlib
import random
import sysconfig
import tempfile
import unicodedata

import tokenizers

import harness
import hostile_tokens
import tokenizer_families
from tokenizer_text import CORPUS, TEXTS, special_texts

COUNT = int(os.environ.get("GPTQ_INTEROP_STRINGS", "1000"))  # generated texts for every tokenizer

# Ranges to draw characters from; only those assigned in Python 3.11's Unicode 14 are used, because the regex engines
# on both sides may know different newer ones.
RANGES = [(0x20, 0x7F), (0x20, 0x7F), (0, 0x20), (0x80, 0x250), (0x300, 0x370), (0x370, 0x600), (0x600, 0x700), (0x900, 0xE80),
          (0x1680, 0x1690), (0x1800, 0x1880), (0x1E00, 0x2000), (0x2000, 0x2070), (0x2070, 0x2C00), (0x3000, 0x3100),
          (0x4E00, 0x5000), (0xAC00, 0xAD00), (0xE000, 0xE010), (0xFE00, 0x10000), (0x1D400, 0x1D800), (0x1F300, 0x1FA00)]
PARTS = ["'s", "'S", "'ll", "'\u017f", " ", "  ", "\n", "\r\n", "\t", "\u00a0", "▁", "<0x0A>", "123", "4567890", "...", "e\u0301",
         "\u200d", "\ufe0f", "\ufffd", "\u3000", "don't", "A\u030a\u0323", "\u1112\u1161\u11ab", "```", "&nbsp;", "</", "://"]
CHARACTERS = [[c for c in map(chr, range(*r)) if unicodedata.category(c) not in ("Cn", "Cs")] for r in RANGES]
WORDS = CORPUS.split()


def random_text(rng, controls):
    makers = (lambda: rng.choice(WORDS), lambda: rng.choice(WORDS) + " ", lambda: rng.choice(PARTS), lambda: rng.choice(PARTS),
              lambda: rng.choice(controls), lambda: " ", lambda: rng.choice(rng.choice(CHARACTERS)),
              lambda: rng.choice(rng.choice(CHARACTERS)) * rng.randrange(1, 5), lambda: rng.choice(TEXTS)[:20],
              lambda: rng.choice(controls)[:rng.randrange(1, 9)],
              lambda: bytes(rng.choices(range(256), k=rng.randrange(1, 6))).decode(errors="replace"))
    return "".join(rng.choice(makers)() for _ in range(rng.randrange(1, 16)))


def real_texts():
    """Paragraphs and functions out of this repository and Python's library: prose, code and markup."""
    files = [p for s in ("*.md", "src/**/*.cc", "apps/**/*.cc", "tests/**/*.py", "docs/**/*.md") for p in sorted(harness.ROOT.glob(s))]
    library = pathlib.Path(sysconfig.get_paths()["stdlib"])
    files += [library / name for name in ("argparse.py", "typing.py", "html/entities.py", "turtle.py", "decimal.py", "datetime.py",
                                          "tarfile.py", "test/test_unicodedata.py", "idlelib/help.html", "pydoc_data/topics.py")]
    texts = []
    for path in files:
        if path.exists():
            lines = path.read_text(errors="replace").splitlines(keepends=True)
            texts += ["".join(lines[i : i + 12]) for i in range(0, len(lines), 12)]
    return texts


def mismatch(inputs, ours, theirs):
    """Describes how many answers differ, with the first one."""
    wrong = [i for i in range(len(inputs)) if ours[i] != theirs[i]]
    if not wrong:
        return f"{len(inputs)} compared"
    i = min(wrong, key=lambda i: len(inputs[i]))
    return f"{len(wrong)} of {len(inputs)} differ, shortest {inputs[i]!r}: {ours[i]!r}, expected {theirs[i]!r}"


def compare(report, name, inputs, ours, theirs):
    report.check(name, ours == theirs, mismatch(inputs, ours, theirs))


def compare_offsets(report, name, texts, ours, theirs, added):
    """Places of added tokens, and of all tokens."""
    places = [[[i, *o] for i, o in zip(e.ids, e.offsets)] for e in theirs]
    found = [[[i, *o] for i, o in zip(a["ids"], a["offsets"])] for a in ours]
    only_added = lambda rows: [[token for token in row if token[0] in added] for row in rows]
    compare(report, f"{name}: offsets of added tokens", texts, only_added(found), only_added(places))
    compare(report, f"{name}: offsets of all tokens", texts, found, places)


def check_one(report, tools, name, folder, texts, rng):
    reference = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    added = reference.get_added_tokens_decoder()
    with tempfile.TemporaryDirectory() as scratch:
        rows = harness.write_rows(pathlib.Path(scratch) / "texts.jsonl", "text", texts)
        id_lists = []
        for special in (True, False):
            theirs = reference.encode_batch(texts, add_special_tokens=special)
            ours = [a["ids"] for a in tools.encode(folder, rows, len(texts), special)]
            compare(report, f"{name}: ids, special tokens {special}", texts, ours, [e.ids for e in theirs])
            id_lists = [e.ids for e in theirs]
            if special:
                ours = tools.encode(folder, rows, len(texts), special, offsets=True)
                compare_offsets(report, name, texts, ours, theirs, added)
        size = max(reference.get_vocab().values()) + 1
        id_lists += [[rng.randrange(size) for _ in range(rng.randrange(0, 30))] for _ in range(len(texts) // 4)]
        rows = harness.write_rows(pathlib.Path(scratch) / "ids.jsonl", "ids", id_lists)
        for skip in (False, True):
            theirs = reference.decode_batch(id_lists, skip_special_tokens=skip)
            ours = tools.decode(folder, rows, len(id_lists), skip)
            compare(report, f"{name}: text, skip special {skip}", id_lists, ours, theirs)
        report.check(f"{name}: streaming", True, tools.run(tools.check_stream, folder, rows).strip())


def texts_for(reference, rng, count, real):
    controls = [token.content for token in reference.get_added_tokens_decoder().values()] or ["<s>"]
    texts = TEXTS + special_texts(controls[0], controls[-1]) + [random_text(rng, controls) for _ in range(count)]
    return texts + real[:count // 4]


def check_family(report, tools, name, data, real):
    with tempfile.TemporaryDirectory() as folder:  # nothing but tokenizer.json
        path = pathlib.Path(folder)
        (path / "tokenizer.json").write_text(data)
        rng = random.Random(name)
        check_one(report, tools, f"tokenizer {name}", path, texts_for(tokenizers.Tokenizer.from_str(data), rng, COUNT, real), rng)


def run(report, tools):
    real = real_texts()
    random.Random(0).shuffle(real)
    only = os.environ.get("GPTQ_INTEROP_FAMILIES", "").split()
    with report.case("tokenizer demo"):
        if not only:
            data = (harness.DEMO / "tokenizer.json").read_text()
            rng = random.Random("demo")
            texts = texts_for(tokenizers.Tokenizer.from_str(data), rng, COUNT, real)
            check_one(report, tools, "tokenizer demo", harness.DEMO, texts, rng)
    for name, make in tokenizer_families.FAMILIES.items():
        if not only or name in only:
            with report.case(f"tokenizer {name}"):
                check_family(report, tools, name, json.dumps(make(), ensure_ascii=False), real)
    if not only or "hostile" in only:
        hostile_tokens.run(report, tools, compare)
