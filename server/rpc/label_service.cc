#include "server/rpc/label_service.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "server/app/export_labels.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/rpc/find_pool.h"
#include "server/rpc/label_messages.h"
#include "server/rpc/request_fields.h"

namespace mgral::rpc {

grpc::Status LabelService::BatchIngestLabels(grpc::ServerContext* context,
                                             const mgral::v1::BatchIngestLabelsRequest* request,
                                             mgral::v1::BatchIngestLabelsResponse* response) {
  return calls_->Run(
      context, "LabelService/BatchIngestLabels", [&](const Caller& caller) -> absl::Status {
        MGRAL_ASSIGN_OR_RETURN(const auto key, ToRequestKey("BatchIngestLabels", *request));
        if (request->labels().empty()) {
          return base::InvalidField("labels", "is empty: give the labels of 1 to 1000 images");
        }
        MGRAL_ASSIGN_OR_RETURN(const auto pool,
                               FindPool(pools_, caller, request->parent(), "parent"));
        MGRAL_ASSIGN_OR_RETURN(const auto labels, ToLabelsInputs(request->labels(), pool.pool_id));
        MGRAL_ASSIGN_OR_RETURN(const auto counts, ingest_labels_->IngestAll(ToCallContext(context),
                                                                            pool, labels, key));
        response->set_ingested(counts.ingested);
        response->set_late(counts.late);
        return absl::OkStatus();
      });
}

grpc::Status LabelService::IngestLabels(
    grpc::ServerContext* context,
    grpc::ServerReaderWriter<mgral::v1::IngestLabelsResponse, mgral::v1::IngestLabelsRequest>*
        stream) {
  return calls_->Run(
      context, "LabelService/IngestLabels",
      [&](const Caller& caller) { return Ingest(caller, ToCallContext(context), stream); },
      CallRunner::Kind::kStream);
}

absl::Status LabelService::Ingest(
    const Caller& caller, const domain::CallContext& call,
    grpc::ServerReaderWriter<mgral::v1::IngestLabelsResponse, mgral::v1::IngestLabelsRequest>*
        stream) {
  mgral::v1::IngestLabelsRequest request;
  if (!stream->Read(&request)) return absl::OkStatus();
  const std::string parent = request.parent();
  MGRAL_ASSIGN_OR_RETURN(const auto pool, FindPool(pools_, caller, parent, "parent"));

  int64_t acknowledged = 0;
  do {
    MGRAL_RETURN_IF_ERROR(calls_->StillValid(caller));
    if (!request.parent().empty() && request.parent() != parent) {
      return base::InvalidField("parent", "differs from that of the stream's first message");
    }
    MGRAL_ASSIGN_OR_RETURN(const auto labels, ToLabelsInputs(request.labels(), pool.pool_id));
    MGRAL_ASSIGN_OR_RETURN(const auto chunk, ingest_labels_->IngestValid(call, pool, labels));
    mgral::v1::IngestLabelsResponse response;
    for (const app::Refusal& refusal : chunk.refused) {
      mgral::v1::RefusedLabels* refused = response.add_refused();
      refused->set_index(acknowledged + static_cast<int64_t>(refusal.index));
      refused->set_image_id(labels[refusal.index].image_id);
      refused->set_field(refusal.field);
      refused->set_reason(refusal.reason);
    }
    acknowledged += static_cast<int64_t>(labels.size());
    response.set_acknowledged(acknowledged);
    response.set_ingested(chunk.counts.ingested);
    response.set_late(chunk.counts.late);
    if (!stream->Write(response)) return absl::CancelledError("the client went away");
    if (calls_->draining()) return DrainingError();
    request.Clear();
  } while (stream->Read(&request));
  return absl::OkStatus();
}

grpc::Status LabelService::ListLabels(grpc::ServerContext* context,
                                      const mgral::v1::ListLabelsRequest* request,
                                      mgral::v1::ListLabelsResponse* response) {
  return calls_->Run(context, "LabelService/ListLabels", [&](const Caller& caller) -> absl::Status {
    MGRAL_ASSIGN_OR_RETURN(const auto page, ToPage(request->page_size(), request->page_token()));
    MGRAL_ASSIGN_OR_RETURN(const auto pool, FindPool(pools_, caller, request->parent(), "parent"));
    MGRAL_ASSIGN_OR_RETURN(const auto labels, labels_->ListLabels(pool.key, page));
    for (const domain::Labels& one : labels.items) {
      FromLabels(one, pool, response->add_labels());
    }
    response->set_next_page_token(labels.next_page_token);
    return absl::OkStatus();
  });
}

grpc::Status LabelService::ExportLabels(
    grpc::ServerContext* context, const mgral::v1::ExportLabelsRequest* request,
    grpc::ServerWriter<mgral::v1::ExportLabelsResponse>* writer) {
  const auto handler = [&](const Caller& caller) -> absl::Status {
    if (!mgral::v1::ExportFormat_IsValid(request->format())) {
      return base::InvalidField("format", absl::StrCat("unknown format ", request->format()));
    }
    MGRAL_ASSIGN_OR_RETURN(const auto pool, FindPool(pools_, caller, request->parent(), "parent"));
    absl::Status stopped;  // why the file ends early, where the client didn't leave
    const absl::Status exported = app::ExportCoco(
        ToCallContext(context), pools_, loader_, pool, [&](absl::string_view piece) {
          stopped = calls_->draining() ? DrainingError() : calls_->StillValid(caller);
          mgral::v1::ExportLabelsResponse response;
          response.set_data(std::string(piece));
          return stopped.ok() && writer->Write(response);
        });
    return stopped.ok() ? exported : stopped;
  };
  return calls_->Run(context, "LabelService/ExportLabels", handler, CallRunner::Kind::kStream);
}

}  // namespace mgral::rpc
