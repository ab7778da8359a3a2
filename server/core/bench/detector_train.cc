// Trains a detector on a part of a COCO-style dataset and prints one JSON line: what it took and
// what it reached. For tuning profiles:
//   detector_train --data DIR [--splits splits.json] [--train 160] [--on val] [--profile tiny]
//                  [--seed 0] [--threads 2] [--device cpu] [--trunk FILE]
//                  [--cache cold|warm|none] [KEY=VALUE ...]
// where DIR holds annotations.json and images/, KEY is a field of DetectorConfig or TrainConfig,
// FILE the pretrained weights of a frozen trunk, whose features are computed on the way (cold),
// were computed before (warm) or are computed at every step (none).
#include <ATen/Parallel.h>
#include <sys/resource.h>
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "server/core/bench/read_image.h"
#include "server/core/detector/efficientnet_lite_weights.h"
#include "server/core/detector/network.h"
#include "server/core/detector/predict.h"
#include "server/core/detector/profile.h"
#include "server/core/detector/train.h"
#include "server/core/weights/pytorch_file.h"

namespace {

using mgral::core::Sample;
using nlohmann::json;

// A dataset in memory, images reduced to the detector's input size.
class Dataset : public mgral::core::SampleSource {
 public:
  Dataset(const std::string& folder, const json& annotations, const std::vector<std::string>& names,
          int input_size) {
    std::map<int64_t, int64_t> category;
    for (const json& c : annotations["categories"]) {
      category.emplace(c["id"].get<int64_t>(), static_cast<int64_t>(category.size()));
    }
    std::map<std::string, int64_t> ids;
    std::map<int64_t, std::vector<const json*>> boxes;
    std::map<std::string, double> widths;
    for (const json& i : annotations["images"]) {
      ids[i["file_name"]] = i["id"];
      widths[i["file_name"]] = i["width"];
    }
    for (const json& a : annotations["annotations"]) boxes[a["image_id"]].push_back(&a);
    for (const std::string& name : names) {
      samples_.push_back(Load(folder + "/images/" + name, widths[name], boxes[ids.at(name)],
                              category, input_size));
    }
  }
  int64_t size() const override { return static_cast<int64_t>(samples_.size()); }
  Sample Get(int64_t index) override { return samples_[index]; }

 private:
  static Sample Load(const std::string& path, double width, const std::vector<const json*>& boxes,
                     const std::map<int64_t, int64_t>& category, int input_size) {
    Sample sample;
    sample.content = path;
    sample.image = mgral::core::ReadImage(path, input_size);
    const double scale = sample.image.size(2) / width;
    const int64_t n = static_cast<int64_t>(boxes.size());
    sample.boxes = torch::zeros({n, 4});
    sample.labels = torch::zeros({n}, torch::kLong);
    sample.ignore = torch::zeros({n}, torch::kBool);
    for (int64_t i = 0; i < n; ++i) {
      const json& a = *boxes[i];
      const std::vector<double> b = a["bbox"];
      const double corners[] = {b[0], b[1], b[0] + b[2], b[1] + b[3]};
      for (int k = 0; k < 4; ++k) sample.boxes[i][k] = corners[k] * scale;
      sample.labels[i] = category.at(a["category_id"]);
      sample.ignore[i] = a.value("ignore", 0) != 0 || a.value("iscrowd", 0) != 0;
    }
    return sample;
  }

  std::vector<Sample> samples_;
};

// Sets a field of `p`'s training; any other key is appended to the configuration in `detector`.
void Set(const std::string& key, const std::string& value, mgral::core::DetectorProfile& p,
         std::string* detector) {
  auto& t = p.train;
  const double v = std::strtod(value.c_str(), nullptr);  // 0 where it is no number
  const std::map<std::string, std::function<void()>> fields = {
      {"steps", [&] { t.steps = v; }},
      {"batch_size", [&] { t.batch_size = v; }},
      {"shards", [&] { t.shards = v; }},
      {"learning_rate", [&] { t.learning_rate = v; }},
      {"trunk_rate", [&] { t.trunk_rate = v; }},
      {"warmup_steps", [&] { t.warmup_steps = v; }},
      {"schedule", [&] { t.schedule = static_cast<mgral::core::Schedule>(v); }},
      {"final_learning_rate", [&] { t.final_learning_rate = v; }},
      {"momentum", [&] { t.momentum = v; }},
      {"weight_decay", [&] { t.weight_decay = v; }},
      {"gradient_clip", [&] { t.gradient_clip = v; }},
      {"ema_decay", [&] { t.ema_decay = v; }},
      {"optimizer", [&] { t.optimizer = static_cast<mgral::core::OptimizerKind>(v); }},
      {"assignment", [&] { t.assignment = static_cast<mgral::core::Assignment>(v); }},
      {"views", [&] { t.views = v; }},
      {"class_balance", [&] { t.class_balance = v; }},
      {"focal_alpha", [&] { t.focal_alpha = v; }},
      {"focal_gamma", [&] { t.focal_gamma = v; }},
      {"box_loss", [&] { t.box_loss = static_cast<mgral::core::BoxLoss>(v); }},
      {"box_loss_weight", [&] { t.box_loss_weight = v; }},
      {"smooth_l1_beta", [&] { t.smooth_l1_beta = v; }},
      {"positive_iou", [&] { t.positive_iou = v; }},
      {"negative_iou", [&] { t.negative_iou = v; }},
      {"scale_min", [&] { t.scale_min = v; }},
      {"scale_max", [&] { t.scale_max = v; }},
      {"brightness", [&] { t.brightness = v; }},
      {"contrast", [&] { t.contrast = v; }},
      {"saturation", [&] { t.saturation = v; }},
      {"nms_iou", [&] { p.predict.nms_iou = v; }},
      {"min_score", [&] { p.predict.min_score = v; }}};
  const auto field = fields.find(key);
  if (field != fields.end()) return field->second();
  *detector += " " + key + "=" + value;
}

// Of all threads: comparable on a machine that is busy with other work, unlike the wall clock.
double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
         1e-6 * (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

double Seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

using Flags = std::map<std::string, std::string>;
using Changes = std::vector<std::pair<std::string, std::string>>;

void ParseArguments(int argc, char** argv, Flags* flags, Changes* changes) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.rfind("--", 0) == 0 && i + 1 < argc) {
      (*flags)[word.substr(2)] = argv[++i];
    } else {
      const size_t equals = word.find('=');
      changes->emplace_back(word.substr(0, equals), word.substr(equals + 1));
    }
  }
}

mgral::core::Detector MakeDetector(const mgral::core::DetectorConfig& config, uint64_t seed,
                                   const std::string& trunk_weights) {
  mgral::core::Detector detector(config, seed);
  if (!trunk_weights.empty()) {
    detector.net().SetTrunk(
        mgral::core::FoldedEfficientNetLite(mgral::core::ReadPytorchFile(trunk_weights, {})));
  }
  return detector;
}

std::vector<std::string> Drawn(std::vector<std::string> names, size_t count, uint64_t seed) {
  std::mt19937_64 random(seed + 1);
  std::shuffle(names.begin(), names.end(), random);
  names.resize(std::min(names.size(), count));
  return names;
}

mgral::core::DetectorProfile ProfileOf(const std::string& name, const Changes& changes,
                                       int num_classes, uint64_t seed) {
  auto profile = mgral::core::MakeProfile(name, num_classes);
  profile.train.seed = seed;
  std::string text = ToString(profile.detector);
  for (const auto& [key, value] : changes) Set(key, value, profile, &text);
  profile.detector = mgral::core::ParseDetectorConfig(text);
  return profile;
}

// What `detector` took and reached.
json TrainAndEvaluate(const mgral::core::DetectorProfile& profile, const std::string& cache_mode,
                      Dataset& labeled, Dataset& held_out, mgral::core::Detector& detector) {
  mgral::core::MemoryFeatureCache memory(int64_t{8} << 30);
  mgral::core::FeatureCache* cache = cache_mode == "none" ? nullptr : &memory;
  if (cache_mode == "warm") {  // the same training sees the same views
    mgral::core::Detector first = detector.Clone();
    mgral::core::Train(first, labeled, profile.train, {}, {}, cache);
  }
  const double cpu_before = CpuSeconds();
  const auto report = mgral::core::Train(detector, labeled, profile.train, {}, {}, cache);
  const double cpu_between = CpuSeconds();
  mgral::core::Accuracy accuracy;
  const double evaluation = Seconds(
      [&] { accuracy = mgral::core::Evaluate(detector, held_out, profile.predict, {}, cache); });
  return {{"map50", accuracy.map50},
          {"map", accuracy.map},
          {"steps", report.steps},
          {"images", report.images_seen},
          {"seconds", report.seconds},
          {"cpu_seconds", cpu_between - cpu_before},
          {"images_per_second", report.images_seen / report.seconds},
          {"loss", report.loss},
          {"evaluation_seconds", evaluation},
          {"evaluation_cpu_seconds", CpuSeconds() - cpu_between},
          {"class_ap50", accuracy.class_ap50}};
}

int Run(int argc, char** argv) {
  Flags flags = {{"splits", "splits.json"}, {"train", "160"}, {"on", "val"},
                 {"profile", "tiny"},       {"seed", "0"},    {"threads", "2"},
                 {"from", "train"},         {"trunk", ""},    {"cache", "cold"},
                 {"device", "cpu"}};
  Changes changes;
  ParseArguments(argc, argv, &flags, &changes);
  at::set_num_threads(std::stoi(flags["threads"]));
  const std::string folder = flags["data"];
  const json annotations = json::parse(std::ifstream(folder + "/annotations.json"));
  const json splits = json::parse(std::ifstream(folder + "/" + flags["splits"]));
  const uint64_t seed = std::stoull(flags["seed"]);
  const std::vector<std::string> test = splits[flags["on"]];
  const auto train = Drawn(splits[flags["from"]], std::stoul(flags["train"]), seed);

  const int num_classes = static_cast<int>(annotations["categories"].size());
  auto profile = ProfileOf(flags["profile"], changes, num_classes, seed);
  profile.train.steps = profile.StepsFor(static_cast<int64_t>(train.size()));
  Dataset labeled(folder, annotations, train, profile.detector.longest_side());
  Dataset held_out(folder, annotations, test, profile.detector.longest_side());

  mgral::core::Detector detector = MakeDetector(profile.detector, seed, flags["trunk"]);
  detector.MoveTo(mgral::core::DeviceNamed(flags["device"]));
  json line = TrainAndEvaluate(profile, flags["cache"], labeled, held_out, detector);
  line.update({{"flags", flags},
               {"changes", changes},
               {"train", train.size()},
               {"evaluated", test.size()},
               {"parameters", detector.NumParameters()},
               {"libtorch", TORCH_VERSION}});
  std::cout << line.dump() << std::endl;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Run(argc, argv);
  } catch (const std::exception& e) {
    std::cerr << "detector_train: " << e.what() << "\n";
    return 1;
  }
}
