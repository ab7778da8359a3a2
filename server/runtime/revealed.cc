#include "server/runtime/revealed.h"

#include <unordered_map>

#include "server/runtime/convert.h"

namespace mgral::runtime {

std::vector<double> LabelledObjects(const domain::ModelRuntime::PlanRequest& request) {
  std::vector<double> objects(request.labeled_class_counts.begin(),
                              request.labeled_class_counts.end());
  objects.resize(request.num_classes, 0.0);
  return objects;
}

absl::StatusOr<Revealed> DescribeRevealed(const domain::ModelRuntime::PlanRequest& request,
                                          const std::vector<domain::ImageSignals>& earlier) {
  std::unordered_map<int64_t, const domain::ImageSignals*> current;
  for (const domain::ImageSignals& image : request.labeled) current[image.image_key] = &image;
  Revealed revealed;
  for (const domain::ImageSignals& image : earlier) {
    const auto found = current.find(image.image_key);
    if (found == current.end()) continue;
    revealed.signals.push_back(image);
    revealed.signals.back().embedding = found->second->embedding;
  }
  const auto signals = ToCore(revealed.signals, request.num_classes);
  if (!signals.ok()) return signals.status();
  revealed.features = core::ComputeFeatures(*signals, LabelledObjects(request));
  revealed.embeddings = signals->embeddings;
  return revealed;
}

}  // namespace mgral::runtime
