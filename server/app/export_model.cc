#include "server/app/export_model.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "server/app/external_detector.h"
#include "server/app/predict.h"
#include "server/app/temporary_folder.h"
#include "server/base/status_macros.h"

namespace mgral::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kPieceBytes = 1 << 20;

// An open file without a name: it goes when it is closed, however the process ends.
struct ExportedFile {
  std::ifstream file;
  int64_t size = 0;
  std::string network;  // a JSON object that says what the weights are of
};

absl::StatusOr<ExportedFile> WriteSafetensors(domain::ArtifactStore* artifacts,
                                              domain::DetectorRuntime* runtime,
                                              const std::string& weights_sha256,
                                              const std::map<std::string, std::string>& metadata) {
  MGRAL_ASSIGN_OR_RETURN(const std::string weights, artifacts->PathOf(weights_sha256));
  MGRAL_ASSIGN_OR_RETURN(TemporaryFolder folder, TemporaryFolder::Make(artifacts));
  const std::string path = folder.path() + "/model.safetensors";
  ExportedFile exported;
  MGRAL_ASSIGN_OR_RETURN(exported.network, runtime->Export(weights, metadata, path));
  exported.file.open(path, std::ios::binary | std::ios::ate);
  exported.size = static_cast<int64_t>(exported.file.tellg());
  exported.file.seekg(0);
  MGRAL_RETURN_IF_ERROR(folder.Remove());
  if (!exported.file) return absl::InternalError("the exported file cannot be read");
  return exported;
}

// NaN, which JSON lacks, becomes null.
Json Validation(const domain::Accuracy& accuracy, const domain::Pool& pool) {
  Json classes = Json::array();
  for (size_t c = 0; c < accuracy.classes.size() && c < pool.classes.size(); ++c) {
    const domain::ClassAccuracy& one = accuracy.classes[c];
    classes.push_back({{"class", pool.classes[c]},
                       {"ap50", one.ap50},
                       {"ap", one.ap},
                       {"ground_truth_boxes", one.ground_truth_boxes}});
  }
  return {{"images", accuracy.images},
          {"map50", accuracy.map50},
          {"map", accuracy.map},
          {"classes", std::move(classes)}};
}

std::string Describe(const domain::Model& model, const domain::Pool& pool,
                     const std::map<std::string, std::string>& metadata,
                     const std::string& network) {
  Json json = {{"format", "mgral.model"}, {"format_version", 1}};
  for (const auto& [name, text] : metadata) json[name] = text;
  json["profile"] = model.profile;
  json["parameters"] = model.parameters;
  json["classes"] = pool.classes;
  json.update(Json::parse(network));
  json["training_images"] = model.training_images;
  json["validation"] = Validation(model.validation, pool);
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

absl::Status ExportModel::Run(const domain::CallContext& call, const domain::Pool& pool,
                              std::optional<int64_t> version,
                              const std::function<bool(const Header&)>& begin,
                              const WriteChunk& write) {
  MGRAL_RETURN_IF_ERROR(NeedsOwnDetector(pool, "ExportModel", "model"));
  MGRAL_ASSIGN_OR_RETURN(const domain::Model model, FindModel(cycles_, pool, version));
  const std::map<std::string, std::string> metadata = {
      {"mgral_version", mgral_version_},
      {"model", absl::StrCat("pools/", pool.pool_id, "/models/", model.version)},
      {"weights_sha256", model.weights_sha256}};
  MGRAL_ASSIGN_OR_RETURN(ExportedFile exported,
                         WriteSafetensors(artifacts_, runtime_, model.weights_sha256, metadata));
  const absl::Status gone = absl::CancelledError("the client went away");
  if (!begin({model.version, Describe(model, pool, metadata, exported.network), exported.size})) {
    return gone;
  }
  std::string piece(kPieceBytes, '\0');
  for (int64_t left = exported.size; left > 0;) {
    MGRAL_RETURN_IF_ERROR(call.Check());
    const auto count = static_cast<std::streamsize>(std::min<int64_t>(left, piece.size()));
    if (!exported.file.read(piece.data(), count)) {
      return absl::InternalError("the exported file cannot be read");
    }
    if (!write({piece.data(), static_cast<size_t>(count)})) return gone;
    left -= count;
  }
  return absl::OkStatus();
}

absl::StatusOr<domain::Model> RollbackModel(domain::CycleStore* cycles,
                                            domain::ArtifactStore* artifacts, int64_t pool_key,
                                            int64_t version, const domain::RequestKey& request) {
  MGRAL_ASSIGN_OR_RETURN(const domain::Model model, cycles->GetModel(pool_key, version));
  if (!model.weights_sha256.empty()) {  // an external detector's are elsewhere
    MGRAL_RETURN_IF_ERROR(artifacts->PathOf(model.weights_sha256).status());
  }
  return cycles->Rollback(pool_key, version, request);
}

}  // namespace mgral::app
