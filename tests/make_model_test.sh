#!/usr/bin/env bash
# make_model_test.sh MAKE_MODEL GPTQ: models it makes run, keep their tokens, and have the same bytes on any number
# of threads.
set -euo pipefail
make_model=$1 gptq=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
fail() { echo "$*" >&2; exit 1; }

cat >config.json <<'JSON'
{"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "vocab_size": 600, "hidden_size": 128,
 "intermediate_size": 256, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
 "max_position_embeddings": 512, "rms_norm_eps": 1e-06, "rope_theta": 10000.0, "tie_word_embeddings": true}
JSON

for kind in "" "--dtype float16 --layers 2" "--packed 4 --group-size 32" "--packed 4 --group-size 32 --desc-act" \
            "--packed 3 --group-size 64 --asym" "--packed 8 --group-size -1" "--packed 2 --group-size 32"; do
  rm -rf one two
  "$make_model" config.json one --seed 7 --threads 1 $kind >log
  "$make_model" config.json two --seed 7 --threads 2 $kind >log
  diff -r one two || fail "make_model $kind: 1 and 2 threads differ"
  "$gptq" inspect one | grep -q 'runs here *yes' || fail "make_model $kind: gptq inspect says that it does not run"
  "$gptq" generate one -p 'It was a dark night' -n 8 --ignore-eos --json --device cpu | grep -q '"new_tokens": 8' ||
    fail "make_model $kind: gptq generate did not make 8 tokens"
done

"$make_model" config.json other --seed 8 --packed 2 --group-size 32 >log
cmp -s one/model.safetensors other/model.safetensors && fail "two seeds give the same weights"

"$make_model" config.json dense >log
row='{"text":"Hello there, 世界! 1234  ok"}'
back=$(echo "$row" | "$gptq" tokenize dense --jsonl - --no-special-tokens -q | "$gptq" detokenize dense --jsonl - -q)
[ "$(tr -d ' \n' <<<"$back")" = "$(tr -d ' \n' <<<"$row")" ] || fail "the tokenizer turns $row into $back"
"$gptq" quantize dense -o packed --group-size 32 --samples 64 --seqlen 64 --gptaq 0 --clip none --device cpu -q >log ||
  fail "a dense model does not quantize"
printf 'the quick brown fox %d\n' $(seq 200) >words.txt
"$gptq" perplexity packed --text words.txt --window 32 --device cpu -q >log || fail "the quantized model does not run"
