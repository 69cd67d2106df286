// Batches: pairs of texts, truncation and its windows, places, and the vocabulary as data.
#include <gtest/gtest.h>

#include <gptq/batch_encoding.h>
#include <gptq/error.h>
#include <gptq/tokenizer.h>

#include "tests/tokenizer/make_tokenizer.h"

namespace gptq::tokenizer {
namespace {

using Ids = std::vector<TokenId>;

// Letters are tokens: a is 0 ... h is 7; <s> is 8 and </s> 9.
std::string letters(const std::string& post_processor, const std::string& parts = "") {
  return R"({"added_tokens":[{"id":8,"content":"<s>","special":true},{"id":9,"content":"</s>","special":true}],)" +
         parts + (post_processor.empty() ? "" : "\"post_processor\":" + post_processor + ",") +
         R"("model":{"type":"BPE","vocab":{"a":0,"b":1,"c":2,"d":3,"e":4,"f":5,"g":6,"h":7},"merges":[]}})";
}

const char* const kTemplate = R"({"type":"TemplateProcessing",
    "single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
    "pair":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}},
            {"SpecialToken":{"id":"</s>","type_id":2}},{"Sequence":{"id":"B","type_id":1}}],
    "special_tokens":{"<s>":{"id":"<s>","ids":[8],"tokens":["<s>"]},"</s>":{"id":"</s>","ids":[9],"tokens":["</s>"]}}})";

std::vector<int> type_ids(const EncodedText& text) {
  std::vector<int> all;
  for (const EncodedText::Run& run : text.runs) all.insert(all.end(), run.size, run.type_id);
  return all;
}

std::vector<int> sequences(const EncodedText& text) {
  std::vector<int> all;
  for (const EncodedText::Run& run : text.runs) all.insert(all.end(), run.size, run.sequence);
  return all;
}

EncodedText encode_pair(const Tokenizer& tokenizer, bool special = true) {
  EncodeOptions options;
  options.add_special_tokens = special;
  return encode_texts(tokenizer, {{"ab", "cde"}}, options).at(0);
}

std::vector<Ids> windows(const Tokenizer& tokenizer, const TextPair& input, const EncodeOptions& options) {
  std::vector<Ids> all;
  for (const EncodedText& window : encode_texts(tokenizer, {input}, options)) all.push_back(window.ids);
  return all;
}

EncodeOptions truncated(size_t max_length, Truncation how = Truncation::kLongestFirst) {
  EncodeOptions options;
  options.truncation = how;
  options.max_length = max_length;
  options.all_windows = true;
  return options;
}

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    return error.what();
  }
  return "";
}

TEST(BatchEncoding, PairsFollowTheTemplate) {
  const EncodedText text = encode_pair(make_tokenizer(letters(kTemplate)));
  EXPECT_EQ(text.ids, (Ids{8, 0, 1, 9, 2, 3, 4}));
  EXPECT_EQ(type_ids(text), (std::vector<int>{0, 0, 0, 2, 1, 1, 1}));
  EXPECT_EQ(sequences(text), (std::vector<int>{-1, 0, 0, -1, 1, 1, 1}));
  EXPECT_EQ(encode_pair(make_tokenizer(letters(kTemplate)), false).ids, (Ids{0, 1, 2, 3, 4}));
}

TEST(BatchEncoding, PairsOfOtherPostProcessors) {
  const std::string keys = R"("cls":["<s>",8],"sep":["</s>",9])";
  const EncodedText bert = encode_pair(make_tokenizer(letters(R"({"type":"BertProcessing",)" + keys + "}")));
  EXPECT_EQ(bert.ids, (Ids{8, 0, 1, 9, 2, 3, 4, 9}));
  EXPECT_EQ(type_ids(bert), (std::vector<int>{0, 0, 0, 0, 1, 1, 1, 1}));
  const EncodedText roberta = encode_pair(make_tokenizer(
      letters(R"({"type":"RobertaProcessing","trim_offsets":true,"add_prefix_space":false,)" + keys + "}")));
  EXPECT_EQ(roberta.ids, (Ids{8, 0, 1, 9, 9, 2, 3, 4, 9}));
  EXPECT_EQ(type_ids(roberta), std::vector<int>(9, 0));
  const EncodedText none = encode_pair(make_tokenizer(letters("")));
  EXPECT_EQ(none.ids, (Ids{0, 1, 2, 3, 4}));
  EXPECT_EQ(type_ids(none), (std::vector<int>{0, 0, 1, 1, 1}));
  const std::string config = R"({"bos_token":"<s>","eos_token":"</s>","add_bos_token":true,"add_eos_token":true})";
  const EncodedText frame = encode_pair(make_tokenizer(letters(""), config));
  EXPECT_EQ(frame.ids, (Ids{8, 0, 1, 9, 8, 2, 3, 4, 9}));
  EXPECT_EQ(type_ids(frame), (std::vector<int>{0, 0, 0, 0, 1, 1, 1, 1, 1}));
}

TEST(BatchEncoding, PairsWithoutADefinitionAreRefused) {
  const Tokenizer twice =
      make_tokenizer(letters(std::string(R"({"type":"Sequence","processors":[)") + kTemplate + "," + kTemplate + "]}"));
  EXPECT_EQ(twice.encode("a"), (Ids{8, 8, 0}));
  EXPECT_NE(refusal([&] { encode_pair(twice); }), "");
}

TEST(BatchEncoding, TruncatesASingleText) {
  const Tokenizer tokenizer = make_tokenizer(letters(kTemplate));
  EXPECT_EQ(windows(tokenizer, {"abcdefgh"}, truncated(4)), (std::vector<Ids>{{8, 0, 1, 2}, {8, 3, 4, 5}, {8, 6, 7}}));
  EncodeOptions options = truncated(4);
  options.stride = 1;
  EXPECT_EQ(windows(tokenizer, {"abcdef"}, options), (std::vector<Ids>{{8, 0, 1, 2}, {8, 2, 3, 4}, {8, 4, 5}}));
  options.truncate_left = true;
  EXPECT_EQ(windows(tokenizer, {"abcdef"}, options), (std::vector<Ids>{{8, 3, 4, 5}, {8, 1, 2, 3}, {8, 0, 1}}));
  options.all_windows = false;
  EXPECT_EQ(windows(tokenizer, {"abcdef"}, options), (std::vector<Ids>{{8, 3, 4, 5}}));
  EXPECT_EQ(windows(tokenizer, {"abc"}, truncated(4)), (std::vector<Ids>{{8, 0, 1, 2}}));
  EXPECT_EQ(windows(tokenizer, {"ab"}, truncated(1)), (std::vector<Ids>{{8}, {8, 0, 1}}));
}

TEST(BatchEncoding, TruncatesPairs) {
  const Tokenizer tokenizer = make_tokenizer(letters(""));
  const auto first = [&](const TextPair& input, const EncodeOptions& options) {
    return windows(tokenizer, input, options).front();
  };
  EXPECT_EQ(first({"ab", "cdefgh"}, truncated(6)), (Ids{0, 1, 2, 3, 4, 5}));  // the longer one
  EXPECT_EQ(first({"abcdef", "gh"}, truncated(6)), (Ids{0, 1, 2, 3, 6, 7}));  // on either side
  EXPECT_EQ(first({"abcd", "efgh"}, truncated(5)), (Ids{0, 1, 4, 5, 6}));     // both
  EXPECT_EQ(first({"abcd", "efgh"}, truncated(6, Truncation::kOnlyFirst)), (Ids{0, 1, 4, 5, 6, 7}));
  EXPECT_EQ(first({"abcd", "efgh"}, truncated(6, Truncation::kOnlySecond)), (Ids{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(windows(tokenizer, {"ab", "cdef"}, truncated(4, Truncation::kOnlySecond)),
            (std::vector<Ids>{{0, 1, 2, 3}, {0, 1, 4, 5}}));
}

TEST(BatchEncoding, RefusesWhatCannotBeTruncated) {
  const Tokenizer tokenizer = make_tokenizer(letters(kTemplate));
  const auto refused = [&](const TextPair& input, EncodeOptions options, size_t stride = 0) {
    options.stride = stride;
    return refusal([&] { encode_texts(tokenizer, {input}, options); });
  };
  EXPECT_NE(refused({"abc"}, truncated(0)).find("special tokens"), std::string::npos);
  EXPECT_NE(refused({"abc"}, truncated(3), 2).find("stride"), std::string::npos);
  EXPECT_NE(refused({"abc"}, truncated(2, Truncation::kOnlySecond)).find("second"), std::string::npos);
  EXPECT_NE(refused({"a", "bcdef"}, truncated(4, Truncation::kOnlyFirst)).find("longest_first"), std::string::npos);
}

TEST(BatchEncoding, PlacesNameWordsAndSpellings) {
  const Tokenizer tokenizer = make_tokenizer(letters(kTemplate, R"("pre_tokenizer":{"type":"Whitespace"},)"));
  EncodeOptions options;
  options.places = true;
  const EncodedText text = encode_texts(tokenizer, {{"ab c</s>d", "e"}}, options).at(0);
  EXPECT_EQ(text.ids, (Ids{8, 0, 1, 2, 9, 3, 9, 4}));
  EXPECT_EQ(text.words, (std::vector<int>{-1, 0, 0, 1, 2, 3, -1, 0}));
  using Offsets = std::vector<std::pair<size_t, size_t>>;
  EXPECT_EQ(text.offsets, (Offsets{{0, 0}, {0, 1}, {1, 2}, {3, 4}, {4, 8}, {8, 9}, {0, 0}, {0, 1}}));
  EXPECT_TRUE(text.spellings.empty());
  const Tokenizer wide = make_tokenizer(letters(""), R"({"added_tokens_decoder":{"10":{"content":"<w>","lstrip":true,
      "normalized":false}}})");
  EXPECT_EQ(encode_texts(wide, {{"a  <w>"}}, options).at(0).spellings, (std::map<size_t, std::string>{{1, "  <w>"}}));
}

TEST(BatchEncoding, ControlTokensCanBePlainText) {
  const std::string model = R"({"model":{"type":"BPE","vocab":{"<":0,"s":1,">":2},"merges":[]},
      "added_tokens":[{"id":3,"content":"<s>","special":true}]})";
  EncodeOptions options;
  options.plain_control_tokens = true;
  for (const bool places : {false, true}) {
    options.places = places;
    EXPECT_EQ(encode_texts(make_tokenizer(model), {{"<s>"}}, options).at(0).ids, (Ids{0, 1, 2}));
  }
}

TEST(BatchEncoding, ThreadsGiveWhatOneTextGives) {
  const Tokenizer tokenizer = Tokenizer::open(std::string(GPTQ_SOURCE_DIR) + "/models/demo");
  std::vector<std::string> texts;
  for (int i = 0; i < 3000; ++i)
    texts.push_back("Text number " + std::to_string(i * 7919) + " of this long list of texts.");
  std::vector<TextPair> inputs;
  for (const std::string& text : texts) inputs.push_back({text});
  EncodeOptions options;
  options.threads = 4;
  const std::vector<EncodedText> encoded = encode_texts(tokenizer, inputs, options);
  ASSERT_EQ(encoded.size(), texts.size());
  std::vector<Ids> lists;
  for (size_t i = 0; i < texts.size(); ++i) {
    ASSERT_EQ(encoded[i].ids, tokenizer.encode(texts[i]));
    ASSERT_EQ(encoded[i].input, i);
    lists.push_back(encoded[i].ids);
  }
  EXPECT_EQ(decode_texts(tokenizer, lists, true, false, 4), texts);
  EXPECT_TRUE(encode_texts(tokenizer, {}).empty());
  EXPECT_EQ(special_tokens_added(tokenizer), 1u);
  EXPECT_EQ(special_tokens_added(tokenizer, true), 2u);
}

TEST(BatchEncoding, VocabularyAsData) {
  const Tokenizer tokenizer = make_tokenizer(letters(kTemplate), R"({"bos_token":"<s>","pad_token":"</s>"})");
  EXPECT_EQ(tokenizer.model_type(), "BPE");
  EXPECT_EQ(tokenizer.model_size(), 8);
  EXPECT_EQ(tokenizer.vocabulary().size(), 10u);
  EXPECT_EQ(tokenizer.vocabulary().at("</s>"), 9);
  ASSERT_EQ(tokenizer.added_tokens().size(), 2u);
  EXPECT_EQ(tokenizer.added_tokens()[1].content, "</s>");
  EXPECT_TRUE(tokenizer.added_tokens()[1].special);
  EXPECT_EQ(tokenizer.named_tokens().at("pad_token"), "</s>");
  EXPECT_EQ(tokenizer.join({"a", "x"}), "a x");  // as without a decoder
}

TEST(BatchEncoding, MoreTokensFollowThoseOfTheFiles) {
  const std::string folder = std::string(GPTQ_SOURCE_DIR) + "/models/demo";
  AddedToken think{-1, "<think>"}, pad{-1, "[PAD]"}, end{-1, "</s>"};
  pad.special = end.special = true;
  const Tokenizer tokenizer = Tokenizer::open(folder, {pad, think, end});
  EXPECT_EQ(tokenizer.id_of("[PAD]"), 4096);
  EXPECT_EQ(tokenizer.id_of("<think>"), 4097);
  EXPECT_EQ(tokenizer.id_of("</s>"), 2);
  EXPECT_EQ(tokenizer.vocab_size(), 4098);
  EXPECT_EQ(tokenizer.encode("<think>[PAD]", false), (Ids{4097, 4096}));
  EXPECT_EQ(tokenizer.decode({4097, 4096}), "<think>");
}

}  // namespace
}  // namespace gptq::tokenizer
