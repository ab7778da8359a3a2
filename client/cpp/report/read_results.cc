// Reading results.json.
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "client/cpp/lib/files.h"
#include "client/cpp/report/results.h"

namespace mgral::client {
namespace {

using Json = nlohmann::ordered_json;

// A wrong type throws std::invalid_argument with the field's path; ResultsFromJson
// turns it into a status.

[[noreturn]] void Fail(const std::string& where, const char* wanted) {
  throw std::invalid_argument(absl::StrCat(where, ": ", wanted, " expected"));
}

const Json* Find(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

Number ReadNumber(const Json& object, const char* key, const std::string& where) {
  const Json* value = Find(object, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) Fail(absl::StrCat(where, ".", key), "a number");
  return value->get<double>();
}

int64_t ReadCount(const Json& object, const char* key, const std::string& where,
                  int64_t missing = 0) {
  const Json* value = Find(object, key);
  if (value == nullptr) return missing;
  if (!value->is_number_integer()) Fail(absl::StrCat(where, ".", key), "a whole number");
  return value->get<int64_t>();
}

std::string ReadText(const Json& object, const char* key, const std::string& where) {
  const Json* value = Find(object, key);
  if (value == nullptr) return "";
  if (!value->is_string()) Fail(absl::StrCat(where, ".", key), "a text");
  return value->get<std::string>();
}

bool ReadBool(const Json& object, const char* key, const std::string& where, bool missing) {
  const Json* value = Find(object, key);
  if (value == nullptr) return missing;
  if (!value->is_boolean()) Fail(absl::StrCat(where, ".", key), "true or false");
  return value->get<bool>();
}

const Json& ReadList(const Json& object, const char* key, const std::string& where) {
  static const Json empty = Json::array();
  const Json* value = Find(object, key);
  if (value == nullptr) return empty;
  if (!value->is_array()) Fail(absl::StrCat(where, ".", key), "a list");
  return *value;
}

std::vector<std::string> ReadTexts(const Json& object, const char* key, const std::string& where) {
  std::vector<std::string> texts;
  for (const Json& value : ReadList(object, key, where)) {
    if (!value.is_string()) Fail(absl::StrCat(where, ".", key), "a list of texts");
    texts.push_back(value.get<std::string>());
  }
  return texts;
}

std::vector<Number> ReadNumbers(const Json& object, const char* key, const std::string& where) {
  std::vector<Number> numbers;
  for (const Json& value : ReadList(object, key, where)) {
    if (!value.is_null() && !value.is_number()) Fail(absl::StrCat(where, ".", key), "numbers");
    numbers.push_back(value.is_null() ? Number() : Number(value.get<double>()));
  }
  return numbers;
}

void NeedObject(const Json& value, const std::string& where) {
  if (!value.is_object()) Fail(where, "an object");
}

Pick ReadPick(const Json& value, const std::string& where) {
  NeedObject(value, where);
  Pick pick;
  pick.image_id = ReadText(value, "image_id", where);
  pick.cell = static_cast<int>(ReadCount(value, "cell", where, -1));
  pick.reason = ReadText(value, "reason", where);
  pick.gain_class = ReadText(value, "gain_class", where);
  pick.gain = ReadNumber(value, "gain", where);
  return pick;
}

CurvePoint ReadPoint(const Json& value, const std::string& where) {
  NeedObject(value, where);
  CurvePoint point;
  point.labels = ReadCount(value, "labels", where);
  point.boxes = ReadNumber(value, "boxes", where);
  point.cost = ReadNumber(value, "cost", where);
  point.map50 = ReadNumber(value, "map50", where);
  point.map = ReadNumber(value, "map", where);
  point.class_ap50 = ReadNumbers(value, "class_ap50", where);
  point.validation_map50 = ReadNumber(value, "validation_map50", where);
  point.estimated_gain = ReadNumber(value, "estimated_gain", where);
  point.estimated_gain_se = ReadNumber(value, "estimated_gain_se", where);
  point.realized_gain = ReadNumber(value, "realised_gain", where);
  point.test_gain = ReadNumber(value, "test_gain", where);
  point.strategy_used = ReadText(value, "strategy_used", where);
  point.strategy_note = ReadText(value, "strategy_note", where);
  point.batch = ReadTexts(value, "batch", where);
  point.seconds = ReadNumber(value, "seconds", where);
  for (const Json& pick : ReadList(value, "picks", where)) {
    point.picks.push_back(ReadPick(pick, absl::StrCat(where, ".picks[", point.picks.size(), "]")));
  }
  return point;
}

StrategyRun ReadRun(const Json& value, const std::string& where) {
  NeedObject(value, where);
  StrategyRun run;
  run.strategy = ReadText(value, "strategy", where);
  run.seed = ReadCount(value, "seed", where);
  run.pool = ReadText(value, "pool", where);
  for (const Json& point : ReadList(value, "points", where)) {
    run.points.push_back(ReadPoint(point, absl::StrCat(where, ".points[", run.points.size(), "]")));
  }
  run.complete = ReadBool(value, "complete", where, run.points.size() > 1);
  if (const Json* seconds = Find(value, "seconds")) {
    const std::string at = where + ".seconds";
    NeedObject(*seconds, at);
    run.seconds = {ReadNumber(*seconds, "train", at),    ReadNumber(*seconds, "embed", at),
                   ReadNumber(*seconds, "probe", at),    ReadNumber(*seconds, "table", at),
                   ReadNumber(*seconds, "selector", at), ReadNumber(*seconds, "query", at)};
  }
  return run;
}

WeightRow ReadWeight(const Json& value, const std::string& where) {
  NeedObject(value, where);
  WeightRow row;
  row.feature = ReadText(value, "feature", where);
  row.weight = ReadNumber(value, "weight", where).value_or(0);
  row.standard_deviation = ReadNumber(value, "standard_deviation", where);
  for (const Number& each : ReadNumbers(value, "covariance", where)) {
    row.covariance.push_back(each.value_or(0));
  }
  row.prior_weight = ReadNumber(value, "prior_weight", where).value_or(0);
  row.prior_standard_deviation = ReadNumber(value, "prior_standard_deviation", where).value_or(0);
  row.random_gain = ReadNumber(value, "random_gain", where);
  return row;
}

LookupRow ReadLookup(const Json& value, const std::string& where) {
  NeedObject(value, where);
  LookupRow row;
  row.seed = ReadCount(value, "seed", where);
  row.cycle = ReadCount(value, "cycle", where);
  row.strategy = ReadText(value, "strategy", where);
  row.probes = ReadCount(value, "probes", where);
  row.replay_probes = ReadCount(value, "replay_probes", where);
  row.cells = ReadCount(value, "cells", where);
  row.fidelity = ReadNumber(value, "fidelity", where);
  row.response_fidelity = ReadNumber(value, "response_fidelity", where);
  row.test_retest = ReadNumber(value, "test_retest", where);
  row.seconds_per_probe = ReadNumber(value, "seconds_per_probe", where);
  row.seconds_per_lookup = ReadNumber(value, "seconds_per_lookup", where);
  row.selector_gain = ReadNumber(value, "selector_gain", where);
  row.greedy_gain = ReadNumber(value, "greedy_gain", where);
  for (const Json& weight : ReadList(value, "weights", where)) {
    row.weights.push_back(
        ReadWeight(weight, absl::StrCat(where, ".weights[", row.weights.size(), "]")));
  }
  row.weights_fitted = ReadBool(value, "weights_fitted", where, false);
  row.kappa = ReadNumber(value, "kappa", where);
  row.kappa_standard_deviation = ReadNumber(value, "kappa_standard_deviation", where);
  row.residual_share = ReadNumber(value, "residual_share", where);
  row.level = ReadNumber(value, "level", where);
  return row;
}

}  // namespace

absl::StatusOr<Results> ResultsFromJson(const Json& document) {
  if (!document.is_object() || !document.contains("runs")) {
    return absl::InvalidArgumentError("not a results.json: it holds no \"runs\"");
  }
  Results results;
  try {
    results.dataset = ReadText(document, "dataset", "results");
    results.classes = ReadTexts(document, "classes", "results");
    if (const Json* protocol = Find(document, "protocol")) {
      NeedObject(*protocol, "protocol");
      results.protocol = *protocol;
    }
    for (const Json& run : ReadList(document, "runs", "results")) {
      results.runs.push_back(ReadRun(run, absl::StrCat("runs[", results.runs.size(), "]")));
    }
    for (const Json& row : ReadList(document, "lookup", "results")) {
      results.lookup.push_back(
          ReadLookup(row, absl::StrCat("lookup[", results.lookup.size(), "]")));
    }
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(error.what());
  }
  return results;
}

absl::StatusOr<Results> ReadResults(const std::string& file) {
  absl::StatusOr<std::string> text = ReadFile(file);
  if (!text.ok()) return text.status();
  const Json document = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) {
    return absl::InvalidArgumentError(absl::StrCat(file, " is not JSON"));
  }
  absl::StatusOr<Results> results = ResultsFromJson(document);
  if (!results.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", results.status().message()));
  }
  return results;
}

}  // namespace mgral::client
