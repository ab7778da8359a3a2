#include "client/cpp/synth/synth.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/synth/render.h"
#include "client/cpp/synth/seeded_random.h"
#include "nlohmann/json.hpp"

namespace mgral::client {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kPartShare[3] = {0.55, 0.15, 0.30};
constexpr int kJpegQuality = 92;

std::string FileName(size_t index) { return absl::StrFormat("frame_%05d.jpg", index + 1); }

double Rounded(double value) { return std::round(value * 100) / 100; }

absl::Status Check(const SynthOptions& options) {
  if (options.folder.empty()) return absl::InvalidArgumentError("--out: a folder is needed");
  if (options.images < kLeastSynthImages || options.images > kMostSynthImages) {
    return absl::InvalidArgumentError(absl::StrCat("--images: ", options.images, " is not in ",
                                                   kLeastSynthImages, "..", kMostSynthImages));
  }
  if (options.size < kLeastSynthSize || options.size > kMostSynthSize) {
    return absl::InvalidArgumentError(absl::StrCat("--size: ", options.size, " is not in ",
                                                   kLeastSynthSize, "..", kMostSynthSize));
  }
  return absl::OkStatus();
}

absl::Status WriteText(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) return absl::InternalError(absl::StrCat("cannot write ", path.string()));
  return absl::OkStatus();
}

absl::Status WritePicture(const std::filesystem::path& path, const cv::Mat& picture) {
  bool written = false;
  try {
    written = cv::imwrite(path.string(), picture, {cv::IMWRITE_JPEG_QUALITY, kJpegQuality});
  } catch (const cv::Exception&) {
    // Reported below: the path is all that the user can do something about.
  }
  if (!written) return absl::InternalError(absl::StrCat("cannot write ", path.string()));
  return absl::OkStatus();
}

const cv::Scalar& ClassColor(SynthClass kind) {
  static const cv::Scalar colors[kSynthClasses] = {{212, 126, 42}, {80, 175, 76}, {34, 130, 245},
                                                   {60, 200, 250}, {72, 61, 229}, {200, 80, 190}};
  return colors[kind];
}

// A grid of pictures with their boxes; the rare classes are sure to be in it.
class ContactSheet {
 public:
  ContactSheet(size_t frames, int size)
      : stride_(std::max<size_t>(1, frames / kTiles)), size_(size) {}

  void Offer(size_t index, const Rendered& rendered) {
    const bool rare = std::any_of(rendered.boxes.begin(), rendered.boxes.end(),
                                  [](const RenderedBox& box) { return box.kind >= kStar; });
    if (rare && rare_.size() < kTiles / 3) {
      rare_.push_back(Draw(rendered));
    } else if (index % stride_ == 0 && plain_.size() < kTiles) {
      plain_.push_back(Draw(rendered));
    }
  }

  absl::Status Write(const std::string& path) const {
    std::vector<cv::Mat> tiles = plain_;
    tiles.resize(std::min(tiles.size(), kTiles - rare_.size()));
    for (size_t i = 0; i < rare_.size(); ++i) {
      tiles.insert(tiles.begin() + static_cast<long>(std::min(3 * i + 1, tiles.size())), rare_[i]);
    }
    constexpr int kGap = 6;
    constexpr int kColumns = 8;
    const int rows = static_cast<int>((tiles.size() + kColumns - 1) / kColumns);
    cv::Mat sheet(rows * (size_ + kGap) + kGap, kColumns * (size_ + kGap) + kGap, CV_8UC3,
                  cv::Scalar::all(255));
    for (size_t i = 0; i < tiles.size(); ++i) {
      const int x = kGap + static_cast<int>(i % kColumns) * (size_ + kGap);
      const int y = kGap + static_cast<int>(i / kColumns) * (size_ + kGap);
      tiles[i].copyTo(sheet(cv::Rect(x, y, size_, size_)));
    }
    return WritePicture(path, sheet);
  }

 private:
  static constexpr size_t kTiles = 48;

  static cv::Mat Draw(const Rendered& rendered) {
    cv::Mat tile = rendered.picture.clone();
    for (const RenderedBox& box : rendered.boxes) {
      cv::rectangle(tile,
                    cv::Rect2d(box.x_min, box.y_min, std::max(1.0, box.width - 1),
                               std::max(1.0, box.height - 1)),
                    ClassColor(box.kind), 1, cv::LINE_AA);
    }
    return tile;
  }

  size_t stride_;
  int size_;
  std::vector<cv::Mat> plain_;
  std::vector<cv::Mat> rare_;
};

// Annotations and counts, frame by frame.
class CocoWriter {
 public:
  explicit CocoWriter(const SynthOptions& options) {
    document_["info"] = {{"description", "mgral synth"},
                         {"seed", options.seed},
                         {"images", options.images},
                         {"size", options.size}};
    document_["images"] = Json::array();
    document_["annotations"] = Json::array();
    document_["categories"] = Json::array();
    for (int kind = 0; kind < kSynthClasses; ++kind) {
      document_["categories"].push_back({{"id", kind + 1}, {"name", SynthClassNames()[kind]}});
    }
    summary_.class_images.assign(kSynthClasses, 0);
  }

  void Add(size_t index, const Frame& frame, const Rendered& rendered) {
    document_["images"].push_back({{"id", index + 1},
                                   {"file_name", FileName(index)},
                                   {"width", rendered.picture.cols},
                                   {"height", rendered.picture.rows},
                                   {"sequence", frame.sequence},
                                   {"near_dup_group", frame.near_dup_group}});
    std::array<bool, kSynthClasses> present{};
    for (const RenderedBox& box : rendered.boxes) {
      present[box.kind] = true;
      document_["annotations"].push_back(
          {{"id", ++summary_.boxes},
           {"image_id", index + 1},
           {"category_id", box.kind + 1},
           {"bbox",
            {Rounded(box.x_min), Rounded(box.y_min), Rounded(box.width), Rounded(box.height)}},
           {"area", Rounded(box.width * box.height)},
           {"iscrowd", 0}});
    }
    ++summary_.images;
    summary_.empty_images += rendered.boxes.empty();
    for (int kind = 0; kind < kSynthClasses; ++kind) summary_.class_images[kind] += present[kind];
  }

  const Json& document() const { return document_; }
  SynthSummary& summary() { return summary_; }

 private:
  Json document_;
  SynthSummary summary_;
};

void CountBursts(const std::vector<Frame>& frames, SynthSummary* summary) {
  std::map<int, int64_t> sizes;
  for (const Frame& frame : frames) ++sizes[frame.near_dup_group];
  for (const auto& [group, size] : sizes) {
    if (size < 2) continue;
    ++summary->bursts;
    summary->burst_images += size;
  }
}

std::vector<std::string> Names(const std::vector<int>& positions) {
  std::vector<std::string> names;
  for (int position : positions) names.push_back(FileName(position));
  return names;
}

}  // namespace

SynthSplits SplitFrames(const std::vector<Frame>& frames, uint64_t seed) {
  struct Group {
    int rarest = -1;  // class; -1: empty
    std::vector<int> members;
  };
  std::map<int, Group> by_id;
  for (size_t i = 0; i < frames.size(); ++i) {
    Group& group = by_id[frames[i].near_dup_group];
    group.members.push_back(static_cast<int>(i));
    for (const SceneObject& object : frames[i].scene.objects) {
      group.rarest = std::max(group.rarest, static_cast<int>(object.kind));
    }
  }
  std::vector<Group> groups;
  for (auto& [id, group] : by_id) groups.push_back(std::move(group));
  SeededRandom(seed, 3).Shuffle(groups);
  // Class by class, so that each part gets its share of the rare ones; long bursts first, so that
  // the single frames even out the sizes.
  std::stable_sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) {
    if (a.rarest != b.rarest) return a.rarest > b.rarest;
    return a.members.size() > b.members.size();
  });
  std::array<std::vector<int>, 3> parts;
  std::array<double, 3> due{};  // of the class at hand: frames a part should have beyond its own
  int at_class = kSynthClasses;
  for (const Group& group : groups) {
    if (group.rarest != at_class) due = {};
    at_class = group.rarest;
    const double size = static_cast<double>(group.members.size());
    for (int p = 0; p < 3; ++p) due[p] += kPartShare[p] * size;
    const auto part = std::max_element(due.begin(), due.end()) - due.begin();
    due[part] -= size;
    parts[part].insert(parts[part].end(), group.members.begin(), group.members.end());
  }
  for (std::vector<int>& part : parts) std::sort(part.begin(), part.end());
  return {parts[0], parts[1], parts[2]};
}

absl::StatusOr<SynthSummary> WriteSynthDataset(const SynthOptions& options,
                                               const std::function<void(int64_t)>& progress) {
  if (absl::Status status = Check(options); !status.ok()) return status;
  const std::filesystem::path root = options.folder;
  std::error_code error;
  std::filesystem::create_directories(root / "images", error);
  if (error) {
    return absl::InternalError(
        absl::StrCat("--out: cannot make ", (root / "images").string(), ": ", error.message()));
  }
  const std::vector<Frame> frames = PlanFrames(options.images, options.seed);
  CocoWriter coco(options);
  ContactSheet sheet(frames.size(), options.size);
  for (size_t i = 0; i < frames.size(); ++i) {
    const Rendered rendered = RenderScene(frames[i].scene, options.size, frames[i].seed);
    absl::Status status = WritePicture(root / "images" / FileName(i), rendered.picture);
    if (!status.ok()) return status;
    coco.Add(i, frames[i], rendered);
    if (!options.contact_sheet.empty()) sheet.Offer(i, rendered);
    if (progress) progress(static_cast<int64_t>(i + 1));
  }
  const SynthSplits splits = SplitFrames(frames, options.seed);
  SynthSummary& summary = coco.summary();
  CountBursts(frames, &summary);
  summary.train = static_cast<int64_t>(splits.train.size());
  summary.validation = static_cast<int64_t>(splits.validation.size());
  summary.test = static_cast<int64_t>(splits.test.size());
  const Json lists = {{"train", Names(splits.train)},
                      {"val", Names(splits.validation)},
                      {"test", Names(splits.test)}};
  absl::Status status = WriteText(root / "annotations.json", coco.document().dump() + "\n");
  if (status.ok()) status = WriteText(root / "splits.json", lists.dump(1) + "\n");
  if (status.ok() && !options.contact_sheet.empty()) status = sheet.Write(options.contact_sheet);
  if (!status.ok()) return status;
  return summary;
}

}  // namespace mgral::client
