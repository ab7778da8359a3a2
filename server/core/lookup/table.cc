#include "server/core/lookup/table.h"

#include <stdexcept>

#include "server/core/bytes.h"

namespace mgral::core {
namespace {

constexpr uint32_t kMagic = 0x54524c4d;  // "MLRT"
constexpr uint32_t kVersion = 1;
constexpr int64_t kMost = int64_t{1} << 20;  // classes, cells, dimensions, pairs: no overflow below

void Want(bool holds, const char* name, const char* what) {
  if (!holds) throw std::invalid_argument(std::string(name) + ": " + what);
}

template <typename T>
void CheckFinite(const std::vector<T>& values, int64_t wanted, const char* name) {
  Want(static_cast<int64_t>(values.size()) == wanted, name, "has a wrong number of values");
  for (T value : values) Want(std::isfinite(value), name, "holds a value that is not finite");
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

void CheckUncertainty(const LookupTable& table) {
  const int64_t classes = table.classes, size = table.Dimension();
  CheckFinite(table.factor, classes * (size * (size + 1) / 2), "factor");
  CheckFinite(table.coupling, classes * size * kNumFeatures, "coupling");
  CheckFinite(table.shared_factor, kNumFeatures * kNumFeatures, "shared_factor");
}

void CheckDescription(const LookupTable& table) {
  const int64_t classes = table.classes;
  CheckFinite(table.weights, classes * kNumFeatures, "weights");
  CheckFinite(table.unit, classes, "unit");
  CheckFinite(table.scale, kNumFeatures, "scale");
  for (double value : table.scale) Want(value > 0, "scale", "must be positive");
  CheckFinite(table.rarity, classes, "rarity");
  CheckFinite(table.cell_features, table.cells.count * classes * kNumFeatures, "cell_features");
  CheckFinite(table.deviation, table.images * classes * kNumImageFeatures, "deviation");
  Want(std::isfinite(table.lambda), "lambda", "is not finite");
}

}  // namespace

void CheckTable(const LookupTable& table) {
  Want(table.images >= 0 && table.images <= INT32_MAX, "images", "out of range");
  Want(table.classes > 0 && table.classes <= kMost, "classes", "out of range");
  Want(static_cast<int64_t>(table.pairs.size()) <= kMost, "pairs", "too many");
  CheckCells(table.cells);
  Want(table.images == 0 || table.cells.count > 0, "cells", "there are none for the images");
  CheckFinite(table.rho, table.cells.count, "rho");
  for (double rho : table.rho) Want(rho >= 0 && rho < 1, "rho", "must lie in [0, 1)");
  CheckFinite(table.class_ap, table.classes, "class_ap");
  for (double ap : table.class_ap) Want(ap >= 0 && ap <= 1, "class_ap", "must lie in [0, 1]");
  CheckFinite(table.cell_gain, table.cells.count * table.classes, "cell_gain");
  CheckFinite(table.image_gain, table.images * table.classes, "image_gain");
  CheckIndices(table.cell_of, table.images, table.cells.count, "cell_of");
  Want(table.groups >= 0 && table.groups <= table.images, "groups", "out of range");
  CheckIndices(table.group_of, table.images, table.groups, "group_of");
  for (const CellPair& pair : table.pairs) {
    Want(pair.k >= 0 && pair.k < pair.l && pair.l < table.cells.count, "pairs", "out of range");
  }
  CheckFinite(table.pair_gain, static_cast<int64_t>(table.pairs.size()) * table.classes,
              "pair_gain");
  if (!table.weights.empty()) CheckDescription(table);
  if (!table.factor.empty()) {
    Want(!table.weights.empty(), "weights", "are missing");
    CheckUncertainty(table);
  }
}

std::string LookupTable::Serialize() const {
  ByteWriter out;
  out.Put(kMagic);
  out.Put(kVersion);
  out.Put(images);
  out.Put(classes);
  out.Put(cells.count);
  out.Put(cells.dim);
  out.PutArray(cells.centroids);
  out.PutArray(cells.tightness);
  out.Put(cells.spread);
  out.PutArray(rho);
  out.PutArray(class_ap);
  out.PutArray(cell_gain);
  out.PutArray(image_gain);
  out.PutArray(cell_of);
  out.PutArray(group_of);
  out.Put(groups);
  out.PutArray(pairs);
  out.PutArray(pair_gain);
  out.PutArray(weights);
  out.PutArray(factor);
  out.PutArray(coupling);
  out.PutArray(shared_factor);
  out.PutArray(unit);
  out.PutArray(scale);
  out.PutArray(rarity);
  out.PutArray(cell_features);
  out.PutArray(deviation);
  out.Put(lambda);
  out.Put(fidelity.fidelity);
  out.Put(fidelity.truth_batches);
  out.Put(fidelity.ceiling);
  out.Put(fidelity.truth_spread);
  out.Put(fidelity.response_fidelity);
  out.Put(fidelity.response_batches);
  out.Put(noise);
  out.Put(amplitude);
  out.Put(level);
  return out.Take();
}

LookupTable LookupTable::Parse(const std::string& bytes) {
  ByteReader in(bytes);
  Want(in.Get<uint32_t>() == kMagic, "bytes", "not a look-up table");
  Want(in.Get<uint32_t>() == kVersion, "bytes", "a version of the look-up table not known here");
  LookupTable out;
  out.images = in.Get<int64_t>();
  out.classes = in.Get<int64_t>();
  out.cells.count = in.Get<int64_t>();
  out.cells.dim = in.Get<int64_t>();
  out.cells.centroids = in.GetArray<float>();
  out.cells.tightness = in.GetArray<double>();
  out.cells.spread = in.Get<double>();
  out.rho = in.GetArray<double>();
  out.class_ap = in.GetArray<double>();
  out.cell_gain = in.GetArray<float>();
  out.image_gain = in.GetArray<float>();
  out.cell_of = in.GetArray<int32_t>();
  out.group_of = in.GetArray<int32_t>();
  out.groups = in.Get<int32_t>();
  out.pairs = in.GetArray<CellPair>();
  out.pair_gain = in.GetArray<float>();
  out.weights = in.GetArray<double>();
  out.factor = in.GetArray<float>();
  out.coupling = in.GetArray<float>();
  out.shared_factor = in.GetArray<double>();
  out.unit = in.GetArray<double>();
  out.scale = in.GetArray<double>();
  out.rarity = in.GetArray<double>();
  out.cell_features = in.GetArray<double>();
  out.deviation = in.GetArray<float>();
  out.lambda = in.Get<double>();
  out.fidelity.fidelity = in.Get<double>();
  out.fidelity.truth_batches = in.Get<int64_t>();
  out.fidelity.ceiling = in.Get<double>();
  out.fidelity.truth_spread = in.Get<double>();
  out.fidelity.response_fidelity = in.Get<double>();
  out.fidelity.response_batches = in.Get<int64_t>();
  out.noise = in.Get<double>();
  out.amplitude = in.Get<double>();
  out.level = in.Get<double>();
  in.End();
  CheckTable(out);
  return out;
}

void AppendImages(const CellAssignment& assignment, const ImageFeatures& features,
                  LookupTable* table) {
  const int64_t classes = table->classes, width = classes * kNumImageFeatures;
  std::vector<double> sums(assignment.groups * width, 0.0);
  std::vector<int64_t> members(assignment.groups, 0);
  for (int64_t i = 0; i < features.images; ++i) {
    const double* mean = &table->cell_features[assignment.cell[i] * classes * kNumFeatures];
    double* sum = &sums[assignment.group[i] * width];
    ++members[assignment.group[i]];
    for (int64_t c = 0; c < classes; ++c) {
      for (int f = 0; f < kNumImageFeatures; ++f) {
        sum[c * kNumImageFeatures + f] +=
            features.At(i, c)[f] / table->scale[f] - mean[c * kNumFeatures + f];
      }
    }
  }
  for (int64_t i = 0; i < features.images; ++i) {
    const int32_t group = assignment.group[i];
    table->cell_of.push_back(assignment.cell[i]);
    table->group_of.push_back(table->groups + group);
    for (int64_t c = 0; c < classes; ++c) {
      double gain = 0;
      for (int f = 0; f < kNumImageFeatures; ++f) {
        const float deviation = static_cast<float>(sums[group * width + c * kNumImageFeatures + f] /
                                                   static_cast<double>(members[group]));
        table->deviation.push_back(deviation);
        gain += table->weights[c * kNumFeatures + f] * deviation;
      }
      table->image_gain.push_back(static_cast<float>(table->lambda * table->unit[c] * gain));
    }
  }
  table->images += features.images;
  table->groups += assignment.groups;
}

LookupTable WithImages(const LookupTable& table, const ImageSignals& more) {
  if (table.weights.empty()) throw std::invalid_argument("table: was not fitted");
  if (more.classes != table.classes) throw std::invalid_argument("classes: not those of the table");
  if (more.dim != table.cells.dim) throw std::invalid_argument("dim: not that of the table");
  const ImageFeatures features = ComputeFeaturesWithRarity(more, table.rarity);
  LookupTable out = table;
  AppendImages(AssignCells(table.cells, more.embeddings, more.images), features, &out);
  return out;
}

}  // namespace mgral::core
