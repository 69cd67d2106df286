// One small class for each normalizer type, and the table that builds them from JSON.
#include "text/normalizer.h"

#include <functional>
#include <map>
#include <vector>

#include <gptq/error.h>

#include "text/byte_level.h"
#include "text/component.h"
#include "text/pattern.h"
#include "text/unicode.h"

namespace gptq {

namespace {

class Chain : public Normalizer {
 public:
  explicit Chain(std::vector<std::unique_ptr<Normalizer>> parts) : parts_(std::move(parts)) {}
  void apply(MarkedText& text) const override {
    for (const auto& part : parts_) part->apply(text);
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> parts_;
};

class ToNormalForm : public Normalizer {
 public:
  explicit ToNormalForm(NormalForm form) : form_(form) {}

  // An ASCII character never joins with what stands before it, so the text may be treated in stretches that
  // begin with one; pure ASCII stays as it is.
  void apply(MarkedText& text) const override {
    Rewriter out(text);
    const std::string& all = text.text;
    const auto ascii = [&](size_t index) { return static_cast<unsigned char>(all[index]) < 0x80; };
    for (size_t begin = 0; begin < all.size();) {
      size_t plain = begin;
      while (plain < all.size() && ascii(plain)) ++plain;
      size_t end = plain;
      while (end < all.size() && !ascii(end)) ++end;
      const size_t joining = plain > begin && end > plain ? plain - 1 : plain;  // the last ASCII one may take a mark
      out.keep(begin, joining);
      const std::string_view stretch = std::string_view(all).substr(joining, end - joining);
      const std::string changed = to_normal_form(stretch, form_);
      if (changed == stretch)
        out.keep(joining, end);
      else
        out.replace(joining, end, changed);
      begin = end;
    }
    out.finish();
  }

 private:
  NormalForm form_;
};

class Prepend : public Normalizer {
 public:
  explicit Prepend(std::string prefix) : prefix_(std::move(prefix)) {}
  void apply(MarkedText& text) const override {
    if (text.text.empty()) return;
    text.text.insert(0, prefix_);
    text.front_removed = false;
    if (!text.marks.empty()) text.marks.insert(0, prefix_.size(), '\0');
  }

 private:
  std::string prefix_;
};

class Replace : public Normalizer {
 public:
  Replace(TextPattern pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void apply(MarkedText& text) const override {
    Rewriter out(text);
    for (const Stretch& stretch : pattern_.cut(text.text)) {
      if (stretch.match)
        out.replace(stretch.begin, stretch.end, content_);
      else
        out.keep(stretch.begin, stretch.end);
    }
    out.finish();
  }

 private:
  TextPattern pattern_;
  std::string content_;
};

// Each character by itself becomes zero or more characters.
class EachChar : public Normalizer {
 public:
  using Rule = void (*)(std::string& out, char32_t code);
  explicit EachChar(Rule rule) : rule_(rule) {}
  void apply(MarkedText& text) const override {
    Rewriter out(text);
    std::string content;
    for (size_t position = 0; position < text.text.size();) {
      const size_t begin = position;
      content.clear();
      rule_(content, next_char(text.text, position));
      out.replace(begin, position, content);
    }
    out.finish();
  }

 private:
  Rule rule_;
};

class StripEnds : public Normalizer {
 public:
  StripEnds(bool left, bool right) : left_(left), right_(right) {}
  void apply(MarkedText& text) const override {
    const std::string& all = text.text;
    size_t begin = 0, end = all.size();
    if (left_) begin = space_run_end(all, 0);
    if (right_ && begin < end) end = space_run_begin(all, end);
    const bool front_removed = text.front_removed || begin > 0;
    text = text.substr(begin, end - begin);
    text.front_removed = front_removed;
  }

 private:
  bool left_;
  bool right_;
};

class MapBytes : public Normalizer {
 public:
  void apply(MarkedText& text) const override {
    Rewriter out(text);
    for (size_t i = 0; i < text.text.size(); ++i) {
      out.replace(i, i + 1, byte_alphabet(static_cast<unsigned char>(text.text[i])));
    }
    out.finish();
  }
};

std::unique_ptr<Normalizer> make(const Component& component);

std::unique_ptr<Normalizer> make_chain(const Component& component) {
  std::vector<std::unique_ptr<Normalizer>> parts;
  for (const Component& part : component.parts("normalizers")) parts.push_back(make(part));
  return std::make_unique<Chain>(std::move(parts));
}

template <NormalForm kForm>
std::unique_ptr<Normalizer> make_form(const Component&) {
  return std::make_unique<ToNormalForm>(kForm);
}

std::unique_ptr<Normalizer> make(const Component& component) {
  using Maker = std::unique_ptr<Normalizer> (*)(const Component&);
  static const std::map<std::string, Maker> kMakers = {
      {"Sequence", make_chain},
      {"NFC", make_form<NormalForm::kNfc>},
      {"NFD", make_form<NormalForm::kNfd>},
      {"NFKC", make_form<NormalForm::kNfkc>},
      {"NFKD", make_form<NormalForm::kNfkd>},
      {"Prepend",
       [](const Component& c) -> std::unique_ptr<Normalizer> {
         return std::make_unique<Prepend>(c.reader().string("prepend"));
       }},
      {"Replace",
       [](const Component& c) -> std::unique_ptr<Normalizer> {
         return std::make_unique<Replace>(TextPattern::from_json(c.reader().at("pattern"), c.what()),
                                          c.reader().string("content"));
       }},
      {"Lowercase",
       [](const Component&) -> std::unique_ptr<Normalizer> { return std::make_unique<EachChar>(append_lowercase); }},
      {"Strip",
       [](const Component& c) -> std::unique_ptr<Normalizer> {
         return std::make_unique<StripEnds>(c.reader().boolean("strip_left", true),
                                            c.reader().boolean("strip_right", true));
       }},
      {"StripAccents",
       [](const Component&) -> std::unique_ptr<Normalizer> {
         return std::make_unique<EachChar>([](std::string& out, char32_t code) {
           if (!is_nonspacing_mark(code)) append_utf8(out, code);
         });
       }},
      {"ByteLevel", [](const Component&) -> std::unique_ptr<Normalizer> { return std::make_unique<MapBytes>(); }},
  };
  return component.pick(kMakers)(component);
}

}  // namespace

std::unique_ptr<Normalizer> make_normalizer(const Json& json, const std::string& what) {
  if (json.is_null()) return std::make_unique<Chain>(std::vector<std::unique_ptr<Normalizer>>{});
  return make(Component(json, what));
}

}  // namespace gptq
