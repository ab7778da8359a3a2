#include "server/runtime/recipe.h"

#include <algorithm>

namespace mgral::runtime {

core::DetectorProfile MakeRecipe(const domain::DetectorSettings& settings, int num_classes,
                                 int64_t labeled_images, uint64_t seed) {
  core::DetectorProfile recipe = core::MakeProfile(settings.profile, num_classes);
  if (settings.input_size > 0) recipe.detector.input_size = settings.input_size;
  recipe.train.steps = settings.training_steps > 0
                           ? settings.training_steps
                           : recipe.StepsFor(std::max<int64_t>(1, labeled_images));
  recipe.train.warmup_steps = std::min(recipe.train.warmup_steps, recipe.train.steps / 2);
  recipe.train.seed = seed;
  // A probe is a fine-tune: never longer than the training that it imitates a piece of.
  recipe.probe.train.steps = std::min(recipe.probe.train.steps, recipe.train.steps);
  recipe.probe.train.warmup_steps =
      std::min(recipe.probe.train.warmup_steps, recipe.probe.train.steps / 2);
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
