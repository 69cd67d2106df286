"""Tokenizers in other files than tokenizer.json against what the Python tools make of the same files."""
import random

import formats_reference
import harness
from check_tokenizer import BATCH, COUNT, Tally, check_batch, random_text
from tokenizer_text import TEXTS, special_texts


def check_folder(tools, name, folder):
    tokenizer = formats_reference.read(folder)
    controls = [token.content for token in tokenizer.get_added_tokens_decoder().values()] or ["<s>"]
    rng, tally = random.Random(name), Tally()
    texts = TEXTS + special_texts(controls[0], controls[-1])
    for done in range(0, COUNT, BATCH):
        texts += [random_text(rng, controls) for _ in range(min(BATCH, COUNT - done))]
        check_batch(tally, tools, tokenizer, folder, texts, rng)
        texts = []
    return tally.results(name)


def run(report, tools):
    for folder in sorted(path.parent for path in (harness.GOLDEN / "formats").glob("*/vectors.json")):
        name = f"format {folder.name}"
        with report.case(name):
            for result in check_folder(tools, name, folder):
                report.check(*result)
