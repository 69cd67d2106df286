// HEAD /ID/resolve/COMMIT/PATH. Source: huggingface_hub's get_hf_file_metadata.
#include "hub/download/resolve.h"

#include <charconv>

#include "hub/repository/digest.h"
#include "hub/repository/names.h"

namespace gptq::hub {

namespace {

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

void read_headers(const HttpResponse& response, FileAddress& address) {
  const std::string linked = response.header("x-linked-etag");
  address.etag = plain_etag(linked.empty() ? response.header("etag") : linked);
  address.commit = response.header("x-repo-commit");
  address.size = plain_size(response.header("x-linked-size"));
  if (address.size < 0 && !response.is_redirect()) address.size = plain_size(response.header("content-length"));
}

[[noreturn]] void throw_refusal(const Session& session, const FileName& file, const HttpResponse& response) {
  const Error error = explain(response, file.context(), session.settings, session.token);
  if (response.header("x-error-code") == "EntryNotFound" && response.header("x-repo-commit") == file.commit)
    throw MissingFile(error.kind(), error.what());
  throw error;
}

[[noreturn]] void throw_no_hub(const Session& session, const FileName& file, const std::string& fault) {
  throw Error(ErrorKind::kNetwork,
              file.context().action + ": the answer of " + session.settings.endpoint + " " + fault +
                  "; is HF_ENDPOINT a Hugging Face Hub, or does a proxy or this network's login page intercept it?");
}

}  // namespace

FileAddress resolve(const Session& session, HttpClient& client, const FileName& file) {
  HttpRequest request;
  request.method = "HEAD";
  request.url = session.settings.endpoint + "/" + file.id + "/resolve/" + url_encoded(file.commit, false) + "/" +
                url_encoded(file.path, true);
  request.decode = false;
  const HttpResponse response = request_with_retries(session, client, request);
  FileAddress address;
  address.url = response.is_redirect() ? absolute_url(response.url, response.header("location")) : response.url;
  const bool found = response.ok() || (response.is_redirect() && !session.is_hub(address.url));
  if (!found || address.url.empty()) throw_refusal(session, file, response);
  read_headers(response, address);
  if (address.commit.empty()) throw_no_hub(session, file, "has no X-Repo-Commit");
  if (!is_etag(address.etag)) throw_no_hub(session, file, "returns no hash for the file");
  return address;
}

}  // namespace gptq::hub
