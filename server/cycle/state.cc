#include "server/cycle/state.h"

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace mgral::cycle {
namespace {

using nlohmann::json;

// JSON has no NaN: it is written as null.
json FromNumbers(const std::vector<double>& values) {
  json list = json::array();
  for (const double value : values) {
    list.push_back(std::isfinite(value) ? json(value) : json(nullptr));
  }
  return list;
}

double ToNumber(const json& value) {
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
}

std::vector<double> ToNumbers(const json& list) {
  std::vector<double> values;
  for (const json& value : list) values.push_back(ToNumber(value));
  return values;
}

json FromNumber(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

json FromInputs(const CycleInputs& inputs) {
  json out = {
      {"seed", inputs.seed}, {"examples", inputs.examples_sha256}, {"shards", inputs.shards}};
  if (inputs.previous) {
    out["previous"] = {{"weights", inputs.previous->weights_sha256},
                       {"manifest", inputs.previous->manifest_sha256},
                       {"selector", inputs.previous->selector_sha256},
                       {"class_ap50", FromNumbers(inputs.previous->class_ap50)},
                       {"map50", FromNumber(inputs.previous->map50)}};
  }
  return out;
}

CycleInputs ToInputs(const json& in) {
  CycleInputs inputs;
  inputs.seed = in.at("seed").get<uint64_t>();
  inputs.examples_sha256 = in.at("examples").get<std::string>();
  inputs.shards = in.at("shards").get<std::vector<std::string>>();
  if (in.contains("previous")) {
    const json& before = in["previous"];
    inputs.previous = PreviousSnapshot{
        before.at("weights").get<std::string>(), before.at("manifest").get<std::string>(),
        before.at("selector").get<std::string>(), ToNumbers(before.at("class_ap50")),
        ToNumber(before.at("map50"))};
  }
  return inputs;
}

// f of the parsed text; what nlohmann throws as DATA_LOSS.
template <typename F>
auto Parse(const std::string& text, const char* what, F f) -> absl::StatusOr<decltype(f(json()))> {
  try {
    return f(json::parse(text));
  } catch (const json::exception& error) {
    return absl::DataLossError(absl::StrCat("cannot read the cycle's ", what, ": ", error.what()));
  }
}

}  // namespace

std::string ToJson(const CycleInputs& inputs) { return FromInputs(inputs).dump(); }

std::string ToJson(const TrainedCycle& trained) {
  const json out = {{"inputs", FromInputs(trained.inputs)},
                    {"weights", trained.weights_sha256},
                    {"class_ap50", FromNumbers(trained.class_ap50)},
                    {"map50", FromNumber(trained.map50)},
                    {"cold_start", trained.cold_start}};
  return out.dump();
}

std::string ToJson(const Manifest& manifest) {
  json out = {{"signals", manifest.signals},
              {"examples", manifest.examples_sha256},
              {"cold_start", manifest.cold_start},
              {"realised", json::array()}};
  for (const RealisedRecord& record : manifest.realised) {
    out["realised"].push_back(
        {{"signals", record.signals_sha256}, {"class_gain", FromNumbers(record.class_gain)}});
  }
  return out.dump();
}

absl::StatusOr<CycleInputs> ParseInputs(const std::string& text) {
  return Parse(text, "inputs", [](const json& in) { return ToInputs(in); });
}

absl::StatusOr<TrainedCycle> ParseTrained(const std::string& text) {
  return Parse(text, "training result", [](const json& in) {
    TrainedCycle trained;
    trained.inputs = ToInputs(in.at("inputs"));
    trained.weights_sha256 = in.at("weights").get<std::string>();
    trained.class_ap50 = ToNumbers(in.at("class_ap50"));
    trained.map50 = ToNumber(in.at("map50"));
    trained.cold_start = in.at("cold_start").get<bool>();
    return trained;
  });
}

absl::StatusOr<Manifest> ParseManifest(const std::string& text) {
  return Parse(text, "manifest", [](const json& in) {
    Manifest manifest;
    manifest.signals = in.at("signals").get<std::vector<std::string>>();
    manifest.examples_sha256 = in.at("examples").get<std::string>();
    manifest.cold_start = in.at("cold_start").get<bool>();
    for (const json& record : in.at("realised")) {
      manifest.realised.push_back(
          {record.at("signals").get<std::string>(), ToNumbers(record.at("class_gain"))});
    }
    return manifest;
  });
}

uint64_t MixSeed(uint64_t seed, uint64_t place) {
  // SplitMix64 (Steele, Lea, Flood 2014).
  uint64_t z = seed + 0x9E3779B97F4A7C15ull * (place + 1);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return (z ^ (z >> 31)) >> 2;
}

}  // namespace mgral::cycle
