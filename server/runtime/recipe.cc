#include "server/runtime/recipe.h"

#include <algorithm>

namespace mgral::runtime {
namespace {

// A short fine-tune of a trained detector: long enough to move AP, short enough to be made often.
constexpr int64_t kTrainingPerProbe = 8, kLeastProbeSteps = 6;
constexpr double kProbeLearningRate = 0.3;  // of the training's highest

core::TrainConfig ProbeFrom(const core::TrainConfig& train) {
  core::TrainConfig probe = train;
  probe.steps = std::min(train.steps, std::max(kLeastProbeSteps, train.steps / kTrainingPerProbe));
  probe.learning_rate = train.learning_rate * kProbeLearningRate;
  probe.warmup_steps = probe.steps / 5;
  probe.ema_decay = 0;  // an average over so few steps would still be the start
  return probe;
}

}  // namespace

core::DetectorProfile MakeRecipe(const domain::DetectorSettings& settings, int num_classes,
                                 int64_t labeled_images, uint64_t seed) {
  core::DetectorProfile recipe = core::MakeProfile(settings.profile, num_classes);
  if (settings.input_size > 0) recipe.detector.input_size = settings.input_size;
  recipe.train.steps = settings.training_steps > 0
                           ? settings.training_steps
                           : recipe.StepsFor(std::max<int64_t>(1, labeled_images));
  recipe.train.warmup_steps = std::min(recipe.train.warmup_steps, recipe.train.steps / 2);
  recipe.train.seed = seed;
  // A profile without a recipe of its own for probes imitates a piece of its training.
  const bool own = recipe.probe.train.steps != core::ProbeConfig().train.steps;
  if (!own || recipe.probe.train.steps > recipe.train.steps) {
    recipe.probe.train = ProbeFrom(recipe.train);
  }
  recipe.probe.predict = recipe.predict;
  core::CheckConfig(recipe.detector);
  core::CheckConfig(recipe.train);
  return recipe;
}

domain::ModelRuntime::ProfileInfo DefaultProbes(const core::DetectorProfile& profile) {
  domain::ModelRuntime::ProfileInfo info;
  info.input_size = profile.detector.input_size;
  if (profile.name == "micro") {
    info.probes = 4;
    info.replay_probes = 4;
  } else if (profile.name == "tiny") {
    info.probes = 6;
    info.replay_probes = 8;
  } else {
    info.probes = 16;
    info.replay_probes = 24;
  }
  return info;
}

}  // namespace mgral::runtime
