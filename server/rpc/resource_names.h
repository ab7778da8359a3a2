#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

// Resource names (AIP-122): pools/{pool}/images/{image_id} and so on. Parsing gives
// INVALID_ARGUMENT on `field`.
namespace mgral::rpc {

std::string PoolName(const std::string& pool_id);
// ChildName("cats", "batches", "7") is "pools/cats/batches/7".
std::string ChildName(const std::string& pool_id, const std::string& collection,
                      const std::string& id);
std::string ModelName(const std::string& pool_id, int64_t version);

absl::StatusOr<std::string> ParsePoolName(const std::string& name, const std::string& field);

struct ParsedChild {
  std::string pool_id;
  std::string id;
};
absl::StatusOr<ParsedChild> ParseChildName(const std::string& name, const std::string& collection,
                                           const std::string& field);

// The version that a model's id stands for. Errors: NOT_FOUND for anything but a version.
absl::StatusOr<int64_t> ParseModelVersion(const ParsedChild& model);

}  // namespace mgral::rpc
