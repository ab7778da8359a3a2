#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/secure_server.h"

namespace mgral::test {

// A server with the keys of three users: all_ may use every pool, a_ those of team-a, b_ those of
// team-b.
class ApiKeysTest : public SecureServerTest {
 protected:
  void StartWithKeys() {
    server_ = Start({"--api_keys=" + folder_.Write("keys", all_.line + a_.line + b_.line)});
  }
  Api NewApi() { return Api(server_->NewChannel()); }
  static void UseKey(grpc::ClientContext* context, const TestKey& key) {
    context->AddMetadata("authorization", "Bearer " + key.key);
  }
  grpc::Status Create(const std::string& pool_id, const TestKey& key, v1::Pool* pool,
                      const std::string& request_id = "") {
    v1::CreatePoolRequest request;
    request.set_pool_id(pool_id);
    request.set_request_id(request_id);
    request.mutable_pool()->add_classes("cat");
    grpc::ClientContext context;
    UseKey(&context, key);
    return NewApi().pools->CreatePool(&context, request, pool);
  }
  grpc::Status List(const TestKey& key, std::string* token, std::vector<std::string>* names) {
    v1::ListPoolsRequest request;
    request.set_page_size(2);
    request.set_page_token(*token);
    v1::ListPoolsResponse response;
    grpc::ClientContext context;
    UseKey(&context, key);
    const grpc::Status status = NewApi().pools->ListPools(&context, request, &response);
    for (const v1::Pool& pool : response.pools()) names->push_back(pool.name());
    *token = response.next_page_token();
    return status;
  }
  grpc::Status Get(const std::string& pool, const TestKey& key) {
    v1::GetPoolRequest request;
    request.set_name(pool);
    v1::Pool response;
    grpc::ClientContext context;
    UseKey(&context, key);
    return NewApi().pools->GetPool(&context, request, &response);
  }

  const TestKey all_ = MakeKey("ops");
  const TestKey a_ = MakeKey("team-a", "a-*,shared");
  const TestKey b_ = MakeKey("team-b", "b-*,shared");
  std::unique_ptr<ServerProcess> server_;
};

}  // namespace mgral::test
