#include "server/app/import_weights.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/app/external_detector.h"
#include "server/app/field_errors.h"
#include "server/app/temporary_folder.h"
#include "server/base/limits.h"
#include "server/base/status_macros.h"
#include "server/base/text.h"

namespace mgral::app {
namespace {

constexpr int64_t kMaxLabel = 100'000;

bool IsHash(absl::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
         });
}

// For each class of the pool, its label in the file; -1 for one that is not named.
std::vector<int64_t> LabelsInFile(const std::vector<std::string>& classes,
                                  const std::vector<ImportWeights::ClassLabel>& given,
                                  FieldErrors* errors) {
  if (given.empty()) return {};
  std::vector<int64_t> labels(classes.size(), -1);
  for (size_t i = 0; i < given.size() && !errors->full(); ++i) {
    const std::string field = absl::StrCat("class_labels[", i, "]");
    const auto found = std::find(classes.begin(), classes.end(), given[i].class_name);
    if (found == classes.end()) {
      errors->Add(field + ".class_name",
                  absl::StrCat(base::Quoted(given[i].class_name), " is no class of the pool"));
    } else if (given[i].label < 0 || given[i].label > kMaxLabel) {
      errors->Add(field + ".label",
                  absl::StrCat("is ", given[i].label, "; it must be from 0 to ", kMaxLabel));
    } else if (std::exchange(labels[found - classes.begin()], given[i].label) >= 0) {
      errors->Add(field + ".class_name", "is repeated in the list");
    }
  }
  return labels;
}

absl::Status CheckHeader(const ImportWeights::Header& header, int64_t max_bytes,
                         FieldErrors* errors) {
  const std::string problem = TextProblem(header.file_name, base::kMaxFileNameBytes);
  if (!problem.empty()) errors->Add("file_name", problem);
  if (header.file_name.empty()) errors->Add("file_name", "is empty");
  if (header.size_bytes < 1 || header.size_bytes > max_bytes) {
    errors->Add("size_bytes", absl::StrCat("is ", header.size_bytes, "; it must be from 1 to ",
                                           max_bytes, " (the server's option max_weights_bytes)"));
  }
  if (!header.sha256.empty() && !IsHash(header.sha256)) {
    errors->Add("sha256", "is not a SHA-256 in 64 lower-case hexadecimal digits");
  }
  return errors->ToStatus();
}

absl::Status Receive(const domain::CallContext& call, int64_t size_bytes,
                     const ImportWeights::NextPiece& next, domain::Upload* upload) {
  int64_t received = 0;
  for (absl::string_view piece;;) {
    MGRAL_RETURN_IF_ERROR(call.Check());
    MGRAL_ASSIGN_OR_RETURN(const bool more, next(&piece));
    if (!more) break;
    received += static_cast<int64_t>(piece.size());
    if (received > size_bytes) {
      return base::InvalidField("data",
                                absl::StrCat("is longer than size_bytes, which is ", size_bytes));
    }
    MGRAL_RETURN_IF_ERROR(upload->Append(piece));
  }
  MGRAL_RETURN_IF_ERROR(call.Check());  // a canceled stream ends, too
  if (received == size_bytes) return absl::OkStatus();
  return base::InvalidField("data",
                            absl::StrCat("has ", received, " bytes; size_bytes is ", size_bytes));
}

}  // namespace

absl::StatusOr<ImportWeights::Result> ImportWeights::Run(const domain::CallContext& call,
                                                         const domain::Pool& pool,
                                                         const Header& header,
                                                         const NextPiece& next,
                                                         const domain::RequestKey& request) {
  MGRAL_RETURN_IF_ERROR(NeedsOwnDetector(pool, "ImportWeights", "parent"));
  FieldErrors errors;
  domain::DetectorRuntime::ImportRequest import;
  import.class_labels = LabelsInFile(pool.classes, header.class_labels, &errors);
  MGRAL_RETURN_IF_ERROR(CheckHeader(header, max_bytes_, &errors));
  MGRAL_ASSIGN_OR_RETURN(const std::unique_ptr<domain::Upload> upload, artifacts_->NewUpload());
  MGRAL_RETURN_IF_ERROR(Receive(call, header.size_bytes, next, upload.get()));
  const std::string sha256 = upload->Sha256();
  if (!header.sha256.empty() && header.sha256 != sha256) {
    return base::InvalidField("sha256", absl::StrCat("is not that of the data, ", sha256));
  }
  domain::RequestKey key = request;
  if (!key.request_id.empty()) absl::StrAppend(&key.fingerprint, " ", sha256);

  MGRAL_ASSIGN_OR_RETURN(const TemporaryFolder folder, TemporaryFolder::Make(artifacts_));
  import.detector = pool.detector;
  import.num_classes = static_cast<int>(pool.classes.size());
  import.seed = static_cast<uint64_t>(pool.selection.seed);
  import.path = upload->path();
  import.weights_path = folder.path() + "/weights.safetensors";
  Result result;
  MGRAL_ASSIGN_OR_RETURN(result.report, runtime_->Import(import));
  MGRAL_RETURN_IF_ERROR(call.Check());
  result.classes_mapped = !import.class_labels.empty();
  domain::CycleStore::ImportedModel model;
  MGRAL_ASSIGN_OR_RETURN(model.weights_sha256, artifacts_->PutFile(import.weights_path));
  model.file_name = header.file_name;
  model.profile = pool.detector.profile;
  model.parameters = result.report.parameters;
  model.num_classes = import.num_classes;
  model.publish = result.report.left.empty();
  MGRAL_ASSIGN_OR_RETURN(result.model, cycles_->ImportModel(pool.key, model, key));
  return result;
}

}  // namespace mgral::app
