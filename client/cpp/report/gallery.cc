#include "client/cpp/report/gallery.h"

#include <algorithm>
#include <map>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <unordered_map>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/report/html.h"
#include "client/cpp/report/summary.h"

namespace mgral::client {
namespace {

constexpr int kJpegQuality = 72;
constexpr int kLeastPerBatch = 4;
constexpr int kMostPerBatch = 14;

// Each image is stored once, in a hidden SVG, and referred to wherever it was picked.
class Thumbnails {
 public:
  Thumbnails(const Dataset* dataset, int pixels) : dataset_(dataset), pixels_(pixels) {
    if (dataset == nullptr) return;
    for (size_t i = 0; i < dataset->images.size(); ++i) by_id_[dataset->images[i].image_id] = i;
  }

  const DatasetImage* Find(const std::string& image_id) const {
    const auto it = by_id_.find(image_id);
    return it == by_id_.end() ? nullptr : &dataset_->images[it->second];
  }

  // The element that shows the image with its boxes, "" if it cannot be shown.
  std::string Show(const std::string& image_id) {
    const auto it = by_id_.find(image_id);
    if (it == by_id_.end()) return "";
    const cv::Size size = Store(it->second);
    if (size.area() == 0) return "";
    std::string svg = absl::StrFormat("<svg class='thumb' viewBox='0 0 %d %d'><use href='#i%d'/>",
                                      size.width, size.height, it->second);
    for (const DatasetBox& box : dataset_->images[it->second].boxes) {
      svg +=
          absl::StrFormat("<rect style='--c:%s' x='%.1f' y='%.1f' width='%.1f' height='%.1f'%s/>",
                          ClassColor(box.class_index), box.x_min, box.y_min, box.width, box.height,
                          box.ignore ? " class='ignore'" : "");
    }
    return svg + "</svg>";
  }

  std::string Definitions() const {
    return absl::StrCat("<svg class='store' aria-hidden='true'><defs>", definitions_,
                        "</defs></svg>");
  }

 private:
  // The size of the original; empty when the file cannot be read.
  cv::Size Store(size_t index) {
    const auto known = stored_.find(index);
    if (known != stored_.end()) return known->second;
    cv::Size& size = stored_[index];
    try {
      const cv::Mat picture = cv::imread(dataset_->images[index].path, cv::IMREAD_COLOR);
      if (picture.empty()) return size;
      const double scale =
          std::min(1.0, static_cast<double>(pixels_) / std::max(picture.cols, picture.rows));
      cv::Mat small;
      cv::resize(picture, small, cv::Size(), scale, scale, cv::INTER_AREA);
      std::vector<uchar> bytes;
      cv::imencode(".jpg", small, bytes, {cv::IMWRITE_JPEG_QUALITY, kJpegQuality});
      const std::string text = absl::Base64Escape(
          absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
      absl::StrAppend(&definitions_, "<image id='i", index, "' width='", picture.cols, "' height='",
                      picture.rows, "' preserveAspectRatio='none' href='data:image/",
                      "jpeg;base64,", text, "'/>\n");
      size = picture.size();
    } catch (const cv::Exception&) {
      // A picture that cannot be decoded is shown by its name.
    }
    return size;
  }

  const Dataset* dataset_;
  int pixels_;
  std::unordered_map<std::string, size_t> by_id_;
  std::map<size_t, cv::Size> stored_;
  std::string definitions_;
};

std::string Caption(const Pick& pick) {
  std::string text = pick.reason;
  if (text.empty() && pick.cell >= 0) text = absl::StrCat("cell ", pick.cell);
  if (text.empty()) text = pick.image_id;
  std::string gain;
  if (pick.gain && !pick.gain_class.empty()) {
    gain = absl::StrFormat("<b>%s %s</b> ", Points(pick.gain), Escape(pick.gain_class));
  }
  return absl::StrFormat("<figcaption>%s<span>%s</span></figcaption>", gain, Escape(text));
}

std::string Tile(const Pick& pick, Thumbnails& thumbnails) {
  std::string shown = thumbnails.Show(pick.image_id);
  if (shown.empty()) {
    shown = absl::StrFormat("<div class='thumb missing'>%s</div>", Escape(pick.image_id));
  }
  return absl::StrFormat("<figure class='tile' title='%s: %s'>%s%s</figure>", Escape(pick.image_id),
                         Escape(pick.reason), shown, Caption(pick));
}

// Objects per class of the whole batch, as a bar.
std::string Composition(const CurvePoint& point, const Dataset* dataset,
                        const Thumbnails& thumbnails) {
  if (dataset == nullptr) return "";
  std::vector<int> objects(dataset->classes.size(), 0);
  int empty = 0;
  int total = 0;
  for (const std::string& image_id : point.batch) {
    const DatasetImage* image = thumbnails.Find(image_id);
    if (image == nullptr) continue;
    empty += image->boxes.empty();
    total += static_cast<int>(image->boxes.size());
    for (const DatasetBox& box : image->boxes) ++objects[box.class_index];
  }
  std::string bar;
  for (size_t k = 0; k < objects.size(); ++k) {
    if (objects[k] == 0) continue;
    bar += absl::StrFormat("<i style='--c:%s;flex-grow:%d' title='%s: %d objects'>%s</i>",
                           ClassColor(k), objects[k], Escape(dataset->classes[k]), objects[k],
                           20 * objects[k] >= total ? absl::StrCat(objects[k]) : "");
  }
  return absl::StrFormat(
      "<div class='mix'>%s</div><p class='mixnote'>%d objects%s</p>", bar, total,
      empty > 0 ? absl::StrCat(", ", empty, empty == 1 ? " image" : " images", " without any")
                : "");
}

std::vector<Pick> PicksOf(const CurvePoint& point) {
  if (!point.picks.empty()) return point.picks;
  std::vector<Pick> picks;
  for (const std::string& image_id : point.batch) {
    picks.emplace_back();
    picks.back().image_id = image_id;
  }
  return picks;
}

std::string BatchStrip(const StrategyRun& run, size_t at, size_t color, size_t per_batch,
                       const Dataset* dataset, Thumbnails& thumbnails) {
  const CurvePoint& point = run.points[at];
  const std::vector<Pick> picks = PicksOf(point);
  std::string html =
      absl::StrFormat("<section class='strip' style='--c:%s'><header><h4>%s</h4><dl>",
                      StrategyColor(run.strategy, color), Escape(run.strategy));
  if (point.estimated_gain) {
    absl::StrAppend(&html, "<div><dt>estimated</dt><dd>", Points(point.estimated_gain), " ± ",
                    Decimal(100 * point.estimated_gain_se.value_or(0), 1), "</dd></div>");
  }
  if (point.realized_gain) {
    absl::StrAppend(&html, "<div><dt>realized</dt><dd>", Points(point.realized_gain),
                    "</dd></div>");
  }
  absl::StrAppend(&html, "<div><dt>on test</dt><dd>", Points(point.test_gain),
                  "</dd></div></dl></header>");
  if (!point.strategy_note.empty()) {
    absl::StrAppend(&html, "<p class='warn'>chosen by ", Escape(point.strategy_used), ": ",
                    Escape(point.strategy_note), "</p>");
  }
  html += Composition(point, dataset, thumbnails) + "<div class='tiles'>";
  const size_t shown = std::min(per_batch, picks.size());
  for (size_t i = 0; i < shown; ++i) html += Tile(picks[i], thumbnails);
  if (picks.size() > shown) {
    absl::StrAppend(&html, "<p class='more'>and ", picks.size() - shown, " more</p>");
  }
  return html + "</div></section>";
}

std::string ClassLegend(const Results& results) {
  std::string html = "<ul class='legend'>";
  for (size_t k = 0; k < results.classes.size(); ++k) {
    html += absl::StrFormat("<li style='--c:%s'><i class='box'></i>%s</li>", ClassColor(k),
                            Escape(results.classes[k]));
  }
  return html + "</ul>";
}

}  // namespace

std::string Gallery(const Results& results, const Dataset* dataset, const GalleryOptions& options) {
  if (results.runs.empty()) return "";
  const int64_t seed = results.runs.front().seed;
  size_t batches = 0, longest = 0;
  for (const StrategyRun& run : results.runs) {
    if (run.seed != seed) continue;
    longest = std::max(longest, run.points.size());
    for (const CurvePoint& point : run.points) batches += !point.batch.empty();
  }
  if (batches == 0) return "";
  const size_t per_batch =
      std::clamp<size_t>(options.most_tiles / batches, kLeastPerBatch, kMostPerBatch);
  // Very many batches: the first cycles only, so that the file stays small.
  size_t left = options.most_tiles;
  Thumbnails thumbnails(dataset, options.thumbnail_pixels);
  const std::vector<std::string> names = StrategyNames(results);
  std::string html;
  for (size_t at = 1; at < longest && left >= per_batch; ++at) {
    std::string strips;
    int64_t from = 0, to = 0;
    for (const StrategyRun& run : results.runs) {
      if (run.seed != seed || at >= run.points.size() || run.points[at].batch.empty()) continue;
      const auto color = std::find(names.begin(), names.end(), run.strategy) - names.begin();
      strips += BatchStrip(run, at, static_cast<size_t>(color), per_batch, dataset, thumbnails);
      from = run.points[at - 1].labels;
      to = run.points[at].labels;
      left -= std::min(left, per_batch);
    }
    if (strips.empty()) continue;
    html += absl::StrFormat(
        "<details%s><summary>Batch %d <span>%d → %d labels</span></summary>%s</details>",
        at == 1 ? " open" : "", at, from, to, strips);
  }
  return absl::StrCat(thumbnails.Definitions(), ClassLegend(results), html);
}

}  // namespace mgral::client
