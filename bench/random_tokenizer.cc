// The BPE trainer keeps, for every pair, how often it stands in the text and in which words.
#include "bench/random_tokenizer.h"

#include <cctype>
#include <map>
#include <queue>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <gptq/error.h>

#include "core/json.h"
#include "core/unpack.h"
#include "tokenizer/components/byte_level.h"

extern "C" {
extern const char gptq_default_calibration_begin[];
extern const char gptq_default_calibration_end[];
}

namespace gptq::bench {

namespace {

const char* const kSpecials[] = {"<unk>", "<s>", "</s>"};

using Pair = std::pair<int, int>;

struct Word {
  std::vector<int> symbols;
  int64_t count = 0;
};

class Trainer {
 public:
  Trainer() {
    for (const char* name : kSpecials) add(name);
    for (int byte = 0; byte < 256; ++byte)
      bytes_[byte] = add(std::string(tokenizer::byte_alphabet(static_cast<unsigned char>(byte))));
  }

  void read(std::string_view text) {
    std::map<std::string, int64_t> counts;
    for (size_t begin = 0, end; begin < text.size(); begin = end) {
      end = word_end(text, begin);
      ++counts[std::string(text.substr(begin, end - begin))];
    }
    for (const auto& [spelling, count] : counts) {
      Word word;
      word.count = count;
      for (const char c : spelling) word.symbols.push_back(bytes_[static_cast<unsigned char>(c)]);
      words_.push_back(std::move(word));
    }
    for (size_t w = 0; w < words_.size(); ++w) count_pairs(w, +1);
    for (const auto& [pair, count] : counts_) queue_.push({count, pair});
  }

  void learn(size_t size) {
    while (tokens_.size() < size && !queue_.empty()) {
      const auto [count, pair] = queue_.top();
      queue_.pop();
      if (counts_[pair] != count) continue;  // stale: the pair was pushed again with its new count
      if (count > 0) merge(pair);
    }
    // Words begin with a space or have none inside: two tokens that begin with one never meet.
    const std::string space(tokenizer::byte_alphabet(' '));
    std::vector<int> starts;
    for (size_t i = 0; i < tokens_.size(); ++i) {
      if (tokens_[i].starts_with(space) && tokens_[i].size() > space.size()) starts.push_back(static_cast<int>(i));
    }
    for (size_t a = 0; a < starts.size(); ++a) {
      for (size_t b = 0; b < starts.size() && tokens_.size() < size; ++b) join(starts[a], starts[b]);
    }
    if (tokens_.size() < size) {
      throw Error(ErrorKind::kUsage, "making a tokenizer of " + std::to_string(size) + " tokens: only " +
                                         std::to_string(tokens_.size()) + " can be made from the calibration text");
    }
  }

  const std::vector<std::string>& tokens() const { return tokens_; }
  const std::vector<Pair>& merges() const { return merges_; }

 private:
  struct Candidate {
    int64_t count;
    Pair pair;
    bool operator<(const Candidate& other) const {  // most frequent first, then the oldest tokens
      return count != other.count ? count < other.count : pair > other.pair;
    }
  };
  struct PairHash {
    size_t operator()(const Pair& pair) const {
      const uint64_t key = static_cast<uint64_t>(pair.first) << 32 | static_cast<uint32_t>(pair.second);
      return static_cast<size_t>((key * 0x9E3779B97F4A7C15ull) >> 20);
    }
  };

  // A run of letters with the space before it, else a run of anything else that holds no letter.
  static size_t word_end(std::string_view text, size_t begin) {
    const auto letter = [&](size_t i) { return i < text.size() && std::isalpha(static_cast<unsigned char>(text[i])); };
    size_t end = begin + 1;
    if (!letter(begin) && !(text[begin] == ' ' && letter(end))) {
      while (end < text.size() && !letter(end) && text[end] != ' ') ++end;
      return end;
    }
    while (letter(end)) ++end;
    return end;
  }

  int add(const std::string& token) {
    const auto [place, added] = ids_.emplace(token, static_cast<int>(tokens_.size()));
    if (added) tokens_.push_back(token);
    return added ? place->second : -1;
  }

  // The id of the joined token; -1 when that spelling exists already.
  int join(int left, int right) {
    const int id = add(tokens_[static_cast<size_t>(left)] + tokens_[static_cast<size_t>(right)]);
    if (id >= 0) merges_.emplace_back(left, right);
    return id;
  }

  void count_pairs(size_t index, int64_t sign) {
    const Word& word = words_[index];
    for (size_t i = 0; i + 1 < word.symbols.size(); ++i) {
      const Pair pair{word.symbols[i], word.symbols[i + 1]};
      counts_[pair] += sign * word.count;
      if (sign > 0) places_[pair].insert(index);
    }
  }

  void merge(const Pair& pair) {
    const int id = join(pair.first, pair.second);
    const std::set<size_t> places = std::move(places_[pair]);
    places_.erase(pair);
    if (id < 0) return;  // another split of the same letters became this token
    std::set<Pair> changed;
    for (const size_t index : places) {
      Word& word = words_[index];
      count_pairs(index, -1);
      for (size_t i = 0; i + 1 < word.symbols.size(); ++i) changed.insert({word.symbols[i], word.symbols[i + 1]});
      std::vector<int> joined;
      for (size_t i = 0; i < word.symbols.size(); ++i) {
        const bool match =
            i + 1 < word.symbols.size() && word.symbols[i] == pair.first && word.symbols[i + 1] == pair.second;
        joined.push_back(match ? id : word.symbols[i]);
        if (match) ++i;
      }
      word.symbols = std::move(joined);
      count_pairs(index, +1);
      for (size_t i = 0; i + 1 < word.symbols.size(); ++i) changed.insert({word.symbols[i], word.symbols[i + 1]});
    }
    for (const Pair& other : changed) queue_.push({counts_[other], other});
  }

  std::vector<std::string> tokens_;
  std::unordered_map<std::string, int> ids_;
  std::vector<Pair> merges_;
  int bytes_[256];
  std::vector<Word> words_;
  std::unordered_map<Pair, int64_t, PairHash> counts_;
  std::unordered_map<Pair, std::set<size_t>, PairHash> places_;
  std::priority_queue<Candidate> queue_;
};

OrderedJson special_token(int id) {
  return {{"id", id},        {"content", kSpecials[id]}, {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false},      {"special", true}};
}

OrderedJson tokenizer_json() {
  OrderedJson json;
  json["version"] = "1.0";
  json["truncation"] = nullptr;
  json["padding"] = nullptr;
  json["added_tokens"] = {special_token(0), special_token(1), special_token(2)};
  json["normalizer"] = nullptr;
  json["pre_tokenizer"] = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  const OrderedJson begin = {{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}};
  const OrderedJson a = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}},
                    b = {{"Sequence", {{"id", "B"}, {"type_id", 1}}}};
  OrderedJson& post = json["post_processor"];
  post["type"] = "TemplateProcessing";
  post["single"] = OrderedJson::array({begin, a});
  post["pair"] = OrderedJson::array({begin, a, b});
  post["special_tokens"]["<s>"] = {
      {"id", "<s>"}, {"ids", OrderedJson::array({1})}, {"tokens", OrderedJson::array({"<s>"})}};
  json["decoder"] = {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
  OrderedJson& model = json["model"];
  model["type"] = "BPE";
  for (const char* key : {"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"})
    model[key] = nullptr;
  for (const char* key : {"fuse_unk", "byte_fallback", "ignore_merges"}) model[key] = false;
  return json;
}

std::string quoted(const std::string& text) { return Json(text).dump(); }

}  // namespace

void write_tokenizer(const fs::path& folder, int64_t vocab_size, int64_t context_length) {
  Trainer trainer;
  if (vocab_size < static_cast<int64_t>(trainer.tokens().size())) {
    throw Error(ErrorKind::kUsage, "making a tokenizer: vocab_size is " + std::to_string(vocab_size) +
                                       ", expected at least " + std::to_string(trainer.tokens().size()) +
                                       " (3 special tokens and 256 bytes)");
  }
  const std::string_view packed(gptq_default_calibration_begin,
                                static_cast<size_t>(gptq_default_calibration_end - gptq_default_calibration_begin));
  trainer.read(unpack_gzip(packed, "the built-in calibration text"));
  trainer.learn(static_cast<size_t>(vocab_size));

  // The two large tables are written by hand: an ordered JSON object looks keys up one by one.
  std::string text = tokenizer_json().dump(1);
  text.resize(text.rfind('}', text.rfind('}') - 1));  // inside "model"
  text.resize(text.find_last_not_of(" \n") + 1);
  text += ",\n  \"vocab\": {";
  const std::vector<std::string>& tokens = trainer.tokens();
  for (size_t i = 0; i < tokens.size(); ++i) {
    text += (i == 0 ? "\n   " : ",\n   ") + quoted(tokens[i]) + ": " + std::to_string(i);
  }
  text += "\n  },\n  \"merges\": [";
  for (size_t i = 0; i < trainer.merges().size(); ++i) {
    const auto [left, right] = trainer.merges()[i];
    text += (i == 0 ? "\n   " : ",\n   ") +
            quoted(tokens[static_cast<size_t>(left)] + " " + tokens[static_cast<size_t>(right)]);
  }
  text += "\n  ]\n }\n}\n";
  write_file_atomic(folder / "tokenizer.json", text);

  const OrderedJson config = {
      {"tokenizer_class", "PreTrainedTokenizerFast"},
      {"bos_token", "<s>"},
      {"eos_token", "</s>"},
      {"unk_token", "<unk>"},
      {"model_max_length", context_length},
      {"clean_up_tokenization_spaces", false},
      {"chat_template",
       "{{ bos_token }}{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
       "{% if add_generation_prompt %}assistant:{% endif %}"}};
  write_file_atomic(folder / "tokenizer_config.json", config.dump(2) + "\n");
  write_file_atomic(folder / "generation_config.json", "{\n  \"bos_token_id\": 1,\n  \"eos_token_id\": 2\n}\n");
}

}  // namespace gptq::bench
