// Limits of JSON from the network, and the memory that malicious text costs.
#include "hub/http/reply.h"
#include "core/json.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include <gptq/error.h>

namespace gptq::hub {

namespace {

std::string error_of_parsing(const std::string& text, size_t max_values = kMaxValues) {
  try {
    parse_reply(text, "the answer", max_values);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kVerification);
    return error.what();
  }
  return "";
}

std::string repeated(const std::string& part, size_t times) {
  std::string text;
  text.reserve(part.size() * times);
  for (size_t i = 0; i < times; ++i) text += part;
  return text;
}

// The largest resident size of a child that runs `work`, in bytes; -1 when it did not end well.
int64_t peak_of(const std::function<void()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    work();
    ::_exit(0);
  }
  int status = 0;
  rusage usage{};
  ::wait4(child, &status, 0, &usage);
  return status == 0 ? int64_t{usage.ru_maxrss} * 1024 : -1;
}

TEST(Reply, OrdinaryOnesAreParsed) {
  const Json json = parse_reply(R"({"a": [1, {"b": "}{][,:\"\\"}], "c": null})", "x");
  EXPECT_EQ(json["a"][1]["b"], "}{][,:\"\\");
  EXPECT_TRUE(reply_or_null("<html>").is_null());
  EXPECT_TRUE(reply_or_null("").is_null());
  EXPECT_EQ(reply_or_null("[1]").size(), 1u);
  EXPECT_NE(error_of_parsing("{"), "");
}

TEST(Reply, DepthAndNumberAreBounded) {
  EXPECT_EQ(error_of_parsing(repeated("[", 32) + repeated("]", 32)), "");
  EXPECT_NE(
      error_of_parsing(repeated("[", 33) + repeated("]", 33)).find("the answer: found JSON nested deeper than 32"),
      std::string::npos);
  EXPECT_EQ(error_of_parsing("[" + repeated("1,", 90) + "1]", 100), "");
  EXPECT_NE(error_of_parsing("[" + repeated("1,", 110) + "1]", 100).find("more than 100 JSON values"),
            std::string::npos);
  EXPECT_EQ(error_of_parsing("[\"" + repeated("[,:{", 110) + "\"]", 100), "") << "inside of a string";
  EXPECT_TRUE(reply_or_null(repeated("[", 1000)).is_null());
}

TEST(Reply, HostileTextCostsNoMemoryBeyondItself) {
#ifdef GPTQ_SANITIZED
  GTEST_SKIP() << "sanitizers keep memory that was given back";
#endif
  constexpr size_t kText = 20'000'000;
  const int64_t nothing = peak_of([] {});
  ASSERT_GT(nothing, 0);
  for (const std::string part : {"[", "[],", "{},", "{\"a\":", "0,"}) {
    const int64_t peak = peak_of([&] {
      if (error_of_parsing("[" + repeated(part, kText / part.size()), kMaxListingValues).empty()) ::_exit(1);
    });
    ASSERT_GT(peak, 0) << part;
    EXPECT_LT(peak - nothing, 3 * static_cast<int64_t>(kText)) << part;
  }
  // The largest that is accepted: three values and keys a piece.
  const std::string text = "[" + repeated("{\"a\":0},", kMaxListingValues / 3 - 1) + "0]";
  const int64_t peak = peak_of([&] {
    if (!error_of_parsing(text, kMaxListingValues).empty()) ::_exit(1);
  });
  ASSERT_GT(peak, 0);
  EXPECT_LT(peak - nothing, int64_t{500} << 20);
}

}  // namespace

}  // namespace gptq::hub
