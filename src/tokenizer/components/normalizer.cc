// One small class per normalizer type, and the table that builds them from JSON.
#include "tokenizer/components/normalizer.h"

#include <functional>
#include <map>
#include <vector>

#include <gptq/error.h>

#include "core/json.h"
#include "tokenizer/components/base64.h"
#include "tokenizer/components/byte_level.h"
#include "tokenizer/components/charsmap.h"
#include "tokenizer/components/pipeline_component.h"
#include "tokenizer/components/text_pattern.h"
#include "unicode/char_tables.h"
#include "unicode/characters.h"

namespace gptq::tokenizer {

namespace {

class NormalizerSequence : public Normalizer {
 public:
  explicit NormalizerSequence(std::vector<std::unique_ptr<Normalizer>> parts) : parts_(std::move(parts)) {}
  void rewrite(AlignedText& text, TextBudget& budget) const override {
    for (const auto& part : parts_) part->apply(text, budget);
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> parts_;
};

class ToNormalForm : public Normalizer {
 public:
  explicit ToNormalForm(unicode::NormalForm form) : form_(form) {}

  // An ASCII character never composes with the character before it, so the text may be processed in segments that begin
  // with one; pure ASCII does not change.
  void rewrite(AlignedText& text, TextBudget& budget) const override {
    Rewriter out(text, budget);
    const std::string& all = text.text;
    const auto ascii = [&](size_t index) { return static_cast<unsigned char>(all[index]) < 0x80; };
    for (size_t begin = 0; begin < all.size();) {
      size_t plain = begin;
      while (plain < all.size() && ascii(plain)) ++plain;
      size_t end = plain;
      while (end < all.size() && !ascii(end)) ++end;
      // the last ASCII character may compose with a mark
      const size_t joining = plain > begin && end > plain ? plain - 1 : plain;
      out.keep(begin, joining);
      const std::string_view stretch = std::string_view(all).substr(joining, end - joining);
      if (joining < end) {
        const std::vector<unicode::ChangedChar> changed = unicode::normal_form_changes(stretch, form_);
        if (spells(changed, stretch))
          out.keep(joining, end);
        else
          out.change(joining, end, changed);
      }
      begin = end;
    }
    out.finish();
  }

 private:
  static bool spells(const std::vector<unicode::ChangedChar>& chars, std::string_view text) {
    size_t position = 0;
    for (const unicode::ChangedChar& c : chars) {
      if (c.change != 0 || position >= text.size() || next_char(text, position) != c.code) return false;
    }
    return position == text.size();
  }

  unicode::NormalForm form_;
};

class Prepend : public Normalizer {
 public:
  explicit Prepend(std::string prefix) : prefix_(std::move(prefix)) {}
  void rewrite(AlignedText& text, TextBudget& budget) const override {
    if (text.text.empty()) return;
    budget.rewrite(0, prefix_.size());
    text.text.insert(0, prefix_);
    if (!text.marks.empty()) text.marks.insert(0, prefix_.size(), '\0');
    if (text.start_size > 0) text.start_size += prefix_.size();
    if (!text.origins.empty()) text.origins.insert(text.origins.begin(), prefix_.size(), text.origins[0]);
  }

 private:
  std::string prefix_;
};

class ReplaceNormalizer : public Normalizer {
 public:
  ReplaceNormalizer(TextPattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void rewrite(AlignedText& text, TextBudget& budget) const override {
    Rewriter out(text, budget);
    pattern_.cut(text.text, [&](const Segment& stretch) {
      if (stretch.match)
        out.replace(stretch.begin, stretch.end, content_);
      else
        out.keep(stretch.begin, stretch.end);
    });
    out.finish();
  }

 private:
  TextPattern pattern_;
  std::string content_;
};

// Replaces each character by zero or more characters.
class EachChar : public Normalizer {
 public:
  using Rule = void (*)(std::string& out, char32_t code);
  explicit EachChar(Rule rule) : rule_(rule) {}
  void rewrite(AlignedText& text, TextBudget& budget) const override {
    Rewriter out(text, budget);
    std::string content;
    for (size_t position = 0; position < text.text.size();) {
      const size_t begin = position;
      content.clear();
      rule_(content, next_char(text.text, position));
      out.map(begin, position, content);
    }
    out.finish();
  }

 private:
  Rule rule_;
};

class StripEnds : public Normalizer {
 public:
  StripEnds(bool left, bool right) : left_(left), right_(right) {}
  void rewrite(AlignedText& text, TextBudget&) const override {
    const std::string& all = text.text;
    size_t begin = 0, end = all.size();
    if (left_) begin = unicode::space_run_end(all, 0);
    if (right_ && begin < end) end = unicode::space_run_begin(all, end);
    text = text.substr(begin, end - begin);
  }

 private:
  bool left_;
  bool right_;
};

class MapBytes : public Normalizer {
 public:
  void rewrite(AlignedText& text, TextBudget& budget) const override {
    Rewriter out(text, budget);
    for (size_t i = 0; i < text.text.size(); ++i) {
      out.map(i, i + 1, byte_alphabet(static_cast<unsigned char>(text.text[i])));
    }
    out.finish();
  }
};

// Clusters of up to five bytes are looked up as a whole, then characters one by one.
class Precompiled : public Normalizer {
 public:
  explicit Precompiled(Charsmap charsmap) : charsmap_(std::move(charsmap)) {}
  void rewrite(AlignedText& text, TextBudget& budget) const override {
    std::vector<unicode::ChangedChar> chars;
    bool changed = false;
    size_t replaced = 0;  // bytes of replacements
    const std::string_view all = text.text;
    for (size_t begin = 0; begin < all.size();) {
      const size_t end = unicode::grapheme_end(all, begin);
      constexpr size_t kMaxClusterBytes = 5;
      const std::string_view cluster = all.substr(begin, end - begin);
      if (cluster.size() <= kMaxClusterBytes) {
        if (const auto found = charsmap_.find(cluster)) {
          budget.check(replaced += found->size());
          put(chars, count_chars(cluster), *found);
          changed = true;
          begin = end;
          continue;
        }
      }
      for (; begin < end;) {
        size_t after = begin;
        const char32_t code = next_char(all, after);
        if (const auto found = charsmap_.find(all.substr(begin, after - begin))) {
          budget.check(replaced += found->size());
          put(chars, 1, *found);
          changed = true;
        } else {
          chars.push_back({code, 0});
        }
        begin = after;
      }
    }
    if (!changed) return;
    Rewriter out(text, budget);
    out.change(0, all.size(), chars);
    out.finish();
  }

 private:
  // Excess characters are added ones; missing ones were removed after the last one.
  static void put(std::vector<unicode::ChangedChar>& chars, size_t old_count, std::string_view content) {
    size_t count = 0;
    for (size_t position = 0; position < content.size(); ++count) {
      chars.push_back({next_char(content, position), count < old_count ? 0 : 1});
    }
    if (count < old_count && !chars.empty()) chars.back().change -= static_cast<int>(old_count - count);
  }

  Charsmap charsmap_;
};

bool is_chinese(char32_t code) {
  return (code >= 0x4E00 && code <= 0x9FFF) || (code >= 0x3400 && code <= 0x4DBF) ||
         (code >= 0x20000 && code <= 0x2A6DF) || (code >= 0x2A700 && code <= 0x2B73F) ||
         (code >= 0x2B740 && code <= 0x2B81F) || (code >= 0x2B920 && code <= 0x2CEAF) ||
         (code >= 0xF900 && code <= 0xFAFF) || (code >= 0x2F800 && code <= 0x2FA1F);
}

void lower(std::string& out, char32_t code) {
  if (code == 0x130) {  // the only character whose lower case is two characters
    out += "i\xCC\x87";
    return;
  }
  const unicode::LowercaseRange* range = unicode::range_of(unicode::kLowercaseRanges, code);
  append_utf8(out, range == nullptr ? code : static_cast<char32_t>(static_cast<int>(code) + range->distance));
}

void clean_for_bert(std::string& out, char32_t code) {
  if (unicode::kBertControlChars.has(code)) return;
  append_utf8(out, unicode::is_whitespace(code) ? U' ' : code);
}

void space_chinese(std::string& out, char32_t code) {
  if (is_chinese(code)) out += ' ';
  append_utf8(out, code);
  if (is_chinese(code)) out += ' ';
}

template <const unicode::CharClass& kClass>
void drop(std::string& out, char32_t code) {
  if (!kClass.has(code)) append_utf8(out, code);
}

void clean_for_nmt(std::string& out, char32_t code) {
  if ((code >= 0x01 && code <= 0x08) || code == 0x0B || (code >= 0x0E && code <= 0x1F) || code == 0x7F ||
      code == 0x8F || code == 0x9F) {
    return;
  }
  const bool space = code == 0x09 || code == 0x0A || code == 0x0C || code == 0x0D || code == 0x1680 ||
                     (code >= 0x200B && code <= 0x200F) || code == 0x2028 || code == 0x2029 || code == 0x2581 ||
                     code == 0xFEFF || code == 0xFFFD;
  append_utf8(out, space ? U' ' : code);
}

std::unique_ptr<Normalizer> normalizer_from(const PipelineComponent& component);

std::unique_ptr<Normalizer> make_normalizer_sequence(const PipelineComponent& component) {
  std::vector<std::unique_ptr<Normalizer>> parts;
  for (const PipelineComponent& part : component.parts("normalizers")) parts.push_back(normalizer_from(part));
  return std::make_unique<NormalizerSequence>(std::move(parts));
}

template <EachChar::Rule kRule>
std::unique_ptr<Normalizer> make_rule(const PipelineComponent&) {
  return std::make_unique<EachChar>(kRule);
}

std::unique_ptr<Normalizer> make_precompiled(const PipelineComponent& component) {
  const std::optional<std::string> bytes = decode_base64(component.reader().string("precompiled_charsmap"));
  if (!bytes) component.reader().fail("precompiled_charsmap", "base64");
  return std::make_unique<Precompiled>(Charsmap(*bytes, component.what()));
}

std::unique_ptr<Normalizer> make_bert(const PipelineComponent& component) {
  const JsonReader& reader = component.reader();
  const bool lowercase = reader.boolean("lowercase", true);
  std::vector<std::unique_ptr<Normalizer>> parts;
  if (reader.boolean("clean_text", true)) parts.push_back(std::make_unique<EachChar>(clean_for_bert));
  if (reader.boolean("handle_chinese_chars", true)) parts.push_back(std::make_unique<EachChar>(space_chinese));
  if (reader.boolean("strip_accents", lowercase)) {
    parts.push_back(std::make_unique<ToNormalForm>(unicode::NormalForm::kNfd));
    parts.push_back(std::make_unique<EachChar>(drop<unicode::kBertMarkChars>));
  }
  if (lowercase) parts.push_back(std::make_unique<EachChar>(lower));
  return std::make_unique<NormalizerSequence>(std::move(parts));
}

template <unicode::NormalForm kForm>
std::unique_ptr<Normalizer> make_form(const PipelineComponent&) {
  return std::make_unique<ToNormalForm>(kForm);
}

std::unique_ptr<Normalizer> normalizer_from(const PipelineComponent& component) {
  using Maker = std::unique_ptr<Normalizer> (*)(const PipelineComponent&);
  static const std::map<std::string, Maker> kMakers = {
      {"Sequence", make_normalizer_sequence},
      {"NFC", make_form<unicode::NormalForm::kNfc>},
      {"NFD", make_form<unicode::NormalForm::kNfd>},
      {"NFKC", make_form<unicode::NormalForm::kNfkc>},
      {"NFKD", make_form<unicode::NormalForm::kNfkd>},
      {"Prepend",
       [](const PipelineComponent& c) -> std::unique_ptr<Normalizer> {
         return std::make_unique<Prepend>(c.reader().string("prepend"));
       }},
      {"Replace",
       [](const PipelineComponent& c) -> std::unique_ptr<Normalizer> {
         return std::make_unique<ReplaceNormalizer>(TextPattern::from_json(c.reader().at("pattern"), c.what()),
                                                    c.reader().string("content"));
       }},
      {"Lowercase", make_rule<lower>},
      {"Nmt", make_rule<clean_for_nmt>},
      {"StripAccents", make_rule<drop<unicode::kMarkChars>>},
      {"Precompiled", make_precompiled},
      {"BertNormalizer", make_bert},
      {"Strip",
       [](const PipelineComponent& c) -> std::unique_ptr<Normalizer> {
         return std::make_unique<StripEnds>(c.reader().boolean("strip_left", true),
                                            c.reader().boolean("strip_right", true));
       }},
      {"ByteLevel",
       [](const PipelineComponent&) -> std::unique_ptr<Normalizer> { return std::make_unique<MapBytes>(); }},
  };
  static const std::vector<TypeByKeys> kUntyped = {
      {"BertNormalizer", {"clean_text", "handle_chinese_chars", "lowercase"}},
      {"Strip", {"strip_left", "strip_right"}},
      {"Sequence", {"normalizers"}},
      {"Precompiled", {"precompiled_charsmap"}},
      {"Replace", {"pattern", "content"}},
      {"Prepend", {"prepend"}}};
  std::unique_ptr<Normalizer> made = component.pick(kMakers, kUntyped)(component);
  made->place = component.what();
  return made;
}

}  // namespace

std::unique_ptr<Normalizer> make_normalizer(const Json& json, const std::string& what) {
  if (json.is_null()) return std::make_unique<NormalizerSequence>(std::vector<std::unique_ptr<Normalizer>>{});
  return normalizer_from(PipelineComponent(json, what));
}

}  // namespace gptq::tokenizer
