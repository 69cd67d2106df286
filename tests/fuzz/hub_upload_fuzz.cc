// Fuzzes what the upload endpoints and model cards say: refused, or actions that can be done and values
// without line breaks.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <gptq/error.h>

#include "core/json.h"
#include "hub/auth/whoami.h"
#include "hub/repository/front_matter.h"
#include "hub/repository/origin.h"
#include "hub/upload/commit.h"
#include "hub/upload/lfs.h"

namespace {

using namespace gptq;
using namespace gptq::hub;

void expect(bool holds) {
  if (!holds) __builtin_trap();
}

template <typename Parse>
void may_refuse(Parse&& parse) {
  try {
    parse();
  } catch (const Error& error) {
    expect(error.kind() == ErrorKind::kVerification || error.kind() == ErrorKind::kPermission ||
           error.kind() == ErrorKind::kGeneral);
  }
}

void check_batch(std::string_view text) {
  const LfsObject object{"model.safetensors", "", 10, std::string(64, 'a')};
  for (const LfsAction& action : parse_batch(text, {object}, "batch")) {
    expect(action.stored || action.href.starts_with("http"));
    const auto parts = static_cast<int64_t>(action.parts.size());
    expect(parts == 0 || (action.part_size > 0 && (parts - 1) * action.part_size < object.size &&
                          (action.part_size >= object.size || parts * action.part_size >= object.size)));
  }
}

void check_preupload(std::string_view text) {
  std::vector<UploadFile> files(1);
  files[0].path = "config.json";
  take_preupload(text, 0, 1, files, "preupload");
  expect(!files[0].lfs);  // it is empty
}

void check_card(std::string_view text) {
  for (const auto& [key, values] : parse_front_matter(text)) {
    for (const std::string& value : values) {
      expect(value.find('\n') == value.npos && yaml_text(value).find('\n') == std::string::npos);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  may_refuse([&] { check_batch(text); });
  may_refuse([&] { check_preupload(text); });
  may_refuse([&] { parse_identity(text, "whoami"); });
  may_refuse([&] { origin_from_json(parse_json(text, "origin"), "origin"); });
  check_card(text);
  return 0;
}
