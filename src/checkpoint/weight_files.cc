// Finding weight files by name, by an index, or as the only candidate.
#include "checkpoint/weight_files.h"

#include <algorithm>
#include <set>

#include <gptq/error.h>

#include "checkpoint/json_events.h"
#include "checkpoint/plain_name.h"

namespace gptq::checkpoint {

namespace {

constexpr char kEnding[] = ".safetensors";
constexpr char kIndexEnding[] = ".safetensors.index.json";
constexpr uint64_t kMaxIndexBytes = 100'000'000;  // 300 times the largest known
constexpr size_t kMaxIndexTensors = 1'000'000;

bool is_present(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

// Reads "weight_map" of an index and ignores everything else.
class IndexReader : public JsonEvents {
 public:
  IndexReader(const std::string& what, std::map<std::string, std::string>& files) : what_(what), files_(files) {}

  void open(bool array) override {
    ++depth_;
    if (depth_ == 1 && array) fail("found a list, expected an object");
    if (depth_ == 2 && wanted_) {
      if (array) fail("\"weight_map\" is not an object of tensor names and file names");
      in_map_ = true;
    }
    if (depth_ == 3 && in_map_) refuse_value("");
  }
  void close() override {
    if (--depth_ == 1) in_map_ = wanted_ = false;
  }
  void key(std::string& name) override {
    if (depth_ == 1) {
      wanted_ = name == "weight_map";
      if (wanted_ && seen_) fail("the key \"weight_map\" appears twice");
      seen_ = seen_ || wanted_;
    } else if (in_map_ && depth_ == 2) {
      const auto [place, fresh] = files_.try_emplace(std::move(name));
      if (!fresh) fail("the key \"" + place->first + "\" appears twice");
      if (files_.size() > kMaxIndexTensors)
        fail("\"weight_map\" has more than " + std::to_string(kMaxIndexTensors) + " tensors");
      entry_ = &*place;
    }
  }
  void scalar(Kind kind, std::string& text, uint64_t) override {
    if (depth_ == 0) fail("found no object");
    if (depth_ == 1 && wanted_) fail("\"weight_map\" is not an object of tensor names and file names");
    if (!in_map_) return;
    if (kind != Kind::kString || !is_plain_name(text)) refuse_value(kind == Kind::kString ? text : "");
    entry_->second = std::move(text);
  }

  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(ErrorKind::kVerification, "reading " + what_ + ": " + problem + "; fetch the file again");
  }

 private:
  [[noreturn]] void refuse_value(const std::string& text) const {
    fail("the file of tensor \"" + entry_->first + "\" is " +
         (text.empty() ? "no text" : "\"" + text.substr(0, 200) + "\"") +
         ", expected a plain file name in the same folder");
  }

  const std::string& what_;
  std::map<std::string, std::string>& files_;
  std::pair<const std::string, std::string>* entry_ = nullptr;
  size_t depth_ = 0;
  bool wanted_ = false, in_map_ = false, seen_ = false;
};

std::string first_names(const std::vector<std::string>& names) {
  constexpr size_t kMaxListed = 8;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kMaxListed); ++i) text += (i ? ", " : "") + names[i];
  if (names.size() > kMaxListed) text += " and " + std::to_string(names.size() - kMaxListed) + " more";
  return text;
}

[[noreturn]] void throw_missing(const fs::path& of, const std::vector<std::string>& missing) {
  throw Error(ErrorKind::kNotFound, "opening the shards of " + of.string() + ": " + std::to_string(missing.size()) +
                                        " missing file(s): " + first_names(missing) +
                                        "; the download is incomplete or mixed, fetch it again");
}

WeightFiles read_index(const fs::path& path) {
  WeightFiles found;
  found.index = path;
  const std::string what = path.string();
  IndexReader reader(what, found.file_of);
  std::error_code ignored;
  if (fs::file_size(path, ignored) > kMaxIndexBytes) reader.fail("the index is larger than 100 MB");
  const MappedFile file(path);
  read_json_events({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}, what, reader);
  if (found.file_of.empty()) reader.fail("\"weight_map\" is missing or empty");
  std::set<std::string> files;
  for (const auto& [tensor, name] : found.file_of) files.insert(name);
  std::vector<std::string> missing;
  for (const std::string& name : files) {
    if (!is_present(path.parent_path() / name)) missing.push_back(name);
    found.files.push_back(path.parent_path() / name);
  }
  if (!missing.empty()) throw_missing(path, missing);
  return found;
}

// The complete shards NAME-00001-of-0000N.safetensors among `names`; throws if some are missing.
std::optional<WeightFiles> shards_without_index(const fs::path& folder, const std::vector<std::string>& names) {
  const auto number = [](const std::string& text) {
    const bool digits = !text.empty() && text.size() <= 6 && text.find_first_not_of("0123456789") == std::string::npos;
    return digits ? std::stoi(text) : 0;
  };
  std::string stem, count;
  std::set<int> numbers;
  for (const std::string& name : names) {
    const std::string bare = name.substr(0, name.size() - std::string_view(kEnding).size());
    const size_t of = bare.rfind("-of-");
    const size_t dash = of == std::string::npos || of == 0 ? std::string::npos : bare.rfind('-', of - 1);
    if (dash == std::string::npos) return std::nullopt;
    if (stem.empty()) stem = bare.substr(0, dash), count = bare.substr(of + 4);
    if (bare.substr(0, dash) != stem || bare.substr(of + 4) != count) return std::nullopt;
    const int i = number(bare.substr(dash + 1, of - dash - 1));
    if (i < 1 || i > number(count)) return std::nullopt;
    numbers.insert(i);
  }
  if (numbers.empty()) return std::nullopt;
  WeightFiles found;
  std::vector<std::string> missing;
  for (int i = 1; i <= number(count); ++i) {
    std::string digits = std::to_string(i);
    digits.insert(0, count.size() > digits.size() ? count.size() - digits.size() : 0, '0');
    if (!numbers.count(i)) missing.push_back(stem + "-" + digits + "-of-" + count + kEnding);
  }
  if (!missing.empty()) throw_missing(folder, missing);
  for (const std::string& name : names) found.files.push_back(folder / name);
  return found;
}

}  // namespace

WeightFiles find_weight_files(const fs::path& folder, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (is_present(folder / (name + kEnding))) return {{folder / (name + kEnding)}, {}, {}};
    if (is_present(folder / (name + kIndexEnding))) return read_index(folder / (name + kIndexEnding));
  }
  std::vector<std::string> indexes, files;
  for (const auto& item : fs::directory_iterator(folder)) {
    const std::string name = item.path().filename().string();
    if (!is_present(item.path()) || name.rfind("adapter_", 0) == 0 || name.rfind("consolidated", 0) == 0) continue;
    if (name.ends_with(kIndexEnding)) indexes.push_back(name);
    if (name.ends_with(kEnding)) files.push_back(name);
  }
  std::sort(files.begin(), files.end());
  if (indexes.size() == 1) return read_index(folder / indexes.front());
  if (files.size() == 1 && files.front().find("-of-0") == std::string::npos) return {{folder / files.front()}, {}, {}};
  if (auto shards = shards_without_index(folder, files)) return *shards;
  std::string expected;
  for (const std::string& name : names) expected += (expected.empty() ? "" : ", ") + name + kEnding;
  throw Error(
      ErrorKind::kNotFound,
      "opening " + folder.string() + ": found " +
          (files.empty() ? "no weights" : std::to_string(files.size()) + " weight files, " + first_names(files)) +
          ", expected " + expected + " or an index of shards" +
          (files.empty() ? "; download the model again, or check the path"
                         : "; keep only the model's, or rename it to model.safetensors"));
}

}  // namespace gptq::checkpoint
