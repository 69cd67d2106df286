"""Makes tests/golden/formats/: tokenizers in other files than tokenizer.json, with what the Python tools give for them."""
import base64
import io
import json
import pathlib

import sentencepiece

import formats_reference
from make_tokenizers import LLAMA3, O200K, QWEN2, byte_level, encode_vector, stream_vectors, with_regex, write_list
from tokenizer_text import CORPUS, TEXTS, special_texts
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers.convert_slow_tokenizer import bytes_to_unicode

HERE = pathlib.Path(__file__).parent / "formats"
TEKKEN = O200K.replace(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "").replace(r"\p{N}{1,3}", r"\p{N}")
ALPHABET = {character: byte for byte, character in bytes_to_unicode().items()}


def sentencepiece_model(**options):
    """The bytes of a model learnt from CORPUS."""
    model = io.BytesIO()
    defaults = dict(model_type="bpe", vocab_size=700, byte_fallback=True, character_coverage=0.98, num_threads=1,
                    normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True,
                    allow_whitespace_only_pieces=True, minloglevel=2)
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(CORPUS.splitlines()), model_writer=model,
                                             **{**defaults, **options})
    return model.getvalue()


def llama_model():
    return sentencepiece_model(control_symbols=["[INST]", "[/INST]"], user_defined_symbols=["<|tool|>", "▁▁▁", "the"])


def gemma_model():
    spaces = ["\n\n", "\n\n\n", "▁▁", "▁▁▁", "▁▁▁▁", "<start_of_turn>", "<end_of_turn>"]
    return sentencepiece_model(pad_id=0, eos_id=1, bos_id=2, unk_id=3, pad_piece="<pad>", eos_piece="<eos>",
                               bos_piece="<bos>", user_defined_symbols=spaces, add_dummy_prefix=False)


def t5_model(**options):
    return sentencepiece_model(model_type="unigram", vocab_size=400, byte_fallback=False, pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
                               remove_extra_whitespaces=True, **options)


def ranks(pattern, size):
    """Byte strings in the order of their ranks."""
    model = byte_level(with_regex(pattern), size)
    return [bytes(ALPHABET[c] for c in token) for token in model["vocab"]]


def tiktoken_lines(pattern, size=640):
    return b"".join(base64.b64encode(token) + b" %d\n" % i for i, token in enumerate(ranks(pattern, size)))


def tekken_json():
    names = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]"]
    tokens = [bytes([i]) for i in range(256)] + [token for token in ranks(TEKKEN, 700) if len(token) > 1]
    vocab = [{"rank": i, "token_bytes": base64.b64encode(t).decode(), "token_str": t.decode(errors="replace")}
             for i, t in enumerate(tokens)]
    specials = [{"rank": i, "token_str": name, "is_control": True} for i, name in enumerate(names)]
    config = {"pattern": TEKKEN, "num_vocab_tokens": 700, "default_vocab_size": 660, "default_num_special_tokens": 10,
              "version": "v7"}
    return json.dumps({"config": config, "vocab": vocab, "special_tokens": specials}, indent=1).encode() + b"\n"


def vocab_and_merges(pre_tokenizer, size, extra=()):
    model = byte_level(pre_tokenizer, size, extra=extra)
    merges = "".join(" ".join(pair) + "\n" for pair in model["merges"])
    return {"vocab.json": json.dumps(model["vocab"], ensure_ascii=False).encode() + b"\n",
            "merges.txt": b"#version: 0.2\n" + merges.encode()}


def bert_vocab():
    """Learnt from CORPUS in lower case, without the characters that are rare there. The trainer breaks ties by chance, so
    that a vocabulary that is there stays."""
    path = HERE / "bert" / "vocab.txt"
    if path.exists():
        return path.read_bytes()
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=600, limit_alphabet=150, special_tokens=names, show_progress=False)
    tokenizer.train_from_iterator(CORPUS.splitlines(), trainer)
    vocab = tokenizer.get_vocab()
    return "".join(token + "\n" for token in sorted(vocab, key=vocab.get)).encode()


def special(content, **flags):
    return {"content": content, "lstrip": False, "rstrip": False, "single_word": False, "normalized": False, "special": True,
            **flags}


def layouts():
    llama, gemma = llama_model(), gemma_model()
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    gemma_names = {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>"}
    begin, end = "<|begin_of_text|>", "<|end_of_text|>"
    controls = {str(640 + i): special(t) for i, t in enumerate((begin, end, "<|eot_id|>"))}
    qwen = {str(500 + i): special(t) for i, t in enumerate(("<|endoftext|>", "<|im_start|>", "<|im_end|>"))}
    qwen["503"] = special("<tool>", special=False)
    return {
        "spm_llama": ({"tokenizer.model": llama}, {"tokenizer_class": "LlamaTokenizer", **names}),
        "spm_mistral": ({"tokenizer.model": llama}, {"tokenizer_class": "LlamaTokenizer", "legacy": False, **names}),
        "spm_no_prefix": ({"tokenizer.model": llama},
                          {"tokenizer_class": "LlamaTokenizer", "add_prefix_space": False, "add_eos_token": True, **names}),
        "spm_gemma": ({"tokenizer.model": gemma}, {"tokenizer_class": "GemmaTokenizer", **gemma_names}),
        "spm_t5": ({"tokenizer.model": t5_model()},
                   {"tokenizer_class": "T5Tokenizer", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>",
                    "extra_ids": 7}),
        "spm_t5_nfkc": ({"tokenizer.model": t5_model(normalization_rule_name="nmt_nfkc")},
                        {"tokenizer_class": "T5Tokenizer", "legacy": False, "extra_ids": 2}),
        "spm_nfkc": ({"tokenizer.model": sentencepiece_model(normalization_rule_name="nmt_nfkc", remove_extra_whitespaces=True)},
                     {"tokenizer_class": "CustomTokenizer"}),
        "spm_unigram": ({"tokenizer.model": sentencepiece_model(model_type="unigram", vocab_size=600)},
                        {"tokenizer_class": "CustomTokenizer", "add_bos_token": False}),
        "tiktoken": ({"tokenizer.model": tiktoken_lines(LLAMA3)},
                     {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": begin, "eos_token": end,
                      "added_tokens_decoder": controls, "add_bos_token": True}),
        "tiktoken_pattern": ({"own.tiktoken": tiktoken_lines(O200K)}, {"pattern": O200K}),
        "tekken": ({"tekken.json": tekken_json()}, {}),
        "bert": ({"vocab.txt": bert_vocab()}, {"tokenizer_class": "BertTokenizer"}),
        "gpt2": (vocab_and_merges(pre_tokenizers.ByteLevel(add_prefix_space=True), 480, ["<|endoftext|>"]),
                 {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True, "add_bos_token": True}),
        "qwen2": (vocab_and_merges(with_regex(QWEN2), 500),
                  {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>",
                   "added_tokens_decoder": qwen, "add_bos_token": False}),
    }


def write(folder, files, config):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    if config:
        (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")


def write_seeds():
    """Small ones of each kind to start the fuzz targets from; their first byte chooses the kind."""
    plain = dict(byte_fallback=False, num_threads=1)
    models = {"bpe": (0, sentencepiece_model(vocab_size=300, user_defined_symbols=["the", "[INST]"], **plain)),
              "gemma": (1, sentencepiece_model(vocab_size=560, pad_id=0, eos_id=1, bos_id=2, unk_id=3)),
              "unigram": (3, sentencepiece_model(model_type="unigram", vocab_size=300, **plain)),
              "t5": (6, sentencepiece_model(model_type="unigram", vocab_size=300, bos_id=-1, **plain))}
    lines = tiktoken_lines(QWEN2, 300).splitlines(keepends=True)
    tekken = json.loads(tekken_json())
    tekken["vocab"] = tekken["vocab"][60:130] + tekken["vocab"][300:330]
    files = vocab_and_merges(with_regex(QWEN2), 280)
    pairs = {"tekken": (0, json.dumps(tekken).encode()), "tiktoken": (1, b"".join(lines[30:90] + lines[256:])),
             "qwen2": (2, files["vocab.json"] + b"\0" + files["merges.txt"]),
             "gpt2": (3, b'{"a":0,"b":1,"ab":2}\0#version: 0.2\na b\n')}
    for target, seeds in (("sentencepiece", models), ("byte_pairs", pairs)):
        folder = HERE.parents[1] / "fuzz" / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, (kind, content) in seeds.items():
            (folder / name).write_bytes(bytes([kind]) + content)


def main():
    write_seeds()
    for name, (files, config) in layouts().items():
        folder = HERE / name
        write(folder, files, config)
        tokenizer = formats_reference.read(folder)
        controls = [t.content for t in tokenizer.get_added_tokens_decoder().values() if t.special] or ["<s>"]
        texts = TEXTS + special_texts(controls[-1], controls[0])
        rows = [encode_vector(tokenizer, text, False) for text in texts]
        rows += [encode_vector(tokenizer, text, True) for text in texts[::3]]
        write_list(folder / "vectors.json", rows)
        write_list(folder / "stream.json", stream_vectors(tokenizer, seed=len(name)))
        print(f"{name}: {tokenizer.get_vocab_size()} tokens, {len(rows)} vectors")


if __name__ == "__main__":
    main()
