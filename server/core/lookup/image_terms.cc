#include "server/core/lookup/image_terms.h"

#include <stdexcept>

namespace mgral::core {

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
