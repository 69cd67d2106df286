// Each post-processor transforms the list of parts made by the ones before it; the table is at the end.
#include "tokenizer/components/post_processor.h"

#include <algorithm>
#include <map>
#include <utility>

#include <gptq/error.h>

#include "core/json.h"
#include "tokenizer/components/pipeline_component.h"

namespace gptq::tokenizer {

namespace {

using Part = PostProcessor::Part;
using Parts = PostProcessor::Parts;

// The two lists under construction: without and with special tokens.
using Lists = std::array<Parts, 2>;

void check_growth(const Parts& parts, const std::string& what) {
  constexpr size_t kMaxTexts = 16, kMaxTokens = size_t{1} << 16;
  size_t texts = 0, tokens = 0;
  for (const Part& part : parts) {
    texts += part.text ? 1 : 0;
    tokens += part.ids.size();
  }
  if (texts <= kMaxTexts && tokens <= kMaxTokens) return;
  throw Error(ErrorKind::kVerification, "reading " + what + ": it repeats the text more than " +
                                            std::to_string(kMaxTexts) + " times or adds more than " +
                                            std::to_string(kMaxTokens) +
                                            " tokens; the file is damaged or malicious: download it again");
}

Part tokens(std::vector<TokenId> ids) { return {false, {}, std::move(ids)}; }

// `slots`: where the text goes, and control tokens.
void fill(Lists& lists, const Parts& slots, const std::string& what) {
  for (const bool add_special_tokens : {false, true}) {
    Parts& parts = lists[add_special_tokens ? 1 : 0];
    Parts filled;
    for (const Part& slot : slots) {
      if (slot.text)
        filled.insert(filled.end(), parts.begin(), parts.end());
      else if (add_special_tokens && !slot.ids.empty())
        filled.push_back(slot);
      check_growth(filled, what);
    }
    parts = std::move(filled);
  }
}

TokenId id_from(const Json& json, const JsonReader& reader, const char* key) {
  if (!json.is_number_integer() || json.get<int64_t>() < 0 || json.get<int64_t>() > INT32_MAX) {
    reader.fail(key, "token ids");
  }
  return static_cast<TokenId>(json.get<int64_t>());
}

void add_template(Lists& lists, const PipelineComponent& component) {
  const JsonReader& reader = component.reader();
  const Json& single = reader.at("single");
  if (!single.is_array()) reader.fail("single", "a list");
  Parts slots;
  for (const Json& item : single) {
    const JsonReader slot(item, reader.what() + ".single");
    if (slot.has("Sequence")) {
      const JsonReader sequence(slot.at("Sequence"), slot.what());
      if (sequence.string("id") != "A") reader.fail("single", "only the sequence A");
      slots.push_back({true, {}, {}});
    } else {
      const std::string name = JsonReader(slot.at("SpecialToken"), slot.what()).string("id");
      const JsonReader specials(reader.at("special_tokens"), reader.what() + ".special_tokens");
      const JsonReader special(specials.at(name.c_str()), specials.what() + "." + name);
      if (!special.at("ids").is_array()) special.fail("ids", "a list of token ids");
      slots.push_back(tokens({}));
      for (const Json& id : special.at("ids")) slots.back().ids.push_back(id_from(id, special, "ids"));
    }
    check_growth(slots, component.what());
  }
  fill(lists, slots, component.what());
}

// {"cls": ["[CLS]", 101], "sep": ["[SEP]", 102]}
void add_cls_sep(Lists& lists, const PipelineComponent& component) {
  const auto id = [&](const char* key) {
    const Json& pair = component.reader().at(key);
    if (!pair.is_array() || pair.size() != 2) component.reader().fail(key, "[token, id]");
    return id_from(pair[1], component.reader(), key);
  };
  fill(lists, {tokens({id("cls")}), {true, {}, {}}, tokens({id("sep")})}, component.what());
}

void add_trim(Lists& lists, const PipelineComponent& component) {
  if (!component.reader().boolean("trim_offsets", true)) return;
  for (Parts& parts : lists) {
    for (Part& part : parts) {
      if (part.text) part.trims.push_back({component.reader().boolean("add_prefix_space", true), &part == &parts[0]});
    }
  }
}

// The same for Bert and Roberta: the reference implementation looks at the keys, not at the type.
void add_cls_sep_trim(Lists& lists, const PipelineComponent& component) {
  const JsonReader& reader = component.reader();
  if (reader.has("trim_offsets") && reader.has("add_prefix_space")) add_trim(lists, component);
  add_cls_sep(lists, component);
}

void add_processor(Lists& lists, const PipelineComponent& component);

void add_processors(Lists& lists, const PipelineComponent& component) {
  for (const PipelineComponent& part : component.parts("processors")) add_processor(lists, part);
}

void add_processor(Lists& lists, const PipelineComponent& component) {
  using Adder = void (*)(Lists&, const PipelineComponent&);
  static const std::map<std::string, Adder> kAdders = {
      {"Sequence", add_processors},
      {"TemplateProcessing", add_template},
      {"BertProcessing", add_cls_sep_trim},
      {"RobertaProcessing", add_cls_sep_trim},
      {"ByteLevel", add_trim},
  };
  static const std::vector<TypeByKeys> kUntyped = {{"BertProcessing", {"sep", "cls"}},
                                                   {"TemplateProcessing", {"single", "special_tokens"}}};
  component.pick(kAdders, kUntyped)(lists, component);
}

}  // namespace

PostProcessor::PostProcessor() : PostProcessor({}, std::vector<TokenId>{}) {}

PostProcessor::PostProcessor(std::vector<TokenId> before, std::vector<TokenId> after)
    : parts_{Parts{{true, {}, {}}}, Parts{tokens(std::move(before)), {true, {}, {}}, tokens(std::move(after))}} {}

PostProcessor::PostProcessor(Parts with_special_tokens, Parts without)
    : parts_{std::move(without), std::move(with_special_tokens)} {}

void PostProcessor::apply(std::vector<TokenId>& ids, bool add_special_tokens) const {
  std::vector<TokenId> result;
  for (const Part& part : parts(add_special_tokens)) {
    const std::vector<TokenId>& source = part.text ? ids : part.ids;
    result.insert(result.end(), source.begin(), source.end());
  }
  ids = std::move(result);
}

TokenOffset PostProcessor::trimmed(TokenOffset place, size_t index, const std::vector<Trim>& trims) {
  for (const Trim& trim : trims) {
    const bool at_start = (trim.first && index == 0) || place.begin == 0;
    const bool own_space = at_start && trim.add_prefix_space && place.leading == 1;
    if (place.leading > 0 && !own_space) place.begin = std::min(place.begin + place.leading, place.end);
    if (place.trailing > 0 && place.end >= place.trailing) {
      place.end = std::max(place.end - place.trailing, place.begin);
    }
  }
  return place;
}

PostProcessor make_post_processor(const Json& json, const std::string& what) {
  if (json.is_null()) return PostProcessor();
  Lists lists{Parts{{true, {}, {}}}, Parts{{true, {}, {}}}};
  add_processor(lists, PipelineComponent(json, what));
  return PostProcessor(std::move(lists[1]), std::move(lists[0]));
}

}  // namespace gptq::tokenizer
