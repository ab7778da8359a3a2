#include "server/rpc/prediction_service.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/limits.h"
#include "server/base/status_macros.h"
#include "server/rpc/find_pool.h"
#include "server/rpc/image_messages.h"

namespace mgral::rpc {
namespace {

absl::StatusOr<std::vector<app::PredictionsInput>> ToPredictionsInputs(
    const google::protobuf::RepeatedPtrField<mgral::v1::NewPredictions>& predictions) {
  if (predictions.size() > base::kMaxBatchPredictions) {
    return base::InvalidField("predictions",
                              absl::StrCat("are for ", predictions.size(), " images; at most ",
                                           base::kMaxBatchPredictions, " are allowed at once"));
  }
  std::vector<app::PredictionsInput> inputs;
  inputs.reserve(predictions.size());
  for (const mgral::v1::NewPredictions& one : predictions) {
    app::PredictionsInput& input = inputs.emplace_back();
    input.image_id = one.image_id();
    input.boxes.reserve(one.boxes_size());
    for (const mgral::v1::Box& box : one.boxes()) input.boxes.push_back(ToBoxInput(box));
    input.embedding.assign(one.embedding().begin(), one.embedding().end());
  }
  return inputs;
}

absl::Status CheckSame(const std::string& given, const std::string& first, const char* field) {
  if (given.empty() || given == first) return absl::OkStatus();
  return base::InvalidField(field, "differs from that of the stream's first message");
}

}  // namespace

grpc::Status PredictionService::PutPredictions(
    grpc::ServerContext* context,
    grpc::ServerReaderWriter<mgral::v1::PutPredictionsResponse, mgral::v1::PutPredictionsRequest>*
        stream) {
  return calls_->Run(
      context, "PredictionService/PutPredictions",
      [&](const Caller& caller) { return Put(caller, stream); }, CallRunner::Kind::kStream);
}

absl::Status PredictionService::Put(
    const Caller& caller,
    grpc::ServerReaderWriter<mgral::v1::PutPredictionsResponse, mgral::v1::PutPredictionsRequest>*
        stream) {
  mgral::v1::PutPredictionsRequest request;
  if (!stream->Read(&request)) return absl::OkStatus();
  const std::string parent = request.parent(), model = request.model();
  MGRAL_ASSIGN_OR_RETURN(const auto pool, FindPool(pools_, caller, parent, "parent"));
  MGRAL_ASSIGN_OR_RETURN(auto put, put_predictions_->Begin(pool, model));

  int64_t acknowledged = 0;
  do {
    MGRAL_RETURN_IF_ERROR(calls_->StillValid(caller));
    MGRAL_RETURN_IF_ERROR(CheckSame(request.parent(), parent, "parent"));
    MGRAL_RETURN_IF_ERROR(CheckSame(request.model(), model, "model"));
    MGRAL_ASSIGN_OR_RETURN(const auto predictions, ToPredictionsInputs(request.predictions()));
    MGRAL_ASSIGN_OR_RETURN(const auto chunk, put_predictions_->Put(predictions, &put));
    mgral::v1::PutPredictionsResponse response;
    for (const app::Refusal& refusal : chunk.refused) {
      mgral::v1::RefusedPredictions* refused = response.add_refused();
      refused->set_index(acknowledged + static_cast<int64_t>(refusal.index));
      refused->set_image_id(predictions[refusal.index].image_id);
      refused->set_field(refusal.field);
      refused->set_reason(refusal.reason);
    }
    acknowledged += static_cast<int64_t>(predictions.size());
    response.set_acknowledged(acknowledged);
    response.set_stored(chunk.stored);
    response.set_images(put.images);
    if (!stream->Write(response)) return absl::CancelledError("the client went away");
    if (calls_->draining()) return DrainingError();
    request.Clear();
  } while (stream->Read(&request));
  return absl::OkStatus();
}

}  // namespace mgral::rpc
