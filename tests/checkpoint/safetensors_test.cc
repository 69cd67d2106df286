// safetensors: byte-identical to the reference writer, and every rule of the format enforced on reading.
#include "checkpoint/safetensors.h"

#include <sys/resource.h>

#include "tests/checkpoint/model_files.h"

namespace gptq::checkpoint {
namespace {

using testing::bytes_of;
using testing::expect_error;
using testing::golden;
using testing::raw_file;
using testing::TempFolder;

TEST(Safetensors, WritesTheReferenceBytes) {
  for (const char* name : {"types_and_names", "packed_module", "no_metadata", "no_tensors"}) {
    const fs::path path = golden("safetensors/" + std::string(name) + ".safetensors");
    const SafetensorsFile file(path);
    std::map<std::string, TensorView> tensors;
    for (const auto& [tensor, entry] : file.header().tensors) tensors.emplace(tensor, file.tensor(tensor));
    EXPECT_EQ(safetensors_bytes(tensors, file.header().metadata), read_file(path)) << name;
  }
}

TEST(Safetensors, ReadsTheReferenceFile) {
  const SafetensorsFile file(golden("safetensors/types_and_names.safetensors"));
  EXPECT_EQ(file.header().metadata.at("format"), "pt");
  EXPECT_EQ(file.header().tensors.size(), 27u);
  EXPECT_EQ(file.tensor("scalar").shape, Shape{});
  EXPECT_EQ(file.tensor("scalar").bytes(), 4u);
  EXPECT_EQ(file.tensor("empty").shape, (Shape{0, 7}));
  EXPECT_TRUE(file.contains("größe.重み.🙂"));
  EXPECT_TRUE(file.contains("tab\tnew\nline\x01\x1f\x7f"));
  const TensorView view = file.tensor("t.bfloat16");
  EXPECT_EQ(view.dtype, DType::kBF16);
  for (size_t i = 1; i < view.bytes(); ++i) {
    EXPECT_EQ((static_cast<int>(view.data[i]) - static_cast<int>(view.data[i - 1]) + 251) % 251, 17);
  }
}

TEST(Safetensors, HeaderIsPaddedToEight) {
  for (size_t length = 1; length < 20; ++length) {
    const std::string bytes = safetensors_header_bytes({{std::string(length, 'x'), DType::kU8, {1}}}, {});
    EXPECT_EQ(bytes.size() % 8, 0u);
    EXPECT_NO_THROW(parse_safetensors_header(bytes_of(bytes + "."), "x"));
  }
}

TEST(Safetensors, OneHeaderOfEveryKindOfDamage) {
  struct Case {
    std::string file, complaint;
  };
  const std::string one = R"({"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})";
  const auto with = [](const std::string& entry) { return raw_file("{\"x\":" + entry + "}", "abcd"); };
  const std::vector<Case> cases = {
      {"", "at least the 8"},
      {"1234567", "at least the 8"},
      {std::string("\xff\xff\xff\xff\xff\xff\xff\xff", 8), "header length is"},
      {std::string("\x01\xe1\xf5\x05\0\0\0\0", 8), "header length is 100000001"},
      {std::string("\x10\0\0\0\0\0\0\0{}", 10), "has only 10 bytes"},
      {raw_file(""), "does not begin with '{'"},
      {raw_file(" {}"), "does not begin with '{'"},
      {raw_file("[]"), "does not begin with '{'"},
      {raw_file("{"), "JSON"},
      {raw_file("{}x"), "JSON"},
      {raw_file(std::string("{}\0", 3)), "JSON"},
      {raw_file("{\"\xff\":1}"), "JSON"},
      {raw_file("{\"\xc0\xaf\":1}"), "JSON"},
      {raw_file("{\"a\":" + std::string(600, '[') + std::string(600, ']') + "}"), "not an object"},
      {with("{\"a\":" + std::string(600, '[') + std::string(600, ']') + "}"), "nesting"},
      {with("{\"shape\":[" + std::string(600, '[') + std::string(600, ']') + "]}"), "whole numbers"},
      {with(R"({"dtype":"U8","shape":[)" + std::string(200, '1') + R"(],"data_offsets":[0,4]})"), "whole numbers"},
      {with(R"({"dtype":"U8","shape":{},"data_offsets":[0,4]})"), "not a list"},
      {with(R"({"dtype":["U8"],"shape":[4],"data_offsets":[0,4]})"), "not a string"},
      {with(R"({"dtype":"U8","shape":[4],"data_offsets":[0,4,4]})"), "data_offsets"},
      {with(R"({"dtype":"U8","shape":[4],"data_offsets":[0]})"), "data_offsets"},
      {raw_file(R"({"__metadata__":{},"__metadata__":{}})"), "twice"},
      {raw_file(R"({"__metadata__":{"a":"","a":""}})"), "twice"},
      {raw_file("{\"x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},"
                "\"x\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
                "abcd"),
       "twice"},
      {with(R"({"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]})"), "twice"},
      {with("1"), "not an object"},
      {with("null"), "not an object"},
      {with(R"({"shape":[4],"data_offsets":[0,4]})"), "no \"dtype\""},
      {with(R"({"dtype":"U8","data_offsets":[0,4]})"), "no \"shape\""},
      {with(R"({"dtype":"U8","shape":[4]})"), "no \"data_offsets\""},
      {with(R"({"dtype":8,"shape":[4],"data_offsets":[0,4]})"), "\"dtype\""},
      {with(R"({"dtype":"U8","shape":4,"data_offsets":[0,4]})"), "\"shape\""},
      {with(R"({"dtype":"U8","shape":[4.0],"data_offsets":[0,4]})"), "\"shape\""},
      {with(R"({"dtype":"U8","shape":[-4],"data_offsets":[0,4]})"), "\"shape\""},
      {with(R"({"dtype":"U8","shape":["4"],"data_offsets":[0,4]})"), "\"shape\""},
      {with(R"({"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,4]})"), "\"shape\""},
      {with(R"({"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,4]})"), "\"shape\""},
      {with(R"({"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,4]})"), "overflow"},
      {with(R"({"dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,4]})"), "overflow"},
      {with(R"({"dtype":"U8","shape":[2,9223372036854775807],"data_offsets":[0,4]})"), "overflow"},
      {with(R"({"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]})"), "does not fit"},
      {with(R"({"dtype":"U8","shape":[4],"data_offsets":[0]})"), "data_offsets"},
      {with(R"({"dtype":"U8","shape":[4],"data_offsets":[0,4,4]})"), "data_offsets"},
      {with(R"({"dtype":"U8","shape":[4],"data_offsets":[-1,3]})"), "data_offsets"},
      {with(R"({"dtype":"U8","shape":[4],"data_offsets":[0,4.5]})"), "data_offsets"},
      {with(R"({"dtype":"U8","shape":[4],"data_offsets":[4,0]})"), "ends before"},
      {with(R"({"dtype":"U8","shape":[3],"data_offsets":[0,4]})"), "does not fit"},
      {with(R"({"dtype":"F16","shape":[4],"data_offsets":[0,4]})"), "does not fit"},
      {with(R"({"dtype":"F5","shape":[40],"data_offsets":[0,4]})"), "too short"},
      {with(R"({"dtype":"U8","shape":[4],"data_offsets":[1,5]})"), "a hole"},
      {raw_file(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                R"("b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}})",
                "abcd"),
       "a hole"},
      {raw_file(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},)"
                R"("b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
                "abcd"),
       "an overlap"},
      {raw_file(one, "abc"), "cut short"},
      {raw_file(one, "abcde"), "trailing bytes"},
      {raw_file("{}", "a"), "trailing bytes"},
      {raw_file(R"({"__metadata__":[]})"), "__metadata__"},
      {raw_file(R"({"__metadata__":{"format":1}})"), "not a string"},
      {"version https://git-lfs/spec/v1\nsize 1\n", "git lfs pull"},
  };
  for (const Case& item : cases) {
    expect_error(ErrorKind::kVerification, {"folder/weights.safetensors", item.complaint},
                 [&] { parse_safetensors_header(bytes_of(item.file), "folder/weights.safetensors"); });
  }
}

// A header of 100 MB names whatever it likes; reading it must take neither gigabytes nor a minute.
TEST(Safetensors, HostileHeadersAreRefusedEarly) {
  const auto header_of = [](const std::string& start, const std::string& item, size_t bytes) {
    std::string text = start;
    for (size_t i = 0; text.size() < bytes; ++i) {
      std::string number = std::to_string(i);
      text += item.substr(0, item.find('#')) + number + item.substr(item.find('#') + 1);
    }
    return text;
  };
  const std::string entry = R"({"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  const std::string many_tensors = header_of("{", "\"#\":" + entry + ",", 40'000'000) + "\"x\":" + entry + "}";
  const std::string many_notes = header_of(R"({"__metadata__":{)", "\"#\":\"\",", 4'000'000) + "\"x\":\"\"}}";
  const std::string many_dimensions = R"({"a":{"dtype":"U8","shape":[)" + header_of("", "#,", 4'000'000) + "0]}}";
  const auto refused = [](const std::string& header, const std::string& complaint) {
    const std::string file = raw_file(header);
    rusage before{}, after{};
    getrusage(RUSAGE_SELF, &before);
    expect_error(ErrorKind::kVerification, {"w.safetensors", complaint},
                 [&] { parse_safetensors_header(bytes_of(file), "w.safetensors"); });
    getrusage(RUSAGE_SELF, &after);
#ifndef GPTQ_SANITIZED  // which keep memory that was given back
    EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 400 * 1024) << complaint;  // KiB
#endif
  };
  refused(many_tensors, "more than 500000 tensors");
  refused(many_notes, "more than 100000 entries");
  refused(many_dimensions, "more than 64 dimensions");
  // What is ignored takes no memory at all.
  const std::string ignored = R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"c":[)" +
                              header_of("", "{\"#\":{}},", 10'000'000) + "0]}}";
  EXPECT_EQ(parse_safetensors_header(bytes_of(raw_file(ignored)), "x").tensors.size(), 1u);
}

TEST(Safetensors, AcceptsWhatTheFormatAllows) {
  for (const std::string& file : {
           raw_file("{}"),
           raw_file("{}      "),
           raw_file(R"({"__metadata__":{}})"),
           raw_file(R"({"x":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", "abcd"),
           raw_file(R"({"b":{"dtype":"F32","shape":[0,9],"data_offsets":[4,4]},)"
                    R"("x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                    R"("a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})",
                    "abcd"),
           raw_file(R"({"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"comment":[1]}})", "abcd"),
       }) {
    EXPECT_NO_THROW(parse_safetensors_header(bytes_of(file), "x")) << file;
  }
}

TEST(Safetensors, UnknownTypesAreListedAndNotLoaded) {
  const TempFolder folder;
  const fs::path path = folder / "odd.safetensors";
  write_file_atomic(path, raw_file(R"({"x":{"dtype":"F4","shape":[8],"data_offsets":[0,4]}})", "abcd"));
  const SafetensorsFile file(path);
  EXPECT_FALSE(file.header().tensors.at("x").dtype);
  EXPECT_EQ(file.header().tensors.at("x").dtype_name, "F4");
  expect_error(ErrorKind::kVerification, {path.string(), "\"x\"", "F4"}, [&] { file.tensor("x"); });
  expect_error(ErrorKind::kVerification, {path.string(), "\"y\""}, [&] { file.tensor("y"); });
}

TEST(Safetensors, MissingFileIsNotFound) {
  expect_error(ErrorKind::kNotFound, {"/no/such.safetensors"}, [] { SafetensorsFile("/no/such.safetensors"); });
}

TEST(Safetensors, EveryTruncationAndFlippedByteIsHandled) {
  const std::string whole = read_file(golden("safetensors/packed_module.safetensors"));
  for (size_t size = 0; size < whole.size(); size += size < 700 ? 1 : 97) {
    EXPECT_THROW(parse_safetensors_header(bytes_of(whole.substr(0, size)), "x"), Error) << size;
  }
  for (size_t i = 0; i < 600; ++i) {
    for (const int change : {0x01, 0x10, 0x80}) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ change);
      try {
        const SafetensorsHeader header = parse_safetensors_header(bytes_of(damaged), "x");
        for (const auto& [name, entry] : header.tensors) EXPECT_LE(header.data_offset + entry.end, damaged.size());
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kVerification);
      }
    }
  }
}

}  // namespace
}  // namespace gptq::checkpoint
