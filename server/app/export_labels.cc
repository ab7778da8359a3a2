#include "server/app/export_labels.h"

#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>

#include "server/base/status_macros.h"

namespace mgral::app {
namespace {

using domain::Image;
using domain::ImageUse;
using Json = nlohmann::ordered_json;
using LabeledImage = domain::PoolStore::LabeledImage;

constexpr size_t kChunkBytes = 256 << 10;
constexpr int kPageImages = 500;

// A JSON document that is written piece by piece.
class Writer {
 public:
  explicit Writer(const WriteChunk& write) : write_(write) {}

  void Raw(absl::string_view text) { buffer_.append(text.data(), text.size()); }
  void BeginList(absl::string_view name) {
    Raw("\"");
    Raw(name);
    Raw("\":[");
    first_ = true;
  }
  absl::Status Item(const Json& item) {
    Raw(first_ ? "\n" : ",\n");
    first_ = false;
    Raw(item.dump(-1, ' ', false, Json::error_handler_t::replace));
    return buffer_.size() < kChunkBytes ? absl::OkStatus() : Flush();
  }
  void EndList(absl::string_view follow) {
    Raw("\n]");
    Raw(follow);
  }
  absl::Status Flush() {
    if (!buffer_.empty() && !write_(buffer_)) return absl::CancelledError("the client went away");
    buffer_.clear();
    return absl::OkStatus();
  }

 private:
  const WriteChunk& write_;
  std::string buffer_;
  bool first_ = true;
};

// Every labeled image of the pool with its boxes.
absl::Status ForEachLabeled(domain::PoolStore* pools, const domain::Pool& pool,
                            const std::function<absl::Status(const LabeledImage&)>& visit) {
  for (const ImageUse use : {ImageUse::kTraining, ImageUse::kValidation}) {
    int64_t after = 0;
    while (true) {
      MGRAL_ASSIGN_OR_RETURN(const auto page,
                             pools->LabeledImages(pool.key, use, after, kPageImages));
      for (const LabeledImage& labeled : page) {
        MGRAL_RETURN_IF_ERROR(visit(labeled));
        after = labeled.image.key;
      }
      if (page.size() < kPageImages) break;
    }
  }
  return absl::OkStatus();
}

Json ImageItem(const domain::CallContext& call, const Image& image, int64_t id,
               domain::ImageLoader* loader) {
  using Kind = domain::ImageSource::Kind;
  int width = image.width, height = image.height;
  if (width == 0 || height == 0) {  // registered without being read
    const auto header = loader->ReadHeader(call, image.source);
    if (header.ok()) {
      width = header->width;
      height = header->height;
    }
  }
  Json item = {
      {"id", id},
      {"file_name", image.source.kind == Kind::kPath ? image.source.location : image.image_id},
      {"width", width},
      {"height", height},
      {"mgral_image_id", image.image_id},
      {"mgral_use", image.use == ImageUse::kValidation ? "VALIDATION" : "TRAINING"}};
  if (image.source.kind == Kind::kUri) item["coco_url"] = image.source.location;
  return item;
}

Json AnnotationItem(const domain::Box& box, int64_t id, int64_t image_id) {
  return {{"id", id},
          {"image_id", image_id},
          {"category_id", box.class_index + 1},
          {"bbox", {box.x_min, box.y_min, box.width, box.height}},
          {"area", box.width * box.height},
          {"iscrowd", 0},
          {"ignore", box.ignore ? 1 : 0}};
}

}  // namespace

absl::Status ExportCoco(const domain::CallContext& call, domain::PoolStore* pools,
                        domain::ImageLoader* loader, const domain::Pool& pool,
                        const WriteChunk& write) {
  Writer writer(write);
  writer.Raw("{\"info\":");
  writer.Raw(Json({{"description", "pools/" + pool.pool_id}, {"version", "1"}})
                 .dump(-1, ' ', false, Json::error_handler_t::replace));
  writer.Raw(",\n\"licenses\":[],\n");

  writer.BeginList("categories");
  for (size_t c = 0; c < pool.classes.size(); ++c) {
    MGRAL_RETURN_IF_ERROR(
        writer.Item({{"id", c + 1}, {"name", pool.classes[c]}, {"supercategory", ""}}));
  }
  writer.EndList(",\n");

  // Of the images that were written, so that no annotation points at one that was not.
  std::unordered_map<int64_t, int64_t> id_of_key;
  writer.BeginList("images");
  absl::Status status = ForEachLabeled(pools, pool, [&](const LabeledImage& labeled) {
    const int64_t id = static_cast<int64_t>(id_of_key.size()) + 1;
    if (!id_of_key.emplace(labeled.image.key, id).second) return absl::OkStatus();
    const absl::Status waiting = call.Check();
    return waiting.ok() ? writer.Item(ImageItem(call, labeled.image, id, loader)) : waiting;
  });
  if (!status.ok()) return status;
  writer.EndList(",\n");

  writer.BeginList("annotations");
  int64_t annotation = 0;
  status = ForEachLabeled(pools, pool, [&](const LabeledImage& labeled) {
    const auto image = id_of_key.find(labeled.image.key);
    if (image == id_of_key.end()) return absl::OkStatus();
    for (const domain::Box& box : labeled.boxes) {
      MGRAL_RETURN_IF_ERROR(writer.Item(AnnotationItem(box, ++annotation, image->second)));
    }
    id_of_key.erase(image);  // it may have moved between training and validation meanwhile
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  writer.EndList("}\n");
  return writer.Flush();
}

}  // namespace mgral::app
