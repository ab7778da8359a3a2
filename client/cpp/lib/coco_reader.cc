#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cpp/lib/dataset.h"
#include "client/cpp/lib/dataset_builder.h"
#include "client/cpp/lib/files.h"
#include "nlohmann/json.hpp"

namespace mgral::client {
namespace {

using nlohmann::json;

constexpr size_t kShownBytes = 40;  // of a value in a message

// COCO ids are integers; some tools write strings.
std::string IdKey(const json& entry, const char* field) {
  const auto id = entry.find(field);
  if (id == entry.end() || !(id->is_number_integer() || id->is_string())) return "";
  return id->dump();
}

double NumberOr(const json& entry, const char* field, double missing) {
  const auto value = entry.find(field);
  return value != entry.end() && value->is_number() ? value->get<double>() : missing;
}

bool Flag(const json& entry, const char* field) {
  const auto value = entry.find(field);
  if (value == entry.end()) return false;
  if (value->is_boolean()) return value->get<bool>();
  return value->is_number() && value->get<double>() != 0;
}

class CocoReader {
 public:
  CocoReader(const json& document, DatasetBuilder* builder)
      : document_(document), builder_(*builder) {}

  void ReadImages() {
    ForEach("categories",
            [this](const json& entry, const std::string& name) { Category(entry, name); });
    // Classes in the order of their ids: the detector's order does not hang on the file's.
    for (const auto& [id, category] : ordered_) {
      builder_.AddClass(category.first, category.second);
      class_of_[id] = category.first;
    }
    ForEach("images", [this](const json& entry, const std::string& name) { Image(entry, name); });
  }

  void ReadAnnotations() {
    ForEach("annotations",
            [this](const json& entry, const std::string& name) { Annotation(entry, name); });
  }

  // Each result is forgotten once it has been read: a document of a million of them takes a
  // gigabyte.
  absl::Status ReadResults(const std::string& file) {
    absl::StatusOr<std::string> text = ReadFile(file);
    if (!text.ok()) return text.status();
    builder_.NowReading(file);
    bool is_list = false;
    int64_t results = 0;
    std::string key;  // the last one
    const json::parser_callback_t each = [&](int depth, json::parse_event_t event, json& parsed) {
      using Event = json::parse_event_t;
      if (event == Event::key) {
        key = "." + parsed.get_ref<const std::string&>();
        return key != ".segmentation";
      }
      const bool begins = event == Event::array_start || event == Event::object_start;
      if (depth == 0 && begins) is_list = event == Event::array_start;
      if (depth != 1 || begins) return true;
      key.clear();
      if (is_list && !builder_.GivesUp()) Result(parsed, absl::StrCat("results[", results, "]"));
      ++results;
      return false;
    };
    try {
      is_list = json::parse(*text, each).is_array();
    } catch (const json::exception& error) {
      return absl::InvalidArgumentError(
          absl::StrCat(file, ": results[", results, "]", key.substr(0, kShownBytes),
                       ": is not JSON: ", std::string(error.what()).substr(0, 5 * kShownBytes)));
    }
    if (is_list) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(file, ": is not a list of results"));
  }

 private:
  template <typename Function>
  void ForEach(const char* list, const Function& function) {
    const auto entries = document_.find(list);
    if (entries == document_.end() || !entries->is_array()) {
      return builder_.Problem(list, "the list is missing");
    }
    for (size_t i = 0; i < entries->size() && !builder_.GivesUp(); ++i) {
      const std::string name = absl::StrCat(list, "[", i, "]");
      if ((*entries)[i].is_object()) {
        function((*entries)[i], name);
      } else {
        builder_.Problem(name, "is not an object");
      }
    }
  }

  void Category(const json& entry, const std::string& name) {
    const auto id = entry.find("id");
    const auto text = entry.find("name");
    if (id == entry.end() || !id->is_number_integer()) {
      return builder_.Problem(name, "\"id\" is not an integer");
    }
    if (text == entry.end() || !text->is_string()) {
      return builder_.Problem(name, "\"name\" is not a string");
    }
    const int64_t number = id->get<int64_t>();
    if (!ordered_.emplace(number, std::make_pair(text->get<std::string>(), name)).second) {
      builder_.Problem(name, absl::StrCat("id ", number, " is there twice"));
    }
  }

  void Image(const json& entry, const std::string& name) {
    const std::string id = IdKey(entry, "id");
    if (id.empty()) return builder_.Problem(name, "\"id\" is not an integer");
    const auto file_name = entry.find("file_name");
    if (file_name == entry.end() || !file_name->is_string()) {
      return builder_.Problem(name, "\"file_name\" is not a string");
    }
    const auto image_id = entry.find("mgral_image_id");
    const bool has_id = image_id != entry.end();
    if (has_id && (!image_id->is_string() || *image_id == "")) {
      return builder_.Problem(name, "\"mgral_image_id\" is not an image id");
    }
    const int position = builder_.AddImage(
        file_name->get<std::string>(), NumberOr(entry, "width", 0), NumberOr(entry, "height", 0),
        name, has_id ? image_id->get<std::string>() : "");
    if (!image_of_.emplace(id, position).second) {
      builder_.Problem(name, absl::StrCat("image id ", id, " is there twice"));
    }
  }

  void Annotation(const json& entry, const std::string& name) {
    int image = -1;
    DatasetBox box;
    if (!ReadBox(entry, name, &image, &box)) return;
    box.ignore = Flag(entry, "iscrowd") || Flag(entry, "ignore") || Flag(entry, "difficult");
    builder_.AddBox(image, box, name);
  }

  void Result(const json& entry, const std::string& name) {
    if (!entry.is_object()) return builder_.Problem(name, "is not an object");
    int image = -1;
    DatasetBox box;
    if (!ReadBox(entry, name, &image, &box)) return;
    box.score = NumberOr(entry, "score", -1);
    if (!(box.score > 0 && box.score <= 1)) {
      return builder_.Problem(name, absl::StrCat("\"score\" ", Shown(entry, "score"),
                                                 " is not a number above 0 and at most 1"));
    }
    if (box.width < 0 || box.height < 0) {
      return builder_.Problem(
          name, absl::StrCat("\"bbox\" ", Shown(entry, "bbox"), " has a negative width or height"));
    }
    builder_.AddBox(image, box, name);
  }

  // The box and the position of its image; false if something is wrong.
  bool ReadBox(const json& entry, const std::string& name, int* image, DatasetBox* box) {
    const auto refuse = [&](const std::string& what) {
      builder_.Problem(name, what);
      return false;
    };
    const auto found = image_of_.find(IdKey(entry, "image_id"));
    if (found == image_of_.end()) {
      return refuse(
          absl::StrCat("\"image_id\" ", Shown(entry, "image_id"), " is not the id of an image"));
    }
    const auto category = entry.find("category_id");
    const bool known = category != entry.end() && category->is_number_integer() &&
                       class_of_.count(category->get<int64_t>()) > 0;
    if (!known) {
      return refuse(absl::StrCat("\"category_id\" ", Shown(entry, "category_id"),
                                 " is not the id of a category"));
    }
    if (!ReadNumbers(entry, box)) return refuse("\"bbox\" is not a list of four numbers");
    const std::string& class_name = class_of_.at(category->get<int64_t>());
    if (found->second < 0 || !builder_.HasClass(class_name)) return false;  // reported already
    *image = found->second;
    box->class_index = builder_.ClassIndex(class_name);
    return true;
  }

  static std::string Shown(const json& entry, const char* field) {
    const auto value = entry.find(field);
    return value == entry.end() ? "(missing)" : value->dump().substr(0, kShownBytes);
  }

  static bool ReadNumbers(const json& entry, DatasetBox* box) {
    const auto numbers = entry.find("bbox");
    if (numbers == entry.end() || !numbers->is_array() || numbers->size() != 4) return false;
    for (const json& number : *numbers) {
      if (!number.is_number()) return false;
    }
    box->x_min = (*numbers)[0].get<double>();
    box->y_min = (*numbers)[1].get<double>();
    box->width = (*numbers)[2].get<double>();
    box->height = (*numbers)[3].get<double>();
    return true;
  }

  const json& document_;
  DatasetBuilder& builder_;
  std::map<int64_t, std::pair<std::string, std::string>> ordered_;  // id -> name, entry
  std::map<int64_t, std::string> class_of_;
  std::map<std::string, int> image_of_;
};

}  // namespace

absl::StatusOr<Dataset> ReadCoco(const std::string& annotations, const std::string& images,
                                 const ReadOptions& options) {
  std::error_code error;
  if (options.require_files && !std::filesystem::is_directory(images, error)) {
    return absl::NotFoundError(absl::StrCat(images, ": there is no such folder of images"));
  }
  absl::StatusOr<json> document = ReadJsonObject(annotations);
  if (!document.ok()) return document.status();
  DatasetBuilder builder(annotations, images, options);
  CocoReader reader(*document, &builder);
  reader.ReadImages();
  reader.ReadAnnotations();
  absl::StatusOr<Dataset> dataset = std::move(builder).Build();
  if (dataset.ok()) {
    dataset->name = DatasetName(std::filesystem::path(annotations).parent_path().string());
  }
  return dataset;
}

absl::StatusOr<Dataset> ReadCocoResults(const std::string& annotations,
                                        const std::vector<std::string>& results) {
  absl::StatusOr<json> document = ReadJsonObject(annotations);
  if (!document.ok()) return document.status();
  ReadOptions options;
  options.require_files = false;
  options.any_file_name = true;
  DatasetBuilder builder(annotations, "", options);
  CocoReader reader(*document, &builder);
  reader.ReadImages();
  for (const std::string& file : results) {
    if (builder.GivesUp()) break;
    if (absl::Status status = reader.ReadResults(file); !status.ok()) return status;
  }
  return std::move(builder).Build();
}

}  // namespace mgral::client
