#include "client/cpp/command/batch_coco.h"

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "client/cpp/lib/image_matching.h"

namespace mgral::client {
namespace {

// The image's file below the folder that it was registered from. An id doesn't tell whether its
// ":" stands for a "/"; the path does, if the server was given one.
std::string FileName(const v1::Image& image, const std::string& image_id) {
  for (absl::string_view rest = image.path(); !rest.empty();) {
    if (ImageIdOfFile(std::string(rest)) == image_id) return std::string(rest);
    const size_t slash = rest.find('/');
    rest = slash == absl::string_view::npos ? "" : rest.substr(slash + 1);
  }
  if (!image.path().empty()) return image.path();  // the id was not made of it
  const std::string name = absl::StrReplaceAll(image_id, {{":", "/"}});
  // Such a name no file has: the id was not made of one.
  for (const absl::string_view part : absl::StrSplit(name, '/')) {
    if (part.empty() || part == "." || part == "..") return image_id;
  }
  return name;
}

}  // namespace

absl::StatusOr<Json> BatchAsCoco(const v1::Batch& batch, double min_score, Client& client) {
  const std::vector<std::string> parts = absl::StrSplit(batch.name(), '/');
  const std::string pool_name = PoolName(parts.size() > 1 ? parts[1] : batch.name());
  const absl::StatusOr<v1::Pool> pool = client.GetPool(pool_name);
  if (!pool.ok()) return pool.status();

  Json document = {{"info", {{"description", batch.name()}}},
                   {"categories", Json::array()},
                   {"images", Json::array()},
                   {"annotations", Json::array()}};
  std::map<std::string, int> category_ids;
  for (const std::string& name : pool->classes()) {
    const int id = static_cast<int>(category_ids.size()) + 1;
    category_ids[name] = id;
    document["categories"].push_back({{"id", id}, {"name", name}});
  }
  for (const v1::BatchImage& member : batch.images()) {
    const absl::StatusOr<v1::Image> image =
        client.GetImage(absl::StrCat(pool_name, "/images/", member.image_id()));
    if (!image.ok()) return image.status();
    const size_t image_number = document["images"].size() + 1;
    Json item = {{"id", image_number},
                 {"file_name", FileName(*image, member.image_id())},
                 // Tools that keep it bring the labels back to their image whatever the name.
                 {"mgral_image_id", member.image_id()}};
    if (image->width() > 0) {  // unknown where it was registered unseen
      item["width"] = image->width();
      item["height"] = image->height();
    }
    document["images"].push_back(std::move(item));
    for (const v1::Box& box : member.predictions()) {
      if (box.score() < min_score) continue;
      document["annotations"].push_back(
          {{"id", document["annotations"].size() + 1},
           {"image_id", image_number},
           {"category_id", category_ids[box.class_name()]},
           {"bbox", {box.x_min(), box.y_min(), box.width(), box.height()}},
           {"area", box.width() * box.height()},
           {"iscrowd", 0},
           {"score", box.score()}});
    }
  }
  return document;
}

}  // namespace mgral::client
