// Fuzzes the safetensors header parser: every input is either refused or describes ranges inside itself.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <gptq/error.h>

#include "checkpoint/safetensors.h"

namespace {

using namespace gptq;
using namespace gptq::checkpoint;

void check(std::span<const std::byte> file) {
  try {
    const SafetensorsHeader header = parse_safetensors_header(file, "input");
    uint64_t covered = 0;
    for (const auto& [name, entry] : header.tensors) {
      if (entry.begin > entry.end || entry.end > file.size() - header.data_offset) __builtin_trap();
      covered += entry.end - entry.begin;
      if (!entry.dtype) continue;
      const TensorView view{*entry.dtype, entry.shape, file.data() + header.data_offset + entry.begin};
      if (view.bytes() != entry.end - entry.begin) __builtin_trap();
    }
    if (covered != file.size() - header.data_offset) __builtin_trap();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kVerification) __builtin_trap();
  }
}

}  // namespace

// The input as a whole file, and as the JSON of a file whose length field is right.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  check(std::as_bytes(std::span(data, size)));
  std::string file;
  for (int i = 0; i < 8; ++i) file += static_cast<char>(static_cast<uint64_t>(size) >> (8 * i) & 0xFF);
  file.append(reinterpret_cast<const char*>(data), size);
  file += "12345678";
  check(std::as_bytes(std::span(file)));
  return 0;
}
