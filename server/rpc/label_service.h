#pragma once

#include "mgral/v1/label_service.grpc.pb.h"
#include "server/app/ingest_labels.h"
#include "server/domain/image_loader.h"
#include "server/domain/label_store.h"
#include "server/domain/pool_store.h"
#include "server/rpc/call_runner.h"

namespace mgral::rpc {

// Everything given must outlive the service.
class LabelService : public mgral::v1::LabelService::Service {
 public:
  LabelService(CallRunner* calls, domain::PoolStore* pools, domain::LabelStore* labels,
               domain::ImageLoader* loader, app::IngestLabels* ingest_labels)
      : calls_(calls),
        pools_(pools),
        labels_(labels),
        loader_(loader),
        ingest_labels_(ingest_labels) {}

  grpc::Status BatchIngestLabels(grpc::ServerContext* context,
                                 const mgral::v1::BatchIngestLabelsRequest* request,
                                 mgral::v1::BatchIngestLabelsResponse* response) override;
  grpc::Status IngestLabels(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<mgral::v1::IngestLabelsResponse, mgral::v1::IngestLabelsRequest>*
          stream) override;
  grpc::Status ListLabels(grpc::ServerContext* context, const mgral::v1::ListLabelsRequest* request,
                          mgral::v1::ListLabelsResponse* response) override;
  grpc::Status ExportLabels(grpc::ServerContext* context,
                            const mgral::v1::ExportLabelsRequest* request,
                            grpc::ServerWriter<mgral::v1::ExportLabelsResponse>* writer) override;

 private:
  absl::Status Ingest(const Caller& caller, const domain::CallContext& call,
                      grpc::ServerReaderWriter<mgral::v1::IngestLabelsResponse,
                                               mgral::v1::IngestLabelsRequest>* stream);

  CallRunner* calls_;
  domain::PoolStore* pools_;
  domain::LabelStore* labels_;
  domain::ImageLoader* loader_;
  app::IngestLabels* ingest_labels_;
};

}  // namespace mgral::rpc
