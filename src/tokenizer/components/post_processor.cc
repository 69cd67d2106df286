// Each post-processor transforms the list of parts made by the ones before it; the table is at the end.
#include "tokenizer/components/post_processor.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include <gptq/error.h>

#include "core/json.h"
#include "tokenizer/components/pipeline_component.h"

namespace gptq::tokenizer {

namespace {

using Part = PostProcessor::Part;
using Parts = PostProcessor::Parts;

using Lists = PostProcessor::Lists;  // under construction

void check_growth(const Parts& parts, const std::string& what) {
  constexpr size_t kMaxTexts = 16, kMaxTokens = size_t{1} << 16;
  size_t texts = 0, tokens = 0;
  for (const Part& part : parts) {
    texts += part.text() ? 1 : 0;
    tokens += part.ids.size();
  }
  if (texts <= kMaxTexts && tokens <= kMaxTokens) return;
  throw Error(ErrorKind::kVerification, "reading " + what + ": it repeats the text more than " +
                                            std::to_string(kMaxTexts) + " times or adds more than " +
                                            std::to_string(kMaxTokens) +
                                            " tokens; the file is damaged or malicious: download it again");
}

Part tokens(std::vector<TokenId> ids, int type_id = 0) { return {-1, {}, std::move(ids), type_id}; }
Part text(int sequence, int type_id) { return {sequence, {}, {}, type_id}; }

// The two texts, before any component adds to them.
bool is_bare_pair(const Parts& parts) { return parts.size() == 2 && parts[0].sequence == 0 && parts[1].sequence == 1; }

// `slots`: where the text goes, and control tokens.
Parts filled_single(const Parts& parts, const Parts& slots, bool add_special_tokens, const std::string& what) {
  Parts filled;
  for (const Part& slot : slots) {
    if (slot.text()) {
      for (const Part& part : parts) {
        filled.push_back(part);
        if (part.text()) filled.back().type_id = slot.type_id;
      }
    } else if (add_special_tokens && !slot.ids.empty()) {
      filled.push_back(slot);
    }
    check_growth(filled, what);
  }
  return filled;
}

// The same for pairs. The reference implementation has no result for a second component that adds tokens to a pair.
Parts filled_pair(const Parts& parts, const Parts& slots, bool add_special_tokens, const std::string& what) {
  if (!is_bare_pair(parts)) return {};
  Parts filled;
  for (const Part& slot : slots) {
    if (slot.text()) {
      filled.push_back(parts[static_cast<size_t>(slot.sequence)]);
      filled.back().type_id = slot.type_id;
    } else if (add_special_tokens && !slot.ids.empty()) {
      filled.push_back(slot);
    }
    check_growth(filled, what);
  }
  return filled;
}

void fill(Lists& lists, const Parts& single, const Parts& pair, const std::string& what) {
  for (const bool add_special_tokens : {false, true}) {
    Parts& one = lists.single[add_special_tokens ? 1 : 0];
    one = filled_single(one, single, add_special_tokens, what);
    Parts& two = lists.pair[add_special_tokens ? 1 : 0];
    two = filled_pair(two, pair, add_special_tokens, what);
  }
}

TokenId id_from(const Json& json, const JsonReader& reader, const char* key) {
  if (!json.is_number_integer() || json.get<int64_t>() < 0 || json.get<int64_t>() > INT32_MAX) {
    reader.fail(key, "token ids");
  }
  return static_cast<TokenId>(json.get<int64_t>());
}

int type_id_from(const JsonReader& slot) {
  const int64_t type_id = slot.integer("type_id", 0);
  if (type_id < 0 || type_id > INT32_MAX) slot.fail("type_id", "a small number");
  return static_cast<int>(type_id);
}

// The list under `key`, "single" or "pair".
Parts template_slots(const PipelineComponent& component, const char* key) {
  const JsonReader& reader = component.reader();
  const bool pair = std::string_view(key) == "pair";
  const Json& list = reader.at(key);
  if (!list.is_array()) reader.fail(key, "a list");
  Parts slots;
  for (const Json& item : list) {
    const JsonReader slot(item, reader.what() + "." + key);
    if (slot.has("Sequence")) {
      const JsonReader sequence(slot.at("Sequence"), slot.what());
      const std::string id = sequence.string("id");
      if (id != "A" && !(pair && id == "B")) {
        reader.fail(key, pair ? "only the sequences A and B" : "only the sequence A");
      }
      slots.push_back(text(id == "A" ? 0 : 1, type_id_from(sequence)));
    } else {
      const JsonReader token(slot.at("SpecialToken"), slot.what());
      const std::string name = token.string("id");
      const JsonReader specials(reader.at("special_tokens"), reader.what() + ".special_tokens");
      const JsonReader special(specials.at(name.c_str()), specials.what() + "." + name);
      if (!special.at("ids").is_array()) special.fail("ids", "a list of token ids");
      slots.push_back(tokens({}, type_id_from(token)));
      for (const Json& id : special.at("ids")) slots.back().ids.push_back(id_from(id, special, "ids"));
    }
    check_growth(slots, component.what());
  }
  return slots;
}

void add_template(Lists& lists, const PipelineComponent& component) {
  Parts pair;
  if (component.reader().has("pair")) pair = template_slots(component, "pair");
  if (pair.empty()) pair = {text(0, 0), text(1, 1)};
  fill(lists, template_slots(component, "single"), pair, component.what());
}

struct ClsSep {
  TokenId cls;
  TokenId sep;
};

// {"cls": ["[CLS]", 101], "sep": ["[SEP]", 102]}
ClsSep cls_and_sep(const PipelineComponent& component) {
  const auto id = [&](const char* key) {
    const Json& pair = component.reader().at(key);
    if (!pair.is_array() || pair.size() != 2) component.reader().fail(key, "[token, id]");
    return id_from(pair[1], component.reader(), key);
  };
  return {id("cls"), id("sep")};
}

void add_trim(Lists& lists, const PipelineComponent& component) {
  if (!component.reader().boolean("trim_offsets", true)) return;
  const bool prefix = component.reader().boolean("add_prefix_space", true);
  for (Parts* parts : {&lists.single[0], &lists.single[1], &lists.pair[0], &lists.pair[1]}) {
    const bool bare_pair = is_bare_pair(*parts);
    for (Part& part : *parts) {
      if (part.text()) part.trims.push_back({prefix, bare_pair || &part == &parts->front()});
    }
  }
}

// The same for Bert and Roberta: the reference implementation looks at the keys, not at the type.
void add_cls_sep_trim(Lists& lists, const PipelineComponent& component) {
  const JsonReader& reader = component.reader();
  const auto [cls, sep] = cls_and_sep(component);
  const bool roberta = reader.has("trim_offsets") && reader.has("add_prefix_space");
  if (!roberta) {
    // Without special tokens the type ids stay those of the two texts: 0 and 1.
    fill(lists, {tokens({cls}), text(0, 0), tokens({sep})},
         {tokens({cls}), text(0, 0), tokens({sep}), text(1, 1), tokens({sep}, 1)}, component.what());
    return;
  }
  add_trim(lists, component);
  fill(lists, {tokens({cls}), text(0, 0), tokens({sep})},
       {tokens({cls}), text(0, 0), tokens({sep, sep}), text(1, 0), tokens({sep})}, component.what());
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

PostProcessor::PostProcessor(std::vector<TokenId> before, std::vector<TokenId> after, int second_type_id) {
  const Part first = text(0, 0), second = text(1, second_type_id);
  lists_.single = {Parts{first}, Parts{tokens(before), first, tokens(after)}};
  lists_.pair = {Parts{first, second}, Parts{tokens(before), first, tokens(after), tokens(before, second_type_id),
                                             second, tokens(after, second_type_id)}};
}

size_t PostProcessor::added(bool add_special_tokens, bool pair) const {
  size_t count = 0;
  for (const Part& part : parts(add_special_tokens, pair)) count += part.ids.size();
  return count;
}

void PostProcessor::apply(std::vector<TokenId>& ids, bool add_special_tokens) const {
  std::vector<TokenId> result;
  for (const Part& part : parts(add_special_tokens)) {
    const std::vector<TokenId>& source = part.text() ? ids : part.ids;
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
  const Parts one{text(0, 0)}, two{text(0, 0), text(1, 1)};
  Lists lists{{one, one}, {two, two}};
  add_processor(lists, PipelineComponent(json, what));
  return PostProcessor(std::move(lists));
}

}  // namespace gptq::tokenizer
