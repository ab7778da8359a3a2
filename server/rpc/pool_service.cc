#include "server/rpc/pool_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/rpc/find_pool.h"
#include "server/rpc/image_messages.h"
#include "server/rpc/pool_messages.h"
#include "server/rpc/request_fields.h"

namespace mgral::rpc {

grpc::Status PoolService::CreatePool(grpc::ServerContext* context,
                                     const mgral::v1::CreatePoolRequest* request,
                                     mgral::v1::Pool* response) {
  return calls_->Run(context, "PoolService/CreatePool", [&](const Caller& caller) -> absl::Status {
    // The call belongs to no pool, so request_ids are scoped to the API key.
    const std::string separator = caller.key_name.empty() ? "" : "/";
    MGRAL_ASSIGN_OR_RETURN(
        const auto key,
        ToRequestKey(absl::StrCat("CreatePool", separator, caller.key_name), *request));
    MGRAL_RETURN_IF_ERROR(MayCreatePool(caller, request->pool_id()));
    MGRAL_ASSIGN_OR_RETURN(auto new_pool, ToPool(*request));
    MGRAL_ASSIGN_OR_RETURN(const auto pool, create_pool_->Run(std::move(new_pool), key));
    FromPool(pool, response);
    return absl::OkStatus();
  });
}

grpc::Status PoolService::GetPool(grpc::ServerContext* context,
                                  const mgral::v1::GetPoolRequest* request,
                                  mgral::v1::Pool* response) {
  return calls_->Run(context, "PoolService/GetPool", [&](const Caller& caller) -> absl::Status {
    MGRAL_ASSIGN_OR_RETURN(const auto pool, FindPool(pools_, caller, request->name(), "name"));
    FromPool(pool, response);
    return absl::OkStatus();
  });
}

grpc::Status PoolService::ListPools(grpc::ServerContext* context,
                                    const mgral::v1::ListPoolsRequest* request,
                                    mgral::v1::ListPoolsResponse* response) {
  return calls_->Run(context, "PoolService/ListPools", [&](const Caller& caller) -> absl::Status {
    MGRAL_ASSIGN_OR_RETURN(const auto page, ToPage(request->page_size(), request->page_token()));
    MGRAL_ASSIGN_OR_RETURN(const auto pools, pools_->ListPools(page, caller.pools));
    for (const domain::Pool& pool : pools.items) FromPool(pool, response->add_pools());
    response->set_next_page_token(pools.next_page_token);
    return absl::OkStatus();
  });
}

grpc::Status PoolService::DeletePool(grpc::ServerContext* context,
                                     const mgral::v1::DeletePoolRequest* request,
                                     google::protobuf::Empty*) {
  return calls_->Run(context, "PoolService/DeletePool", [&](const Caller& caller) -> absl::Status {
    MGRAL_ASSIGN_OR_RETURN(const auto pool_id, FindPoolId(caller, request->name(), "name"));
    return pools_->DeletePool(pool_id, request->force());
  });
}

grpc::Status PoolService::BatchRegisterImages(grpc::ServerContext* context,
                                              const mgral::v1::BatchRegisterImagesRequest* request,
                                              mgral::v1::BatchRegisterImagesResponse* response) {
  return calls_->Run(
      context, "PoolService/BatchRegisterImages", [&](const Caller& caller) -> absl::Status {
        MGRAL_ASSIGN_OR_RETURN(const auto key, ToRequestKey("BatchRegisterImages", *request));
        MGRAL_ASSIGN_OR_RETURN(const auto verification, ToVerification(request->verification()));
        const auto images = ToImageInputs(request->images());
        if (!images.ok()) return images.status();
        if (images->empty()) return base::InvalidField("images", "is empty: give 1 to 1000 images");
        MGRAL_ASSIGN_OR_RETURN(const auto pool,
                               FindPool(pools_, caller, request->parent(), "parent"));
        MGRAL_ASSIGN_OR_RETURN(const auto counts,
                               register_images_->RegisterAll(ToCallContext(context), pool, *images,
                                                             verification, key));
        response->set_registered(counts.registered);
        response->set_existing(counts.existing);
        return absl::OkStatus();
      });
}

grpc::Status PoolService::RegisterImages(
    grpc::ServerContext* context,
    grpc::ServerReaderWriter<mgral::v1::RegisterImagesResponse, mgral::v1::RegisterImagesRequest>*
        stream) {
  return calls_->Run(
      context, "PoolService/RegisterImages",
      [&](const Caller& caller) { return Register(caller, ToCallContext(context), stream); },
      CallRunner::Kind::kStream);
}

absl::Status PoolService::Register(
    const Caller& caller, const domain::CallContext& call,
    grpc::ServerReaderWriter<mgral::v1::RegisterImagesResponse, mgral::v1::RegisterImagesRequest>*
        stream) {
  mgral::v1::RegisterImagesRequest request;
  if (!stream->Read(&request)) return absl::OkStatus();
  const std::string parent = request.parent();
  MGRAL_ASSIGN_OR_RETURN(const auto pool, FindPool(pools_, caller, parent, "parent"));
  MGRAL_ASSIGN_OR_RETURN(const auto verification, ToVerification(request.verification()));

  int64_t acknowledged = 0;
  do {
    MGRAL_RETURN_IF_ERROR(calls_->StillValid(caller));
    if (!request.parent().empty() && request.parent() != parent) {
      return base::InvalidField("parent", "differs from that of the stream's first message");
    }
    MGRAL_ASSIGN_OR_RETURN(const auto images, ToImageInputs(request.images()));
    MGRAL_ASSIGN_OR_RETURN(const auto chunk,
                           register_images_->RegisterValid(call, pool, images, verification));
    mgral::v1::RegisterImagesResponse response;
    for (const app::Refusal& refusal : chunk.refused) {
      mgral::v1::RefusedImage* refused = response.add_refused();
      refused->set_index(acknowledged + static_cast<int64_t>(refusal.index));
      refused->set_image_id(images[refusal.index].image_id);
      refused->set_field(refusal.field);
      refused->set_reason(refusal.reason);
    }
    acknowledged += static_cast<int64_t>(images.size());
    response.set_acknowledged(acknowledged);
    response.set_registered(chunk.counts.registered);
    response.set_existing(chunk.counts.existing);
    if (!stream->Write(response)) return absl::CancelledError("the client went away");
    if (calls_->draining()) return DrainingError();
    request.Clear();
  } while (stream->Read(&request));
  return absl::OkStatus();
}

grpc::Status PoolService::GetImage(grpc::ServerContext* context,
                                   const mgral::v1::GetImageRequest* request,
                                   mgral::v1::Image* response) {
  return calls_->Run(context, "PoolService/GetImage", [&](const Caller& caller) -> absl::Status {
    MGRAL_ASSIGN_OR_RETURN(const auto named,
                           FindPoolOfChild(pools_, caller, request->name(), "images"));
    const auto image = pools_->GetImage(named.pool.key, named.id);
    if (!image.ok()) return AboutChild(image.status(), "image", request->name());
    FromImage(*image, named.pool.pool_id, response);
    return absl::OkStatus();
  });
}

grpc::Status PoolService::ListImages(grpc::ServerContext* context,
                                     const mgral::v1::ListImagesRequest* request,
                                     mgral::v1::ListImagesResponse* response) {
  return calls_->Run(context, "PoolService/ListImages", [&](const Caller& caller) -> absl::Status {
    MGRAL_ASSIGN_OR_RETURN(const auto page, ToPage(request->page_size(), request->page_token()));
    std::optional<domain::ImageState> state;
    if (!mgral::v1::ImageState_IsValid(request->state())) {
      return base::InvalidField("state", absl::StrCat("unknown state ", request->state()));
    }
    if (request->state() != mgral::v1::IMAGE_STATE_UNSPECIFIED) {
      state = static_cast<domain::ImageState>(request->state());  // the same numbers
    }
    std::optional<domain::ImageUse> use;
    if (request->use() != mgral::v1::IMAGE_USE_UNSPECIFIED) {
      MGRAL_ASSIGN_OR_RETURN(use, ToImageUse(request->use(), "use"));
    }
    MGRAL_ASSIGN_OR_RETURN(const auto pool, FindPool(pools_, caller, request->parent(), "parent"));
    MGRAL_ASSIGN_OR_RETURN(const auto images, pools_->ListImages(pool.key, page, state, use));
    for (const domain::Image& image : images.items) {
      FromImage(image, pool.pool_id, response->add_images());
    }
    response->set_next_page_token(images.next_page_token);
    return absl::OkStatus();
  });
}

}  // namespace mgral::rpc
