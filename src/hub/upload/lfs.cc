// The batch protocol: requesting actions, sending parts in parallel, completing and verifying.
#include "hub/upload/lfs.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstring>
#include <memory>

#include "core/check.h"
#include "core/json.h"
#include "hub/http/reply.h"
#include "hub/http/workers.h"

namespace gptq::hub {

namespace {

constexpr size_t kBatch = 256;         // objects per request
constexpr int kPatience = 120;         // seconds that the storage may take for a large file
constexpr int kRounds = 4;             // requests for new addresses
constexpr int64_t kMaxParts = 10'000;  // of S3
constexpr const char* kType = "application/vnd.git-lfs+json";

const Json& object_at(const JsonReader& reader, const char* key) {
  const Json& value = reader.at(key);
  if (!value.is_object()) reader.fail(key, "an object");
  return value;
}

std::string address(const JsonReader& reader, const char* key) {
  std::string url = reader.string(key);
  if (!url.starts_with("https://") && !url.starts_with("http://")) reader.fail(key, "an http(s) address");
  return url;
}

int64_t whole_number(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value > 0 ? value : -1;
}

// {"chunk_size": "5000000", "00001": "https://...", ...}
void read_parts(const Json& json, const LfsObject& object, const std::string& where, LfsAction& action) {
  const JsonReader header(json, where + ", \"header\"");
  if (!header.has("chunk_size")) return;
  const Json& size = header.at("chunk_size");
  action.part_size = size.is_string()           ? whole_number(size.get<std::string>())
                     : size.is_number_integer() ? size.get<int64_t>()
                                                : -1;
  if (action.part_size <= 0) header.fail("chunk_size", "the bytes of a part");
  const int64_t count = object.size / action.part_size + (object.size % action.part_size > 0 ? 1 : 0);
  std::map<int64_t, std::string> parts;
  for (const auto& [key, value] : json.items()) {
    if (const int64_t number = whole_number(key); number > 0) parts[number] = address(header, key.c_str());
  }
  if (count > kMaxParts || static_cast<int64_t>(parts.size()) != count || parts.empty() || parts.begin()->first != 1 ||
      parts.rbegin()->first != count) {
    header.fail("chunk_size", "addresses for the parts 1 to " + std::to_string(count) + " of " + object.path);
  }
  for (auto& [number, url] : parts) action.parts.push_back(std::move(url));
}

[[noreturn]] void refuse(const Json& json, const LfsObject& object, const std::string& where) {
  const JsonReader error(json, where + ", \"error\"");
  const int64_t code = error.integer("code", 0);
  throw Error(code == 401 || code == 403 ? ErrorKind::kPermission : ErrorKind::kGeneral,
              "uploading " + object.path + ": the Hub refuses it (code " + std::to_string(code) + ", \"" +
                  error.string("message", "").substr(0, 300) + "\")");
}

LfsAction parse_object(const JsonReader& reader, const LfsObject& object, const std::string& where) {
  if (const Json* error = reader.find("error")) refuse(*error, object, where);
  LfsAction action;
  action.oid = object.oid;
  if (!reader.has("actions") || !JsonReader(object_at(reader, "actions"), where).has("upload")) {
    action.stored = true;
    return action;
  }
  const JsonReader actions(object_at(reader, "actions"), where + ", \"actions\"");
  const JsonReader upload(object_at(actions, "upload"), where + ", \"upload\"");
  action.href = address(upload, "href");
  if (const Json* header = upload.find("header")) read_parts(*header, object, where, action);
  if (actions.has("verify")) action.verify = address(JsonReader(object_at(actions, "verify"), where), "href");
  return action;
}

// One PUT: a file, or a part of one.
struct Piece {
  size_t object = 0;
  size_t part = 0;
  int64_t begin = 0, size = 0;
};

// An object being uploaded.
struct Transfer {
  const LfsObject* object = nullptr;
  LfsAction action;
  std::unique_ptr<MappedFile> file;
  std::vector<std::string> etags;    // ETags of the parts
  std::atomic<size_t> left = 0;      // pieces
  std::atomic<int64_t> counted = 0;  // bytes reported to the monitor
  std::atomic<bool> expired = false;
};

class Upload {
 public:
  Upload(const Session& session, TransferMonitor& monitor, const std::string& id, const std::string& revision)
      : session_(session), monitor_(monitor), id_(id), revision_(revision) {}

  std::vector<LfsAction> ask_for(const std::vector<LfsObject>& objects) {
    Json list = Json::array();
    for (const LfsObject& object : objects) list.push_back({{"oid", object.oid}, {"size", object.size}});
    HttpRequest request;
    request.method = "POST";
    request.url = session_.settings.endpoint + "/" + id_ + ".git/info/lfs/objects/batch";
    request.headers = {std::string("Content-Type: ") + kType, std::string("Accept: ") + kType};
    request.body = Json{{"operation", "upload"},
                        {"transfers", {"basic", "multipart"}},
                        {"objects", std::move(list)},
                        {"hash_algo", "sha256"},
                        {"ref", {{"name", revision_}}}}
                       .dump();
    HttpClient client(session_.settings);
    const HttpResponse response = request_with_retries(session_, client, request);
    if (!response.ok()) throw explain(response, context(""), session_.settings, session_.token);
    return parse_batch(response.body, objects, "the answer of " + request.url);
  }

  // Sends what is missing; returns the objects whose addresses expired meanwhile.
  std::vector<LfsObject> send(const std::vector<LfsObject>& objects, const std::vector<LfsAction>& actions,
                              int workers) {
    std::vector<std::unique_ptr<Transfer>> transfers;
    std::vector<Piece> pieces;
    for (size_t i = 0; i < objects.size(); ++i) {
      if (actions[i].stored) {
        monitor_.add(objects[i].path, objects[i].size);
        monitor_.finish_file(objects[i].path);
        continue;
      }
      Transfer& transfer = *transfers.emplace_back(std::make_unique<Transfer>());
      transfer.object = &objects[i];
      transfer.action = actions[i];
      transfer.file = std::make_unique<MappedFile>(objects[i].place);
      if (static_cast<int64_t>(transfer.file->bytes().size()) != objects[i].size) {
        throw Error(ErrorKind::kGeneral, "uploading " + objects[i].path +
                                             ": the file changed during the upload; "
                                             "stop other programs from writing to the folder, and try again");
      }
      const int64_t step = actions[i].part_size > 0 ? actions[i].part_size : objects[i].size;
      for (int64_t begin = 0; begin < objects[i].size; begin += step) {
        pieces.push_back({transfers.size() - 1, transfer.left++, begin, std::min(step, objects[i].size - begin)});
      }
      transfer.etags.resize(actions[i].parts.size());
    }
    run_workers(pieces.size(), workers, session_.settings, monitor_,
                [&](HttpClient& client, size_t i) { send_piece(client, pieces[i], *transfers[pieces[i].object]); });
    std::vector<LfsObject> again;
    for (const auto& transfer : transfers) {
      if (!transfer->expired) continue;
      again.push_back(*transfer->object);
      count_bytes(*transfer, -transfer->counted);
    }
    return again;
  }

  int64_t sent() const { return sent_; }

 private:
  RequestContext context(const std::string& path) const {
    return {"uploading " + (path.empty() ? "" : path + " ") + "to " + id_, id_, revision_, path};
  }

  void count_bytes(Transfer& transfer, int64_t bytes) {
    transfer.counted += bytes;
    monitor_.add(transfer.object->path, bytes);
  }

  void send_piece(HttpClient& client, const Piece& piece, Transfer& transfer) {
    if (!transfer.expired) {
      const std::string& path = transfer.object->path;
      int64_t at = 0;
      const std::byte* bytes = transfer.file->bytes().data() + piece.begin;
      HttpRequest::Source source;
      source.size = piece.size;
      source.read = [&](char* to, size_t most) {
        const auto count = static_cast<size_t>(std::min(static_cast<int64_t>(most), piece.size - at));
        std::memcpy(to, bytes + at, count);
        at += static_cast<int64_t>(count);
        count_bytes(transfer, static_cast<int64_t>(count));
        return count;
      };
      source.seek = [&](int64_t position) {
        count_bytes(transfer, position - at);
        at = position;
        return true;
      };
      HttpRequest request;
      request.method = "PUT";
      request.url = transfer.action.parts.empty() ? transfer.action.href : transfer.action.parts[piece.part];
      request.source = &source;
      request.stall_timeout = kPatience;
      const HttpResponse response = request_with_retries(session_, client, request);
      if (response.ok()) {
        sent_ += piece.size;
        if (!transfer.etags.empty()) transfer.etags[piece.part] = response.header("etag");
      } else if (response.status == 403 && !session_.is_hub(request.url)) {
        transfer.expired = true;
      } else {
        throw explain(response, context(path), session_.settings, session_.token);
      }
    }
    if (--transfer.left == 0 && !transfer.expired) finish(client, transfer);
  }

  void finish(HttpClient& client, const Transfer& transfer) {
    const LfsObject& object = *transfer.object;
    if (!transfer.action.parts.empty()) {
      Json parts = Json::array();
      for (size_t i = 0; i < transfer.etags.size(); ++i) {
        if (transfer.etags[i].empty()) {
          throw Error(ErrorKind::kNetwork, "uploading " + object.path + ": the storage took part " +
                                               std::to_string(i + 1) + " without an ETag; try again");
        }
        parts.push_back({{"partNumber", i + 1}, {"etag", transfer.etags[i]}});
      }
      post(client, transfer.action.href, Json{{"oid", object.oid}, {"parts", std::move(parts)}}, object.path);
    }
    if (!transfer.action.verify.empty())
      post(client, transfer.action.verify, Json{{"oid", object.oid}, {"size", object.size}}, object.path);
    monitor_.finish_file(object.path);
  }

  void post(HttpClient& client, const std::string& url, const Json& body, const std::string& path) {
    HttpRequest request;
    request.method = "POST";
    request.url = url;
    request.headers = {std::string("Content-Type: ") + kType, std::string("Accept: ") + kType};
    request.body = body.dump();
    request.stall_timeout = kPatience;
    const HttpResponse response = request_with_retries(session_, client, request);
    if (!response.ok()) throw explain(response, context(path), session_.settings, session_.token);
  }

  const Session& session_;
  TransferMonitor& monitor_;
  const std::string& id_;
  const std::string& revision_;
  std::atomic<int64_t> sent_ = 0;
};

}  // namespace

std::vector<LfsAction> parse_batch(std::string_view json, const std::vector<LfsObject>& objects,
                                   const std::string& where) {
  const Json document = parse_reply(json, where);
  const JsonReader reader(document, where);
  const Json& list = reader.at("objects");
  if (!list.is_array()) reader.fail("objects", "a list");
  std::map<std::string, const Json*> by_oid;
  for (const Json& entry : list) by_oid[JsonReader(entry, where + ", \"objects\"").string("oid")] = &entry;
  std::vector<LfsAction> actions;
  for (const LfsObject& object : objects) {
    const auto found = by_oid.find(object.oid);
    if (found == by_oid.end()) reader.fail("objects", "an entry for " + object.path);
    actions.push_back(parse_object(JsonReader(*found->second, where + ", \"objects\""), object, where));
  }
  return actions;
}

int64_t upload_objects(const Session& session, TransferMonitor& monitor, const std::string& id,
                       const std::string& revision, const std::vector<LfsObject>& objects, int workers) {
  Upload upload(session, monitor, id, revision);
  for (size_t begin = 0; begin < objects.size(); begin += kBatch) {
    std::vector<LfsObject> left(objects.begin() + static_cast<ptrdiff_t>(begin),
                                objects.begin() + static_cast<ptrdiff_t>(std::min(begin + kBatch, objects.size())));
    for (int round = 1; !left.empty(); ++round) {
      if (round > kRounds) {
        throw Error(ErrorKind::kNetwork,
                    "uploading " + left.front().path + " to " + id +
                        ": the storage rejected the upload URLs that the Hub returned, " + std::to_string(kRounds) +
                        " times; is this machine's clock correct? Uploaded parts are kept: try again");
      }
      left = upload.send(left, upload.ask_for(left), workers);
    }
  }
  return upload.sent();
}

}  // namespace gptq::hub
