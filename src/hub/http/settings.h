// Configuration of Hub access from the environment: endpoint, cache, token files, timeouts.
#pragma once

#include <string>

#include "core/file.h"

namespace gptq::hub {

// Source: huggingface_hub/constants.py. Read once per operation, so that tests can change the environment.
struct Settings {
  std::string endpoint;         // HF_ENDPOINT, without a trailing slash
  std::string endpoint_user;    // "user:password" of HF_ENDPOINT, removed from `endpoint`
  fs::path home;                // HF_HOME, else $XDG_CACHE_HOME/huggingface, else ~/.cache/huggingface
  fs::path cache;               // HF_HUB_CACHE (HUGGINGFACE_HUB_CACHE), else home/hub
  fs::path token_file;          // HF_TOKEN_PATH, else home/token
  fs::path stored_tokens_file;  // in the same folder
  bool offline = false;         // HF_HUB_OFFLINE, else TRANSFORMERS_OFFLINE
  bool implicit_token = true;   // not HF_HUB_DISABLE_IMPLICIT_TOKEN
  bool symlinks = true;         // not HF_HUB_DISABLE_SYMLINKS
  bool telemetry = true;        // not HF_HUB_DISABLE_TELEMETRY, DO_NOT_TRACK
  bool debug = false;           // HF_DEBUG
  int metadata_timeout = 10;    // HF_HUB_ETAG_TIMEOUT, seconds
  int low_speed_time = 60;      // seconds after which a transfer slower than 200 bytes per second is aborted
  int download_timeout = 10;    // HF_HUB_DOWNLOAD_TIMEOUT, seconds without a byte

  // Throws Error(kUsage) for an endpoint that is not an http(s) URL and for timeouts that are not numbers.
  static Settings from_environment();
};

}  // namespace gptq::hub
