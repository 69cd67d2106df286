// All public headers of the library.
#pragma once

#include <functional>
#include <string>

#include <gptq/batch_encoding.h>
#include <gptq/bench.h>
#include <gptq/chat.h>
#include <gptq/corpus.h>
#include <gptq/device.h>
#include <gptq/engine.h>
#include <gptq/error.h>
#include <gptq/hub.h>
#include <gptq/inspect.h>
#include <gptq/quantize.h>
#include <gptq/system.h>
#include <gptq/terminal.h>
#include <gptq/tokenizer.h>

namespace gptq {

std::string version();  // "0.1.0"

// The path of the model file whose memory mapping contains `address`; nullptr if there is none. Async-signal-safe, for
// use in a SIGBUS handler: reading a mapped file that was truncated raises this signal.
const char* mapped_file_at(const void* address);

// Sets the receiver of the library's notes and warnings, which may be called from any thread; without one they are
// discarded. Call it once, before any other function.
void on_message(std::function<void(bool warning, const std::string& text)> sink);

}  // namespace gptq
