#include "server/cycle/realized_gain.h"

#include <cmath>
#include <limits>
#include <unordered_set>

namespace mgral::cycle {

std::vector<double> ClassGains(const TrainedCycle& trained) {
  std::vector<double> gains(trained.class_ap50.size(), std::numeric_limits<double>::quiet_NaN());
  if (!trained.inputs.previous) return gains;
  const std::vector<double>& before = trained.inputs.previous->class_ap50;
  for (size_t c = 0; c < gains.size() && c < before.size(); ++c) {
    gains[c] = trained.class_ap50[c] - before[c];
  }
  return gains;
}

RealizedShare ShareRealizedGain(const TrainedCycle& trained,
                                const std::vector<domain::Batch>& batches,
                                const std::vector<domain::Example>& training,
                                const std::vector<domain::Example>& previously_training) {
  RealizedShare share;
  if (!trained.inputs.previous) return share;
  std::unordered_set<int64_t> fresh;
  for (const domain::Example& example : training) fresh.insert(example.image.key);
  for (const domain::Example& example : previously_training) fresh.erase(example.image.key);
  const double map_gain = trained.map50 - trained.inputs.previous->map50;
  const bool measured = std::isfinite(map_gain);
  if (fresh.empty() || !measured) return share;
  share.realized = map_gain;
  const std::vector<double> class_gains = ClassGains(trained);
  double variance = 0;
  for (const domain::Batch& batch : batches) {
    size_t labeled = 0, trained_on = 0;
    for (const domain::BatchImage& image : batch.images) {
      if (image.state != domain::ImageState::kLabeled) continue;
      ++labeled;
      trained_on += fresh.count(image.image_key);
    }
    if (labeled == 0 || trained_on < labeled) continue;
    const double part = static_cast<double>(trained_on) / fresh.size();
    domain::Gain gain;
    gain.mean = map_gain * part;
    for (const double each : class_gains) gain.class_mean.push_back(each * part);
    gain.class_standard_error.assign(class_gains.size(), 0.0);
    share.batches.push_back({batch.batch_id, gain});
    if (batch.estimated_gain) {
      share.predicted += batch.estimated_gain->mean;
      variance += std::pow(batch.estimated_gain->standard_error, 2);
    }
  }
  share.predicted_standard_error = std::sqrt(variance);
  return share;
}

}  // namespace mgral::cycle
