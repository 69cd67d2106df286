"""Tokenizers in other files than tokenizer.json against what the Python tools make of the same files."""
import os
import pathlib
import random
import shutil
import tempfile

import carrier_reference
import harness
from check_tokenizer import mismatch, random_text
from tokenizer_text import TEXTS, special_texts

COUNT = int(os.environ.get("GPTQ_INTEROP_STRINGS", "600"))
BATCH = 20000


def compare(report, tools, name, folder, count):
    tokenizer, bos = carrier_reference.read(folder)
    controls = [token.content for token in tokenizer.get_added_tokens_decoder().values()] or ["<s>"]
    rng = random.Random(name)
    texts = TEXTS + special_texts(controls[0], controls[-1])
    texts += [random_text(rng, controls) for _ in range(count - len(texts))]
    for begin in range(0, len(texts), BATCH):
        part = texts[begin:begin + BATCH]
        for special in (True, False):
            theirs = [e.ids for e in tokenizer.encode_batch(part, add_special_tokens=special)]
            ours = tools.encode(folder, part, special)
            report.check(f"{name}: ids, special tokens {special}", ours == theirs, mismatch(part, ours, theirs))
        theirs += [[rng.randrange(tokenizer.get_vocab_size()) for _ in range(rng.randrange(30))] for _ in range(len(part) // 10)]
        for skip in (False, True):
            texts_back = [tokenizer.decode(ids, skip_special_tokens=skip) for ids in theirs]
            ours = tools.decode(folder, theirs, skip)
            report.check(f"{name}: text, skip special {skip}", ours == texts_back, mismatch(theirs, ours, texts_back))


def run(report, tools):
    for golden in sorted((harness.GOLDEN / "carrier").iterdir()):
        if not golden.is_dir():
            continue
        name = f"carrier {golden.name}"
        with report.case(name), tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch) / golden.name
            shutil.copytree(golden, folder)
            compare(report, tools, name, folder, COUNT)
