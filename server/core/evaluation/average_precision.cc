#include "server/core/evaluation/average_precision.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

namespace mgral::core {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// What COCO averages over, to the bit as pycocotools has it: NumPy makes both grids by multiplying,
// so that one threshold is not 0.9, and a recall of 7/20 lies below grid point 35.
constexpr double kCocoThresholds[] = {
    0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.8999999999999999, 0.95};
constexpr double kCocoRecallStep = 0.01;
// COCO's threshold 1 is a little less, for boxes that are equal but for rounding.
constexpr double kMaxCocoThreshold = 1 - 1e-10;

// One detection that counts, in the order of its score.
struct Outcome {
  double score;
  bool hit;
};

struct Truth {
  const TruthBox* box;
  bool ignored;
  bool taken;
};

template <typename Box>
double Area(const Box& b, bool inclusive) {
  const double one = inclusive ? 1 : 0;
  return std::max(0.0, b.x_max - b.x_min + one) * std::max(0.0, b.y_max - b.y_min + one);
}

double Overlap(const ScoredBox& found, const TruthBox& truth, bool inclusive) {
  const double one = inclusive ? 1 : 0;
  const double w = std::min(found.x_max, truth.x_max) - std::max(found.x_min, truth.x_min) + one;
  const double h = std::min(found.y_max, truth.y_max) - std::max(found.y_min, truth.y_min) + one;
  if (w <= 0 || h <= 0) return 0;
  const double both = w * h;
  const double found_area = Area(found, inclusive);
  const double any = truth.crowd ? found_area : found_area + Area(truth, inclusive) - both;
  return any > 0 ? both / any : 0;
}

void CheckBox(double x_min, double y_min, double x_max, double y_max, int32_t label,
              int64_t num_classes, size_t image) {
  if (label < 0 || label >= num_classes) {
    throw std::invalid_argument("image " + std::to_string(image) + ": label " +
                                std::to_string(label) + " is not in [0, " +
                                std::to_string(num_classes) + ")");
  }
  for (double v : {x_min, y_min, x_max, y_max}) {
    if (!std::isfinite(v)) {
      throw std::invalid_argument("image " + std::to_string(image) +
                                  ": a box coordinate is not finite");
    }
  }
}

// The index of the truth box that `found` is compared with, or -1.
int BestMatch(const ScoredBox& found, const std::vector<Truth>& truth, const ApOptions& options) {
  const bool coco = options.matching == Matching::kCoco;
  int best = -1;
  double best_overlap =
      coco ? std::min(options.iou_threshold, kMaxCocoThreshold) : options.iou_threshold;
  for (size_t j = 0; j < truth.size(); ++j) {
    if (coco && truth[j].taken && !truth[j].box->crowd) continue;
    if (coco && best >= 0 && !truth[best].ignored && truth[j].ignored) break;
    const double overlap = Overlap(found, *truth[j].box, options.inclusive);
    if (overlap < best_overlap) continue;
    if (!coco && best >= 0 && overlap == best_overlap) continue;
    best = static_cast<int>(j);
    best_overlap = overlap;
  }
  return best;
}

// The truth boxes of one class in the order in which they are tried.
std::vector<Truth> TruthOf(const ImageResult& image, int32_t label, const ApOptions& options) {
  std::vector<Truth> truth;
  for (const TruthBox& t : image.truth) {
    if (t.label != label) continue;
    const bool ignored = t.ignore || t.crowd || !options.area.Contains(Area(t, options.inclusive));
    truth.push_back({&t, ignored, false});
  }
  if (options.matching == Matching::kCoco) {
    std::stable_partition(truth.begin(), truth.end(), [](const Truth& t) { return !t.ignored; });
  }
  return truth;
}

// The best detections of one class, best first.
std::vector<const ScoredBox*> FoundOf(const ImageResult& image, int32_t label,
                                      const ApOptions& options) {
  std::vector<const ScoredBox*> found;
  for (const ScoredBox& f : image.found) {
    if (f.label == label) found.push_back(&f);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto* a, const auto* b) { return a->score > b->score; });
  if (options.max_detections > 0 && found.size() > static_cast<size_t>(options.max_detections)) {
    found.resize(options.max_detections);
  }
  return found;
}

void MatchImage(const ImageResult& image, int32_t label, const ApOptions& options, ClassAp* out,
                std::vector<Outcome>* outcomes) {
  std::vector<Truth> truth = TruthOf(image, label, options);
  for (const Truth& t : truth) out->positives += !t.ignored;
  for (const ScoredBox* f : FoundOf(image, label, options)) {
    const int match = BestMatch(*f, truth, options);
    const bool ignored =
        match >= 0 ? truth[match].ignored : !options.area.Contains(Area(*f, options.inclusive));
    const bool hit = match >= 0 && !truth[match].taken;
    if (match >= 0) truth[match].taken = true;
    if (ignored) continue;
    out->true_positives += hit;
    outcomes->push_back({f->score, hit});
  }
}

double Integrate(const std::vector<double>& recall, const std::vector<double>& envelope,
                 Interpolation interpolation) {
  double sum = 0;
  if (interpolation == Interpolation::kArea) {
    double previous = 0;
    for (size_t i = 0; i < recall.size(); ++i) {
      sum += (recall[i] - previous) * envelope[i];
      previous = recall[i];
    }
    return sum;
  }
  const bool coco = interpolation == Interpolation::kCoco101;
  const int points = coco ? 101 : 11;
  size_t i = 0;
  for (int p = 0; p < points; ++p) {
    const double r = coco ? p * kCocoRecallStep : p / 10.0;
    while (i < recall.size() && recall[i] < r) ++i;
    if (i == recall.size()) break;
    sum += envelope[i];
  }
  return sum / points;
}

double Summarize(std::vector<Outcome> outcomes, int64_t positives, Interpolation interpolation) {
  if (positives == 0) return kNaN;
  std::stable_sort(outcomes.begin(), outcomes.end(),
                   [](const Outcome& a, const Outcome& b) { return a.score > b.score; });
  std::vector<double> recall(outcomes.size()), envelope(outcomes.size());
  int64_t hits = 0;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    hits += outcomes[i].hit;
    recall[i] = static_cast<double>(hits) / positives;
    envelope[i] = static_cast<double>(hits) / (i + 1);
  }
  for (size_t i = outcomes.size(); i-- > 1;) {
    envelope[i - 1] = std::max(envelope[i - 1], envelope[i]);
  }
  return Integrate(recall, envelope, interpolation);
}

double MeanOfNumbers(const std::vector<double>& values) {
  double sum = 0;
  int64_t count = 0;
  for (double v : values) {
    if (std::isnan(v)) continue;
    sum += v;
    ++count;
  }
  return count > 0 ? sum / count : kNaN;
}

}  // namespace

std::vector<ClassAp> AveragePrecision(const std::vector<ImageResult>& images, int64_t num_classes,
                                      const ApOptions& options) {
  for (size_t i = 0; i < images.size(); ++i) {
    for (const TruthBox& t : images[i].truth) {
      CheckBox(t.x_min, t.y_min, t.x_max, t.y_max, t.label, num_classes, i);
    }
    for (const ScoredBox& f : images[i].found) {
      CheckBox(f.x_min, f.y_min, f.x_max, f.y_max, f.label, num_classes, i);
      if (!std::isfinite(f.score)) {
        throw std::invalid_argument("image " + std::to_string(i) + ": a score is not finite");
      }
    }
  }
  std::vector<ClassAp> classes(num_classes);
  for (int32_t c = 0; c < num_classes; ++c) {
    std::vector<Outcome> outcomes;
    for (const ImageResult& image : images) {
      MatchImage(image, c, options, &classes[c], &outcomes);
    }
    classes[c].detections = static_cast<int64_t>(outcomes.size());
    classes[c].ap = Summarize(std::move(outcomes), classes[c].positives, options.interpolation);
  }
  return classes;
}

double MeanAp(const std::vector<ClassAp>& classes) {
  std::vector<double> values;
  for (const ClassAp& c : classes) values.push_back(c.ap);
  return MeanOfNumbers(values);
}

Accuracy MeasureAccuracy(const std::vector<ImageResult>& images, int64_t num_classes) {
  Accuracy accuracy;
  for (const ClassAp& c : AveragePrecision(images, num_classes)) {
    accuracy.class_ap50.push_back(c.ap);
    accuracy.class_positives.push_back(c.positives);
  }
  ApOptions eleven;
  eleven.interpolation = Interpolation::kElevenPoint;
  for (const ClassAp& c : AveragePrecision(images, num_classes, eleven)) {
    accuracy.class_ap50_11_point.push_back(c.ap);
  }
  accuracy.class_ap.assign(num_classes, 0);
  ApOptions coco;
  coco.interpolation = Interpolation::kCoco101;
  coco.matching = Matching::kCoco;
  coco.max_detections = 100;
  for (const double threshold : kCocoThresholds) {
    coco.iou_threshold = threshold;
    const std::vector<ClassAp> classes = AveragePrecision(images, num_classes, coco);
    for (int64_t c = 0; c < num_classes; ++c) accuracy.class_ap[c] += classes[c].ap / 10;
  }
  accuracy.map50 = MeanOfNumbers(accuracy.class_ap50);
  accuracy.map50_11_point = MeanOfNumbers(accuracy.class_ap50_11_point);
  accuracy.map = MeanOfNumbers(accuracy.class_ap);
  return accuracy;
}

}  // namespace mgral::core
