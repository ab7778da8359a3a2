#include "client/cpp/fidelity/fidelity_results.h"

#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "client/cpp/lib/files.h"

namespace mgral::client {
namespace {

using Json = nlohmann::ordered_json;

Number NumberFromJson(const Json& value) {
  return value.is_null() ? Number() : Number(value.get<double>());
}

Json EstimateToJson(const EstimatedGain& gain) {
  return {{"mean", gain.mean}, {"standard_error", gain.standard_error}};
}

EstimatedGain EstimateFromJson(const Json& value) {
  return {value.at("mean").get<double>(), value.at("standard_error").get<double>()};
}

Json BatchToJson(const TrialBatch& batch) {
  Json classes = Json::array();
  for (const EstimatedGain& gain : batch.classes) classes.push_back(EstimateToJson(gain));
  return {{"kind", batch.kind},
          {"of", batch.of},
          {"size", batch.images.size()},
          {"boxes", batch.boxes},
          {"estimate", EstimateToJson(batch.estimate)},
          {"class_estimates", classes},
          {"images", batch.images}};
}

TrialBatch BatchFromJson(const Json& value) {
  TrialBatch batch;
  value.at("kind").get_to(batch.kind);
  value.at("of").get_to(batch.of);
  value.at("images").get_to(batch.images);
  value.at("boxes").get_to(batch.boxes);
  batch.estimate = EstimateFromJson(value.at("estimate"));
  for (const Json& gain : value.at("class_estimates")) {
    batch.classes.push_back(EstimateFromJson(gain));
  }
  return batch;
}

constexpr const char* kPartNames[kTestParts] = {"first_half", "second_half", "all"};

Json TrainingToJson(const TrainingKey& key, const Training& training) {
  Json row = {{"profile", key.profile},
              {"seed", key.seed},
              {"batch", key.batch < 0 ? Json(nullptr) : Json(key.batch)},
              {"seconds", training.seconds}};
  for (int part = 0; part < kTestParts; ++part) {
    Json classes = Json::array();
    for (const Number& ap : training.class_ap50[part]) classes.push_back(ToJson(ap));
    row[kPartNames[part]] = {{"map50", ToJson(training.map50[part])}, {"class_ap50", classes}};
  }
  return row;
}

void TrainingFromJson(const Json& row, FidelityResults* results) {
  TrainingKey key;
  row.at("profile").get_to(key.profile);
  row.at("seed").get_to(key.seed);
  if (!row.at("batch").is_null()) row.at("batch").get_to(key.batch);
  if (key.batch < -1 || key.batch >= static_cast<int>(results->batches.size())) {
    throw std::invalid_argument("a training is of a batch that is not in it");
  }
  Training& training = results->trainings[key];
  row.at("seconds").get_to(training.seconds);
  for (int part = 0; part < kTestParts; ++part) {
    const Json& accuracy = row.at(kPartNames[part]);
    training.map50[part] = NumberFromJson(accuracy.at("map50"));
    for (const Json& ap : accuracy.at("class_ap50")) {
      training.class_ap50[part].push_back(NumberFromJson(ap));
    }
  }
}

FidelityResults FromJson(const Json& document) {
  FidelityResults results;
  document.at("dataset").get_to(results.dataset);
  document.at("classes").get_to(results.classes);
  results.protocol = document.at("protocol");
  results.table = document.at("table");
  if (!results.protocol.is_object() || !results.table.is_object()) {
    throw std::invalid_argument("protocol and table are not objects");
  }
  for (const Json& batch : document.at("batches")) results.batches.push_back(BatchFromJson(batch));
  for (const Json& row : document.at("trainings")) TrainingFromJson(row, &results);
  return results;
}

}  // namespace

Json FidelityToJson(const FidelityResults& results) {
  Json batches = Json::array(), trainings = Json::array();
  for (const TrialBatch& batch : results.batches) batches.push_back(BatchToJson(batch));
  for (const auto& [key, training] : results.trainings) {
    trainings.push_back(TrainingToJson(key, training));
  }
  return {{"dataset", results.dataset},   {"classes", results.classes},
          {"protocol", results.protocol}, {"table", results.table},
          {"batches", batches},           {"trainings", trainings}};
}

absl::Status WriteFidelity(const FidelityResults& results, const Json& summary,
                           const std::string& file) {
  Json document = FidelityToJson(results);
  document["summary"] = summary;
  return ReplaceFile(file, document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

absl::StatusOr<FidelityResults> ReadFidelity(const std::string& file) {
  absl::StatusOr<std::string> text = ReadFile(file);
  if (!text.ok()) return text.status();
  try {
    return FromJson(Json::parse(*text));
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, " is not a fidelity.json: ", error.what()));
  }
}

}  // namespace mgral::client
