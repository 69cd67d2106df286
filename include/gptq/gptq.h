// The whole front door of the library.
#pragma once

#include <functional>
#include <string>

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

// The path of the model file whose mapping holds `address`, nullptr when none does. May be called in a signal handler:
// reading a file that was cut short in use raises SIGBUS.
const char* mapped_file_at(const void* address);

// Notes and warnings go to `sink`; silent until set. Set once at start-up.
void on_message(std::function<void(bool warning, const std::string& text)> sink);

}  // namespace gptq
