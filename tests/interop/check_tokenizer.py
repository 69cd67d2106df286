"""Our tokenizer against the `tokenizers` library: the demo's and every golden one, on random and hostile text."""
import pathlib
import random
import shutil
import tempfile
import unicodedata

import tokenizers

import harness
from tokenizer_text import CORPUS, TEXTS, special_texts

# Ranges to draw characters from; only those assigned in Python 3.11's Unicode 14 are used, because the regex engines
# on both sides may know different newer ones.
RANGES = [(0x20, 0x7F), (0x20, 0x7F), (0, 0x20), (0x80, 0x250), (0x300, 0x370), (0x370, 0x600), (0x600, 0x700), (0x900, 0xE80),
          (0x1680, 0x1690), (0x1800, 0x1880), (0x1E00, 0x2000), (0x2000, 0x2070), (0x2070, 0x2C00), (0x3000, 0x3100),
          (0x4E00, 0x5000), (0xAC00, 0xAD00), (0xE000, 0xE010), (0xFE00, 0x10000), (0x1D400, 0x1D800), (0x1F300, 0x1FA00)]
PARTS = ["'s", "'S", "'ll", "'\u017f", " ", "  ", "\n", "\r\n", "\t", "\u00a0", "▁", "<0x0A>", "123", "4567890", "...", "e\u0301"]


def random_character(rng):
    while True:
        character = chr(rng.randrange(*rng.choice(RANGES)))
        if unicodedata.category(character) not in ("Cn", "Cs"):
            return character


def random_text(rng, controls):
    words = CORPUS.split()
    makers = [lambda: rng.choice(words), lambda: rng.choice(PARTS), lambda: rng.choice(controls), lambda: " ",
              lambda: random_character(rng), lambda: random_character(rng) * rng.randrange(1, 5),
              lambda: rng.choice(TEXTS)[:20]]
    return "".join(rng.choice(makers)() for _ in range(rng.randrange(1, 24)))


def mismatch(inputs, ours, theirs):
    """Describes how many answers differ, with the first one."""
    wrong = [i for i in range(len(inputs)) if ours[i] != theirs[i]]
    if not wrong:
        return f"{len(inputs)} compared"
    i = wrong[0]
    return f"{len(wrong)} of {len(inputs)} differ, first {inputs[i]!r}: {ours[i]!r}, expected {theirs[i]!r}"


def check_one(report, tools, name, folder, count):
    reference = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    controls = [token.content for token in reference.get_added_tokens_decoder().values()] or ["<s>"]
    rng = random.Random(name)
    texts = TEXTS + special_texts(controls[0], controls[-1]) + [random_text(rng, controls) for _ in range(count)]
    id_lists = []
    for special in (True, False):
        theirs = [e.ids for e in reference.encode_batch(texts, add_special_tokens=special)]
        ours = tools.encode(folder, texts, special)
        report.check(f"{name}: ids, special tokens {special}", ours == theirs, mismatch(texts, ours, theirs))
        id_lists = theirs
    id_lists += [[rng.randrange(reference.get_vocab_size()) for _ in range(rng.randrange(0, 30))] for _ in range(count)]
    for skip in (False, True):
        theirs = [reference.decode(ids, skip_special_tokens=skip) for ids in id_lists]
        ours = tools.decode(folder, id_lists, skip)
        report.check(f"{name}: text, skip special {skip}", ours == theirs, mismatch(id_lists, ours, theirs))


def run(report, tools):
    with report.case("tokenizer demo"):
        check_one(report, tools, "tokenizer demo", harness.DEMO, 2500)
    for golden in sorted((harness.GOLDEN / "tokenizer").glob("*/tokenizer.json")):
        name = f"tokenizer {golden.parent.name}"
        with report.case(name), tempfile.TemporaryDirectory() as folder:  # nothing but tokenizer.json
            shutil.copy(golden, folder)
            check_one(report, tools, name, pathlib.Path(folder), 600)
