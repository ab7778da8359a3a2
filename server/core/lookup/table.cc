#include "server/core/lookup/table.h"

#include <algorithm>
#include <stdexcept>

#include "server/core/bytes.h"
#include "server/core/lookup/prior.h"

namespace mgral::core {
namespace {

constexpr uint32_t kMagic = 0x54524c4d;  // "MLRT"
constexpr uint32_t kVersion = 5;
constexpr int64_t kMost = int64_t{1} << 20;  // classes, cells, dimensions: no overflow below
constexpr double kMostObjects = 1e12;        // likewise

void Want(bool holds, const char* name, const char* what) {
  if (!holds) throw std::invalid_argument(std::string(name) + ": " + what);
}

template <typename T>
void CheckWithin(const std::vector<T>& values, int64_t wanted, double least, double most,
                 const char* name) {
  Want(static_cast<int64_t>(values.size()) == wanted, name, "has a wrong number of values");
  for (T value : values) {
    Want(std::isfinite(value), name, "holds a value that is not finite");
    Want(value >= least && value <= most, name, "holds a value that is out of range");
  }
}

template <typename T>
void CheckFinite(const std::vector<T>& values, int64_t wanted, const char* name) {
  CheckWithin(values, wanted, -INFINITY, INFINITY, name);
}

void CheckIndices(const std::vector<int32_t>& values, int64_t wanted, int64_t limit,
                  const char* name) {
  Want(static_cast<int64_t>(values.size()) == wanted, name, "has a wrong number of values");
  for (int32_t value : values) Want(value >= 0 && value < limit, name, "is out of range");
}

void CheckCells(const Cells& cells) {
  Want(cells.count >= 0 && cells.count <= kMost, "cells", "wrong count");
  Want(cells.dim >= 0 && cells.dim <= kMost, "cells.dim", "out of range");
  if (!cells.centroids.empty()) {  // a table made by hand needs none
    CheckFinite(cells.centroids, cells.count * cells.dim, "cells.centroids");
    CheckFinite(cells.tightness, cells.count, "cells.tightness");
  }
  Want(std::isfinite(cells.spread) && cells.spread >= 0, "cells.spread", "out of range");
}

void CheckWeights(const LookupTable& table) {
  const int64_t square = kNumFeatures * kNumFeatures;
  CheckWithin(table.weights, table.classes * kNumFeatures, 0, 1e6, "weights");
  if (!table.random_gain.empty()) {
    CheckWithin(table.random_gain, kNumFeatures, 0, 1e6, "random_gain");
  }
  Want(table.level > 0 && table.level < 1e6, "level", "out of range");
  Want(table.kappa > 0 && table.kappa < 1e6, "kappa", "out of range");
  Want(table.kappa_sd >= 0 && table.kappa_sd < 1e6, "kappa_sd", "out of range");
  Want(table.residual_share >= 0 && table.residual_share < 1e6, "residual_share", "out of range");
  Want(table.noise >= 0 && table.noise < 1e6, "noise", "out of range");
  Want(table.offset_sd >= 0 && table.offset_sd < 1e6, "offset_sd", "out of range");
  Want(table.class_sd >= 0 && table.class_sd < 1e6, "class_sd", "out of range");
  if (table.shared_covariance.empty()) {
    Want(table.shared_weights.empty(), "shared_weights", "has a wrong number of values");
    Want(table.class_covariance.empty(), "class_covariance", "has a wrong number of values");
    Want(table.coupling.empty(), "coupling", "has a wrong number of values");
    return;
  }
  CheckWithin(table.shared_weights, kNumFeatures, -1e6, 1e6, "shared_weights");
  CheckWithin(table.shared_covariance, square, -1e6, 1e6, "shared_covariance");
  CheckWithin(table.class_covariance, table.classes * square, -1e6, 1e6, "class_covariance");
  CheckWithin(table.coupling, table.classes * square, -1e6, 1e6, "coupling");
}

}  // namespace

double ApSlope(double ap) {
  const double clamped =
      std::isnan(ap) ? prior::kLeastAp : std::clamp(ap, prior::kLeastAp, prior::kMostAp);
  return std::sqrt(clamped * (1 - clamped));
}

std::vector<double> LookupTable::ApSlopes() const {
  std::vector<double> out;
  for (const double ap : class_ap) out.push_back(ApSlope(ap));
  return out;
}

void SetPrior(LookupTable* table) {
  table->kappa = prior::kKappa;
  table->kappa_sd = prior::kKappaSd;
  table->residual_share = prior::kResidualShare;
  table->shared_weights.assign(prior::kWeight.begin(), prior::kWeight.end());
  table->shared_covariance.assign(kNumFeatures * kNumFeatures, 0.0);
  table->weights.clear();
  table->coupling.assign(table->classes * kNumFeatures * kNumFeatures, 0.0);
  table->class_covariance = table->coupling;
  for (int f = 0; f < kNumFeatures; ++f) {
    table->shared_covariance[f * (kNumFeatures + 1)] = std::pow(prior::kSharedSd[f], 2);
  }
  for (int64_t c = 0; c < table->classes; ++c) {
    for (int f = 0; f < kNumFeatures; ++f) {
      const int64_t at = (c * kNumFeatures + f) * kNumFeatures + f;
      table->weights.push_back(prior::kWeight[f]);
      table->class_covariance[at] = std::pow(prior::kClassSd * prior::kWeight[f], 2);
      table->coupling[at] = 1;
    }
  }
}

void CheckTable(const LookupTable& table) {
  const int64_t classes = table.classes;
  Want(table.images >= 0 && table.images <= INT32_MAX, "images", "out of range");
  Want(classes > 0 && classes <= kMost, "classes", "out of range");
  CheckCells(table.cells);
  Want(table.images == 0 || table.cells.count > 0, "cells", "there are none for the images");
  CheckIndices(table.cell_of, table.images, table.cells.count, "cell_of");
  Want(table.groups >= 0 && table.groups <= table.images, "groups", "out of range");
  CheckIndices(table.group_of, table.images, table.groups, "group_of");
  CheckWithin(table.missed, table.images * classes, 0, kMostObjects, "missed");
  Want(table.labeled_images >= 0 && table.labeled_images <= INT32_MAX, "labeled_images",
       "out of range");
  CheckWithin(table.labeled, classes, 0, kMostObjects, "labeled");
  CheckWithin(table.reach, table.images * table.cells.count, 0, 1, "reach");
  CheckWithin(table.covered, table.cells.count, 0, 1, "covered");
  CheckWithin(table.cell_share, table.cells.count * classes, 0, 1 + 1e-6, "cell_share");
  CheckWithin(table.class_ap, classes, 0, 1, "class_ap");
  CheckWeights(table);
}

std::string LookupTable::Serialize() const {
  ByteWriter out;
  out.Put(kMagic);
  out.Put(kVersion);
  out.Put<int32_t>(kNumFeatures);
  out.Put(images);
  out.Put(classes);
  out.Put(cells.count);
  out.Put(cells.dim);
  out.PutArray(cells.centroids);
  out.PutArray(cells.tightness);
  out.Put(cells.spread);
  out.PutArray(cell_of);
  out.PutArray(group_of);
  out.Put(groups);
  out.PutArray(missed);
  out.Put(labeled_images);
  out.PutArray(labeled);
  out.PutArray(reach);
  out.PutArray(covered);
  out.PutArray(cell_share);
  out.PutArray(class_ap);
  out.PutArray(random_gain);
  out.Put(level);
  out.Put(kappa);
  out.Put(kappa_sd);
  out.PutArray(weights);
  out.PutArray(shared_weights);
  out.PutArray(shared_covariance);
  out.PutArray(class_covariance);
  out.PutArray(coupling);
  out.Put(residual_share);
  out.Put(noise);
  out.Put(offset_sd);
  out.Put(class_sd);
  out.Put(fidelity.fidelity);
  out.Put(fidelity.concordance);
  out.Put(fidelity.ceiling);
  out.Put(fidelity.truth_spread);
  out.Put(fidelity.probes);
  out.Put(fidelity.bases);
  return out.Take();
}

LookupTable LookupTable::Parse(const std::string& bytes) {
  ByteReader in(bytes);
  Want(in.Get<uint32_t>() == kMagic, "bytes", "not a look-up table");
  if (in.Get<uint32_t>() != kVersion) throw OtherRelease();
  Want(in.Get<int32_t>() == kNumFeatures, "bytes", "a look-up table of other features");
  LookupTable out;
  out.images = in.Get<int64_t>();
  out.classes = in.Get<int64_t>();
  out.cells.count = in.Get<int64_t>();
  out.cells.dim = in.Get<int64_t>();
  out.cells.centroids = in.GetArray<float>();
  out.cells.tightness = in.GetArray<double>();
  out.cells.spread = in.Get<double>();
  out.cell_of = in.GetArray<int32_t>();
  out.group_of = in.GetArray<int32_t>();
  out.groups = in.Get<int32_t>();
  out.missed = in.GetArray<float>();
  out.labeled_images = in.Get<int64_t>();
  out.labeled = in.GetArray<double>();
  out.reach = in.GetArray<float>();
  out.covered = in.GetArray<float>();
  out.cell_share = in.GetArray<double>();
  out.class_ap = in.GetArray<double>();
  out.random_gain = in.GetArray<double>();
  out.level = in.Get<double>();
  out.kappa = in.Get<double>();
  out.kappa_sd = in.Get<double>();
  out.weights = in.GetArray<double>();
  out.shared_weights = in.GetArray<double>();
  out.shared_covariance = in.GetArray<double>();
  out.class_covariance = in.GetArray<double>();
  out.coupling = in.GetArray<double>();
  out.residual_share = in.Get<double>();
  out.noise = in.Get<double>();
  out.offset_sd = in.Get<double>();
  out.class_sd = in.Get<double>();
  out.fidelity.fidelity = in.Get<double>();
  out.fidelity.concordance = in.Get<double>();
  out.fidelity.ceiling = in.Get<double>();
  out.fidelity.truth_spread = in.Get<double>();
  out.fidelity.probes = in.Get<int64_t>();
  out.fidelity.bases = in.Get<int64_t>();
  in.End();
  CheckTable(out);
  return out;
}

}  // namespace mgral::core
