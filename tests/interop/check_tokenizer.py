"""Our tokenizer against the `tokenizers` library: every combination of components, on random, hostile and real text."""
import concurrent.futures
import json
import os
import pathlib
import random
import sysconfig
import tempfile
import traceback
import unicodedata

import tokenizers

import harness
import hostile_tokens
import tokenizer_families
from tokenizer_text import CORPUS, TEXTS, special_texts

COUNT = int(os.environ.get("GPTQ_INTEROP_STRINGS", "1000"))  # generated texts for every tokenizer
BATCH = 20000  # so many at a time, for the sake of memory

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


class Tally:
    """Counts what was compared under each label and keeps the shortest input that differs."""

    def __init__(self):
        self.rows = {}

    def compare(self, label, inputs, ours, theirs):
        count, wrong, worst = self.rows.get(label, (0, 0, None))
        if ours != theirs:
            for i in range(len(inputs)):
                if ours[i] != theirs[i]:
                    wrong += 1
                    if worst is None or len(inputs[i]) < len(worst[0]):
                        worst = (inputs[i], ours[i], theirs[i])
        self.rows[label] = (count + len(inputs), wrong, worst)

    def results(self, name):
        """[name, ok, detail] for each label."""
        return [(f"{name}: {label}", wrong == 0, f"{count} compared" if wrong == 0 else
                 f"{wrong} of {count} differ, shortest {worst[0]!r}: {worst[1]!r}, expected {worst[2]!r}")
                for label, (count, wrong, worst) in self.rows.items()]


def compare_places(tally, texts, ours, theirs, added):
    """Ids and places of all tokens; of added tokens by themselves too, so that a difference tells which it is."""
    found = [[a["ids"], [tuple(o) for o in a["offsets"]]] for a in ours]
    expected = [[e.ids, e.offsets] for e in theirs]
    only_added = lambda row: [(i, o) for i, o in zip(*row) if i in added]
    same = found == expected
    tally.compare("offsets of added tokens", texts, found if same else [*map(only_added, found)],
                  expected if same else [*map(only_added, expected)])
    tally.compare("offsets of all tokens", texts, found, expected)


def check_batch(tally, tools, reference, folder, texts, rng):
    added = reference.get_added_tokens_decoder()
    size = max(reference.get_vocab().values()) + 1
    with tempfile.TemporaryDirectory() as scratch:
        rows = harness.write_rows(pathlib.Path(scratch) / "texts.jsonl", "text", texts)
        theirs = reference.encode_batch(texts)
        compare_places(tally, texts, tools.encode(folder, rows, len(texts), offsets=True), theirs, added)
        id_lists = [e.ids for e in theirs]
        tally.compare("ids", texts, [a["ids"] for a in tools.encode(folder, rows, len(texts))], id_lists)
        plain = texts[: len(texts) // 10]
        rows = harness.write_rows(pathlib.Path(scratch) / "plain.jsonl", "text", plain)
        tally.compare("ids without special tokens", plain, [a["ids"] for a in tools.encode(folder, rows, len(plain), special=False)],
                      [e.ids for e in reference.encode_batch(plain, add_special_tokens=False)])
        id_lists += [[rng.randrange(size) for _ in range(rng.randrange(0, 30))] for _ in range(len(texts) // 4)]
        rows = harness.write_rows(pathlib.Path(scratch) / "ids.jsonl", "ids", id_lists)
        for skip in (False, True):
            theirs = reference.decode_batch(id_lists, skip_special_tokens=skip)
            tally.compare(f"text, skip special {skip}", id_lists, tools.decode(folder, rows, len(id_lists), skip), theirs)
        tools.run(tools.check_stream, folder, rows)
        tally.compare("streaming", id_lists, [], [])


def check_folder(tools, name, folder, real):
    reference = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    controls = [token.content for token in reference.get_added_tokens_decoder().values()] or ["<s>"]
    rng = random.Random(name)
    tally = Tally()
    texts = TEXTS + special_texts(controls[0], controls[-1]) + real[: max(COUNT // 4, 1)]
    for done in range(0, COUNT, BATCH):
        texts += [random_text(rng, controls) for _ in range(min(BATCH, COUNT - done))]
        check_batch(tally, tools, reference, folder, texts, rng)
        texts = []
    return tally.results(f"tokenizer {name}")


def check_family(tools, name, real):
    """In a process of its own; what goes wrong is a result too."""
    try:
        if name == "hostile":
            tally = Tally()
            hostile_tokens.run(tally, tools)
            return tally.results("tokenizer hostile sets of added tokens")
        if name == "demo":
            return check_folder(tools, name, harness.DEMO, real)
        with tempfile.TemporaryDirectory() as folder:  # nothing but tokenizer.json
            (pathlib.Path(folder) / "tokenizer.json").write_text(json.dumps(tokenizer_families.FAMILIES[name](), ensure_ascii=False))
            return check_folder(tools, name, pathlib.Path(folder), real)
    except Exception as error:
        detail = str(error) if isinstance(error, harness.ToolFailed) else traceback.format_exc()
        return [(f"tokenizer {name}", False, detail)]


def run(report, tools):
    real = real_texts()
    random.Random(0).shuffle(real)
    names = ["demo", *tokenizer_families.FAMILIES, "hostile"]
    names = os.environ.get("GPTQ_INTEROP_FAMILIES", " ".join(names)).split()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the processes are the parallelism
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        for results in pool.map(check_family, [tools] * len(names), names, [real] * len(names)):
            for result in results:
                report.check(*result)
