#pragma once

#include "mgral/v1/pool_service.grpc.pb.h"
#include "server/app/create_pool.h"
#include "server/app/register_images.h"
#include "server/domain/pool_store.h"
#include "server/rpc/call_runner.h"

namespace mgral::rpc {

// Everything given must outlive the service.
class PoolService : public mgral::v1::PoolService::Service {
 public:
  PoolService(CallRunner* calls, domain::PoolStore* pools, app::CreatePool* create_pool,
              app::RegisterImages* register_images)
      : calls_(calls),
        pools_(pools),
        create_pool_(create_pool),
        register_images_(register_images) {}

  grpc::Status CreatePool(grpc::ServerContext* context, const mgral::v1::CreatePoolRequest* request,
                          mgral::v1::Pool* response) override;
  grpc::Status GetPool(grpc::ServerContext* context, const mgral::v1::GetPoolRequest* request,
                       mgral::v1::Pool* response) override;
  grpc::Status ListPools(grpc::ServerContext* context, const mgral::v1::ListPoolsRequest* request,
                         mgral::v1::ListPoolsResponse* response) override;
  grpc::Status DeletePool(grpc::ServerContext* context, const mgral::v1::DeletePoolRequest* request,
                          google::protobuf::Empty* response) override;
  grpc::Status BatchRegisterImages(grpc::ServerContext* context,
                                   const mgral::v1::BatchRegisterImagesRequest* request,
                                   mgral::v1::BatchRegisterImagesResponse* response) override;
  grpc::Status RegisterImages(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<mgral::v1::RegisterImagesResponse, mgral::v1::RegisterImagesRequest>*
          stream) override;
  grpc::Status GetImage(grpc::ServerContext* context, const mgral::v1::GetImageRequest* request,
                        mgral::v1::Image* response) override;
  grpc::Status ListImages(grpc::ServerContext* context, const mgral::v1::ListImagesRequest* request,
                          mgral::v1::ListImagesResponse* response) override;

 private:
  absl::Status Register(const Caller& caller, const domain::CallContext& call,
                        grpc::ServerReaderWriter<mgral::v1::RegisterImagesResponse,
                                                 mgral::v1::RegisterImagesRequest>* stream);

  CallRunner* calls_;
  domain::PoolStore* pools_;
  app::CreatePool* create_pool_;
  app::RegisterImages* register_images_;
};

}  // namespace mgral::rpc
