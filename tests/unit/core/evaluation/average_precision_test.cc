#include "server/core/evaluation/average_precision.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

namespace mgral::core {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(AveragePrecision, RefusesUnknownLabelsAndNumbersThatAreNone) {
  EXPECT_THROW(AveragePrecision({{{{0, 0, 1, 1, 3}}, {}}}, 3), std::invalid_argument);
  EXPECT_THROW(AveragePrecision({{{{0, 0, 1, 1, -1}}, {}}}, 3), std::invalid_argument);
  EXPECT_THROW(AveragePrecision({{{}, {{0, 0, kNaN, 1, 0, 0.5}}}}, 3), std::invalid_argument);
  EXPECT_THROW(AveragePrecision({{{}, {{0, 0, 1, 1, 0, kNaN}}}}, 3), std::invalid_argument);
}

TEST(AveragePrecision, ClassWithoutTruthIsLeftOutOfTheMean) {
  const std::vector<ImageResult> images = {{{{0, 0, 10, 10, 0}, {50, 50, 60, 60, 1, true}},
                                            {{0, 0, 10, 10, 0, 0.9}, {50, 50, 60, 60, 1, 0.9}}}};
  const auto classes = AveragePrecision(images, 3);
  EXPECT_DOUBLE_EQ(classes[0].ap, 1);
  EXPECT_TRUE(std::isnan(classes[1].ap));  // only a difficult box
  EXPECT_EQ(classes[1].detections, 0);     // which was found: counts neither way
  EXPECT_TRUE(std::isnan(classes[2].ap));
  EXPECT_DOUBLE_EQ(MeanAp(classes), 1);
  EXPECT_TRUE(std::isnan(MeanAp(AveragePrecision({}, 2))));
}

TEST(AveragePrecision, NothingFoundIsZero) {
  EXPECT_DOUBLE_EQ(AveragePrecision({{{{0, 0, 10, 10, 0}}, {}}}, 1)[0].ap, 0);
}

TEST(AveragePrecision, SecondHitIsAFalsePositive) {
  const ImageResult image = {
      {{0, 0, 10, 10, 0}, {100, 0, 110, 10, 0}},
      {{0, 0, 10, 10, 0, 0.9}, {0, 0, 10, 9, 0, 0.8}, {100, 0, 110, 10, 0, 0.7}}};
  const auto classes = AveragePrecision({image}, 1);
  EXPECT_EQ(classes[0].true_positives, 2);
  EXPECT_DOUBLE_EQ(classes[0].ap, 0.5 * 1 + 0.5 * 2 / 3);
}

TEST(AveragePrecision, RulesDifferWhereABoxIsTaken) {
  // The second detection overlaps the taken box most: VOC calls it wrong, COCO gives it the other.
  const ImageResult image = {{{0, 0, 10, 10, 0}, {3, 0, 13, 10, 0}},
                             {{0, 0, 10, 10, 0, 0.9}, {1, 0, 11, 10, 0, 0.8}}};
  ApOptions options;
  EXPECT_EQ(AveragePrecision({image}, 1, options)[0].true_positives, 1);
  options.matching = Matching::kCoco;
  EXPECT_EQ(AveragePrecision({image}, 1, options)[0].true_positives, 2);
}

TEST(AveragePrecision, CrowdTakesAnyNumberOfDetections) {
  const ImageResult image = {
      {{0, 0, 100, 100, 0, true, true}, {200, 0, 210, 10, 0}},
      {{0, 0, 10, 10, 0, 0.9}, {50, 50, 60, 60, 0, 0.8}, {200, 0, 210, 10, 0, 0.7}}};
  ApOptions options;
  options.matching = Matching::kCoco;
  const auto classes = AveragePrecision({image}, 1, options);
  EXPECT_EQ(classes[0].detections, 1);
  EXPECT_DOUBLE_EQ(classes[0].ap, 1);
}

TEST(AveragePrecision, InclusiveCountsPixels) {
  // 9 of 16 pixels counted inclusively; 4 of 9 otherwise.
  const ImageResult image = {{{0, 0, 3, 3, 0}}, {{0, 0, 2, 2, 0, 0.9}}};
  ApOptions options;
  EXPECT_DOUBLE_EQ(AveragePrecision({image}, 1, options)[0].ap, 0);
  options.inclusive = true;
  EXPECT_DOUBLE_EQ(AveragePrecision({image}, 1, options)[0].ap, 1);
}

TEST(AveragePrecision, LimitKeepsTheBest) {
  const ImageResult image = {{{0, 0, 10, 10, 0}},
                             {{50, 0, 60, 10, 0, 0.2}, {0, 0, 10, 10, 0, 0.9}}};
  ApOptions options;
  options.max_detections = 1;
  EXPECT_EQ(AveragePrecision({image}, 1, options)[0].detections, 1);
  EXPECT_DOUBLE_EQ(AveragePrecision({image}, 1, options)[0].ap, 1);
}

TEST(AveragePrecision, CocoTakesTheLastOfEqualsWhichMayLeaveAnotherForTheNextDetection) {
  // The first detection overlaps both boxes by 80/120; the second only the left one.
  ImageResult image = {{{0, 0, 10, 10, 0}, {4, 0, 14, 10, 0}},
                       {{2, 0, 12, 10, 0, 0.9}, {0, 0, 10, 10, 0, 0.8}}};
  ApOptions options;
  options.matching = Matching::kCoco;
  EXPECT_EQ(AveragePrecision({image}, 1, options)[0].true_positives, 2);
  std::swap(image.truth[0], image.truth[1]);
  EXPECT_EQ(AveragePrecision({image}, 1, options)[0].true_positives, 1);
}

TEST(AveragePrecision, CocoThresholdOneForgivesRounding) {
  const ImageResult image = {{{0, 0, 10, 10, 0}}, {{0, 0, 10 + 1e-12, 10, 0, 0.9}}};
  ApOptions options;
  options.iou_threshold = 1;
  EXPECT_EQ(AveragePrecision({image}, 1, options)[0].true_positives, 0);
  options.matching = Matching::kCoco;
  EXPECT_EQ(AveragePrecision({image}, 1, options)[0].true_positives, 1);
}

TEST(AveragePrecision, AreaRangeIgnoresOtherTruthAndWhatMatchesNothing) {
  const ImageResult image = {{{0, 0, 32, 32, 0}, {100, 0, 196, 96, 0}},
                             {{0, 0, 32, 32, 0, 0.9},        // right, on the border
                              {100, 0, 196, 96, 0, 0.8},     // right, on the other border
                              {0, 200, 10, 210, 0, 0.7},     // wrong and small
                              {0, 200, 100, 300, 0, 0.6}}};  // wrong and large
  const auto measure = [&](const AreaRange& area) {
    ApOptions options;
    options.matching = Matching::kCoco;
    options.area = area;
    const ClassAp c = AveragePrecision({image}, 1, options)[0];
    return std::vector<int64_t>{c.positives, c.detections, c.true_positives};
  };
  EXPECT_THAT(measure({}), testing::ElementsAre(2, 4, 2));
  EXPECT_THAT(measure(kSmallArea), testing::ElementsAre(1, 2, 1));
  EXPECT_THAT(measure(kMediumArea), testing::ElementsAre(2, 2, 2));
  EXPECT_THAT(measure(kLargeArea), testing::ElementsAre(1, 2, 1));
}

// A second implementation, by definition and not by bookkeeping: each point of the curve is made
// from its own prefix of the ranking, matched from the start.
struct Brute {
  std::vector<ImageResult> images;
  ApOptions options;

  double Iou(const ScoredBox& f, const TruthBox& t) const {
    const double o = options.inclusive;
    const double w = std::min(f.x_max, t.x_max) - std::max(f.x_min, t.x_min) + o;
    const double h = std::min(f.y_max, t.y_max) - std::max(f.y_min, t.y_min) + o;
    if (w <= 0 || h <= 0) return 0;
    const double fa = (f.x_max - f.x_min + o) * (f.y_max - f.y_min + o);
    const double ta = (t.x_max - t.x_min + o) * (t.y_max - t.y_min + o);
    return w * h / (fa + ta - w * h);
  }

  double Ap(int c) const {
    std::vector<std::tuple<double, size_t, size_t>> ranking;  // -score, image, box
    int64_t positives = 0;
    for (size_t i = 0; i < images.size(); ++i) {
      for (const TruthBox& t : images[i].truth) positives += t.label == c && !t.ignore;
      for (size_t j = 0; j < images[i].found.size(); ++j) {
        if (images[i].found[j].label == c) ranking.emplace_back(-images[i].found[j].score, i, j);
      }
    }
    if (positives == 0) return kNaN;
    std::stable_sort(ranking.begin(), ranking.end(),
                     [](const auto& a, const auto& b) { return std::get<0>(a) < std::get<0>(b); });
    std::vector<std::pair<double, double>> curve;  // recall, precision
    for (size_t n = 1; n <= ranking.size(); ++n) {
      std::set<std::pair<size_t, size_t>> used;
      int64_t hits = 0, misses = 0;
      for (size_t r = 0; r < n; ++r) Judge(ranking[r], c, &used, &hits, &misses);
      if (hits + misses > 0) {
        curve.emplace_back(static_cast<double>(hits) / positives,
                           static_cast<double>(hits) / (hits + misses));
      }
    }
    return Average(curve);
  }

  void Judge(const std::tuple<double, size_t, size_t>& rank, int c,
             std::set<std::pair<size_t, size_t>>* used, int64_t* hits, int64_t* misses) const {
    const auto [score, i, j] = rank;
    int best = -1;
    double overlap = -1;
    for (int pass = 0; pass < 2 && best < 0; ++pass) {  // COCO: boxes to ignore come second
      for (size_t t = 0; t < images[i].truth.size(); ++t) {
        const TruthBox& truth = images[i].truth[t];
        if (truth.label != c) continue;
        const bool coco = options.matching == Matching::kCoco;
        if (coco && (truth.ignore != (pass == 1) || used->count({i, t}) > 0)) continue;
        const double o = Iou(images[i].found[j], truth);
        // Of equals VOC takes the first, COCO the last.
        if (o >= options.iou_threshold && (o > overlap || (coco && o == overlap))) {
          overlap = o;
          best = static_cast<int>(t);
        }
      }
    }
    if (best >= 0 && images[i].truth[best].ignore) {
      used->insert({i, best});
      return;
    }
    if (best >= 0 && used->insert({i, best}).second) {
      ++*hits;
    } else {
      ++*misses;
    }
  }

  double Average(const std::vector<std::pair<double, double>>& curve) const {
    const auto envelope = [&](double recall) {
      double best = 0;
      for (const auto& [r, p] : curve) {
        if (r >= recall) best = std::max(best, p);
      }
      return best;
    };
    double sum = 0;
    if (options.interpolation == Interpolation::kArea) {
      std::set<double> recalls;
      for (const auto& [r, p] : curve) recalls.insert(r);
      double previous = 0;
      for (double r : recalls) {
        sum += (r - previous) * envelope(r);
        previous = r;
      }
      return sum;
    }
    const int points = options.interpolation == Interpolation::kElevenPoint ? 10 : 100;
    for (int k = 0; k <= points; ++k) sum += envelope(static_cast<double>(k) / points);
    return sum / (points + 1);
  }
};

TEST(AveragePrecision, EqualsBruteForce) {
  std::mt19937 random(11);
  for (int round = 0; round < 60; ++round) {
    Brute brute;
    const auto corner = [&] { return static_cast<double>(random() % 12); };
    for (int i = 0; i < 5; ++i) {
      ImageResult image;
      const int truths = random() % 6, found = random() % 10;
      for (int j = 0; j < truths; ++j) {
        const double x = corner(), y = corner();
        image.truth.push_back({x, y, x + 2 + corner(), y + 2 + corner(),
                               static_cast<int32_t>(random() % 3), random() % 5 == 0});
      }
      for (int j = 0; j < found; ++j) {
        const double x = corner(), y = corner();
        image.found.push_back({x, y, x + 2 + corner(), y + 2 + corner(),
                               static_cast<int32_t>(random() % 3), (random() % 8) / 8.0});
      }
      brute.images.push_back(image);
    }
    for (auto interpolation :
         {Interpolation::kArea, Interpolation::kElevenPoint, Interpolation::kCoco101}) {
      for (auto matching : {Matching::kVoc, Matching::kCoco}) {
        brute.options.interpolation = interpolation;
        brute.options.matching = matching;
        brute.options.inclusive = round % 2 == 0;
        brute.options.iou_threshold = 0.3 + 0.1 * (round % 4);
        const auto classes = AveragePrecision(brute.images, 3, brute.options);
        for (int c = 0; c < 3; ++c) {
          const double expected = brute.Ap(c);
          if (std::isnan(expected)) {
            EXPECT_TRUE(std::isnan(classes[c].ap));
          } else {
            EXPECT_NEAR(classes[c].ap, expected, 1e-12) << "round " << round << " class " << c;
          }
        }
      }
    }
  }
}

TEST(MeasureAccuracy, PerfectAndShifted) {
  const std::vector<ImageResult> perfect = {{{{0, 0, 100, 100, 0}}, {{0, 0, 100, 100, 0, 0.5}}}};
  EXPECT_DOUBLE_EQ(MeasureAccuracy(perfect, 2).map50, 1);
  EXPECT_NEAR(MeasureAccuracy(perfect, 2).map, 1, 1e-12);
  // IoU 0.75: right at 0.50 .. 0.75, which is six of ten thresholds.
  const std::vector<ImageResult> shifted = {{{{0, 0, 100, 100, 0}}, {{0, 0, 100, 75, 0, 0.5}}}};
  EXPECT_NEAR(MeasureAccuracy(shifted, 1).map, 0.6, 1e-12);
  EXPECT_THAT(MeasureAccuracy(perfect, 2).class_positives, testing::ElementsAre(1, 0));
}

}  // namespace
}  // namespace mgral::core
