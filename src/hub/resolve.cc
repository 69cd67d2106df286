// HEAD /ID/resolve/COMMIT/PATH. Source: huggingface_hub's get_hf_file_metadata.
#include "hub/resolve.h"

#include <charconv>

#include "hub/digest.h"
#include "hub/names.h"

namespace gptq::hub {

namespace {

constexpr int kMostRedirects = 10;

std::string plain_etag(std::string etag) {
  if (etag.starts_with("W/")) etag.erase(0, 2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
  return etag;
}

int64_t plain_size(const std::string& text) {
  int64_t size = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  return error == std::errc() && end == text.data() + text.size() ? size : -1;
}

bool is_redirect(const HttpResponse& response) {
  return response.failure.empty() && response.status >= 300 && response.status < 400;
}

// What this answer says; a later one of the Hub's own overrides it.
void read_headers(const HttpResponse& response, FileAddress& address) {
  const auto say = [&](const char* header, std::string& field) {
    if (std::string value = response.header(header); !value.empty()) field = std::move(value);
  };
  say("x-repo-commit", address.commit);
  if (!is_redirect(response)) {
    say("etag", address.etag);
    address.size = plain_size(response.header("content-length"));
  }
  say("x-linked-etag", address.etag);
  address.etag = plain_etag(address.etag);
  if (const int64_t size = plain_size(response.header("x-linked-size")); size >= 0) address.size = size;
}

[[noreturn]] void throw_refusal(const Session& session, const FileName& file, const HttpResponse& response) {
  const Error error = explain(response, file.attempt(), session.settings, session.token);
  if (response.header("x-error-code") == "EntryNotFound" && response.header("x-repo-commit") == file.commit)
    throw MissingFile(error.kind(), error.what());
  throw error;
}

[[noreturn]] void throw_no_hub(const Session& session, const FileName& file, const std::string& fault) {
  throw Error(ErrorKind::kNetwork,
              file.attempt().doing + ": the answer of " + session.settings.endpoint + " " + fault +
                  "; is HF_ENDPOINT a Hugging Face Hub, or is a proxy or this network's login page in between?");
}

}  // namespace

FileAddress resolve(const Session& session, HttpClient& client, const FileName& file) {
  FileAddress address;
  address.url = session.settings.endpoint + "/" + file.id + "/resolve/" + url_encoded(file.commit, false) + "/" +
                url_encoded(file.path, true);
  for (int hop = 0;; ++hop) {
    HttpRequest request;
    request.method = "HEAD";
    request.url = address.url;
    request.decode = false;
    const HttpResponse response = ask(session, client, request);
    if (!response.ok() && !is_redirect(response)) throw_refusal(session, file, response);
    read_headers(response, address);
    if (response.ok()) break;
    const std::string next = absolute_url(address.url, response.header("location"));
    if (next.empty() || hop == kMostRedirects) throw_refusal(session, file, response);
    address.url = next;
    if (!session.is_hub(next)) break;
  }
  if (address.commit.empty()) throw_no_hub(session, file, "has no X-Repo-Commit");
  if (!is_etag(address.etag)) throw_no_hub(session, file, "names the file by no hash");
  return address;
}

}  // namespace gptq::hub
