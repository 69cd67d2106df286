// One small class for each post-processor type, and the table that builds them from JSON.
#include "text/post_processor.h"

#include <algorithm>
#include <map>

#include <gptq/error.h>

#include "text/component.h"

namespace gptq {

namespace {

using Made = std::unique_ptr<PostProcessor>;

class Chain : public PostProcessor {
 public:
  explicit Chain(std::vector<Made> parts) : parts_(std::move(parts)) {}
  void apply(std::vector<TokenId>& ids, bool add_special_tokens) const override {
    for (const auto& part : parts_) part->apply(ids, add_special_tokens);
  }
  void place(std::vector<TokenPlace>& places, bool add_special_tokens) const override {
    for (const auto& part : parts_) part->place(places, add_special_tokens);
  }

 private:
  std::vector<Made> parts_;
};

// A list of slots: the ids of the text, or ids of control tokens.
class Template : public PostProcessor {
 public:
  struct Slot {
    bool text = false;
    std::vector<TokenId> ids;
  };
  explicit Template(std::vector<Slot> slots) : slots_(std::move(slots)) {}
  void apply(std::vector<TokenId>& ids, bool add_special_tokens) const override {
    std::vector<TokenId> result;
    for (const Slot& slot : slots_) {
      const std::vector<TokenId>& source = slot.text ? ids : slot.ids;
      if (slot.text || add_special_tokens) result.insert(result.end(), source.begin(), source.end());
    }
    ids = std::move(result);
  }
  void place(std::vector<TokenPlace>& places, bool add_special_tokens) const override {
    std::vector<TokenPlace> result;
    for (const Slot& slot : slots_) {
      if (slot.text)
        result.insert(result.end(), places.begin(), places.end());
      else if (add_special_tokens)
        result.resize(result.size() + slot.ids.size());
    }
    places = std::move(result);
  }

 private:
  std::vector<Slot> slots_;
};

// Leaves white space at the ends of tokens out of their places.
class TrimPlaces : public PostProcessor {
 public:
  explicit TrimPlaces(bool add_prefix_space) : add_prefix_space_(add_prefix_space) {}
  void apply(std::vector<TokenId>&, bool) const override {}
  void place(std::vector<TokenPlace>& places, bool) const override {
    for (size_t i = 0; i < places.size(); ++i) {
      TokenPlace& place = places[i];
      // One space before the first token is taken for the one that the pre-tokenizer added.
      const bool own_space = (i == 0 || place.begin == 0) && add_prefix_space_ && place.leading == 1;
      if (place.leading > 0 && !own_space) place.begin = std::min(place.begin + place.leading, place.end);
      if (place.trailing > 0 && place.end >= place.trailing) {
        place.end = std::max(place.end - place.trailing, place.begin);
      }
    }
  }

 private:
  bool add_prefix_space_;
};

TokenId id_from(const Json& json, const JsonReader& reader, const char* key) {
  if (!json.is_number_integer() || json.get<int64_t>() < 0 || json.get<int64_t>() > INT32_MAX) {
    reader.fail(key, "token ids");
  }
  return static_cast<TokenId>(json.get<int64_t>());
}

Made make_template(const Component& component) {
  const JsonReader& reader = component.reader();
  const Json& single = reader.at("single");
  if (!single.is_array()) reader.fail("single", "a list");
  std::vector<Template::Slot> slots;
  for (const Json& item : single) {
    const JsonReader slot(item, reader.what() + ".single");
    if (slot.has("Sequence")) {
      const JsonReader sequence(slot.at("Sequence"), slot.what());
      if (sequence.string("id") != "A") reader.fail("single", "only the sequence A");
      slots.push_back({true, {}});
      continue;
    }
    const std::string name = JsonReader(slot.at("SpecialToken"), slot.what()).string("id");
    const JsonReader specials(reader.at("special_tokens"), reader.what() + ".special_tokens");
    const JsonReader special(specials.at(name.c_str()), specials.what() + "." + name);
    if (!special.at("ids").is_array()) special.fail("ids", "a list of token ids");
    Template::Slot tokens;
    for (const Json& id : special.at("ids")) tokens.ids.push_back(id_from(id, special, "ids"));
    slots.push_back(std::move(tokens));
  }
  return std::make_unique<Template>(std::move(slots));
}

// {"cls": ["[CLS]", 101], "sep": ["[SEP]", 102]}
Made make_cls_sep(const Component& component) {
  const auto id = [&](const char* key) {
    const Json& pair = component.reader().at(key);
    if (!pair.is_array() || pair.size() != 2) component.reader().fail(key, "[token, id]");
    return id_from(pair[1], component.reader(), key);
  };
  return make_frame({id("cls")}, {id("sep")});
}

Made make_trim(const Component& component) {
  std::vector<Made> parts;
  if (component.reader().boolean("trim_offsets", true)) {
    parts.push_back(std::make_unique<TrimPlaces>(component.reader().boolean("add_prefix_space", true)));
  }
  return std::make_unique<Chain>(std::move(parts));
}

Made make_roberta(const Component& component) {
  std::vector<Made> parts;
  parts.push_back(make_trim(component));
  parts.push_back(make_cls_sep(component));
  return std::make_unique<Chain>(std::move(parts));
}

Made make(const Component& component);

Made make_chain(const Component& component) {
  std::vector<Made> parts;
  for (const Component& part : component.parts("processors")) parts.push_back(make(part));
  return std::make_unique<Chain>(std::move(parts));
}

Made make(const Component& component) {
  using Maker = Made (*)(const Component&);
  static const std::map<std::string, Maker> kMakers = {
      {"Sequence", make_chain},
      {"TemplateProcessing", make_template},
      {"BertProcessing", make_cls_sep},
      {"RobertaProcessing", make_roberta},
      {"ByteLevel", make_trim},
  };
  return component.pick(kMakers)(component);
}

}  // namespace

std::unique_ptr<PostProcessor> make_post_processor(const Json& json, const std::string& what) {
  if (json.is_null()) return std::make_unique<Chain>(std::vector<Made>{});
  return make(Component(json, what));
}

std::unique_ptr<PostProcessor> make_frame(std::vector<TokenId> before, std::vector<TokenId> after) {
  std::vector<Template::Slot> slots;
  slots.push_back({false, std::move(before)});
  slots.push_back({true, {}});
  slots.push_back({false, std::move(after)});
  return std::make_unique<Template>(std::move(slots));
}

}  // namespace gptq
