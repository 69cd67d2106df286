// Preupload and commit requests.
#include "hub/upload/commit.h"

#include <openssl/evp.h>

#include <algorithm>
#include <map>

#include "core/json.h"
#include "hub/http/reply.h"
#include "hub/repository/names.h"
#include "hub/repository/repository.h"

namespace gptq::hub {

namespace {

constexpr size_t kFilesOfAQuestion = 256;
constexpr size_t kSample = 512;       // bytes of a file that the Hub inspects
constexpr int kCommitPatience = 120;  // seconds that the Hub may take for a commit

std::string base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // and a terminating zero that EVP writes
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(size));
  return text;
}

std::string sample_of(const UploadFile& file) {
  if (file.place.empty()) return file.content.substr(0, kSample);
  if (file.size == 0) return "";
  const MappedFile mapped(file.place);
  const size_t size = std::min(kSample, mapped.bytes().size());
  return std::string(reinterpret_cast<const char*>(mapped.bytes().data()), size);
}

std::string query_of(const CommitTarget& target) { return target.create_pr ? "?create_pr=1" : ""; }

std::string path_of(const CommitTarget& target, const std::string& verb) {
  return "/api/models/" + target.id + "/" + verb + "/" + url_encoded(target.revision, false) + query_of(target);
}

}  // namespace

std::string UploadFile::bytes() const { return place.empty() ? content : read_file(place); }

void preupload(const Session& session, HttpClient& client, const CommitTarget& target, std::vector<UploadFile>& files) {
  for (size_t begin = 0; begin < files.size(); begin += kFilesOfAQuestion) {
    const size_t end = std::min(begin + kFilesOfAQuestion, files.size());
    Json list = Json::array();
    for (size_t i = begin; i < end; ++i) {
      list.push_back({{"path", files[i].path}, {"sample", base64(sample_of(files[i]))}, {"size", files[i].size}});
    }
    const std::string path = path_of(target, "preupload");
    const HttpResponse response = post_json(session, client, path, Json{{"files", std::move(list)}}.dump(),
                                            {"preparing the upload to " + target.id, target.id, target.revision, ""});
    take_preupload(response.body, begin, end, files, "the answer of " + session.settings.endpoint + path);
  }
}

void take_preupload(std::string_view json, size_t begin, size_t end, std::vector<UploadFile>& files,
                    const std::string& where) {
  const Json document = parse_reply(json, where);
  const JsonReader reader(document, where);
  const Json& list = reader.at("files");
  if (!list.is_array()) reader.fail("files", "a list");
  std::map<std::string, const Json*> by_path;
  for (const Json& entry : list) by_path[JsonReader(entry, where + ", \"files\"").string("path")] = &entry;
  for (size_t i = begin; i < end; ++i) {
    UploadFile& file = files[i];
    const auto found = by_path.find(file.path);
    if (found == by_path.end()) reader.fail("files", "an entry for " + file.path);
    const JsonReader entry(*found->second, where + ", \"files\"");
    const std::string mode = entry.string("uploadMode");
    if (mode != "lfs" && mode != "regular") entry.fail("uploadMode", "\"lfs\" or \"regular\"");
    file.lfs = mode == "lfs" && file.size > 0;  // LFS storage does not accept empty files
    file.ignored = entry.boolean("shouldIgnore", false);
    file.remote_oid = entry.string("oid", "");
  }
}

std::string commit_lines(const CommitTarget& target, const std::vector<const UploadFile*>& files) {
  std::string lines =
      Json{{"key", "header"}, {"value", {{"summary", target.message}, {"description", ""}}}}.dump() + "\n";
  for (const UploadFile* file : files) {
    const Json value = file->lfs
                           ? Json{{"path", file->path}, {"algo", "sha256"}, {"oid", file->oid}, {"size", file->size}}
                           : Json{{"path", file->path}, {"content", base64(file->bytes())}, {"encoding", "base64"}};
    lines += Json{{"key", file->lfs ? "lfsFile" : "file"}, {"value", value}}.dump() + "\n";
  }
  return lines;
}

CommitReply commit(const Session& session, HttpClient& client, const CommitTarget& target,
                   const std::vector<const UploadFile*>& files) {
  HttpRequest request;
  request.method = "POST";
  request.url = session.settings.endpoint + path_of(target, "commit");
  request.headers = {"Content-Type: application/x-ndjson"};
  request.body = commit_lines(target, files);
  request.stall_timeout = kCommitPatience;
  // Repeating a commit whose response was lost is harmless; repeating a pull request is not.
  const HttpResponse response = target.create_pr ? request_with_retries(session, client, request, 1)
                                                 : request_with_retries(session, client, request);
  const RequestContext context{"committing to " + target.id, target.id, target.revision, ""};
  if (!response.ok()) throw explain(response, context, session.settings, session.token);
  const std::string where = "the answer of " + request.url;
  const Json json = parse_reply(response.body, where);
  const JsonReader reader(json, where);
  CommitReply reply;
  reply.commit = printable(reader.string("commitOid", ""));
  reply.url = printable(reader.string(target.create_pr ? "pullRequestUrl" : "commitUrl", ""));
  return reply;
}

}  // namespace gptq::hub
