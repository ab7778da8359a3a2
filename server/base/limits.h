#pragma once

#include <cstdint>

// Limits on what a single request may hold. What depends on the machine (image sizes, threads) is
// an option instead (server/main/option_list.cc).
namespace mgral::base {

constexpr int kMaxBatchRegister = 1000;  // images of one unary call or stream message
constexpr int kMaxBatchLabels = 1000;    // images of one unary call or stream message
constexpr int kMaxBoxesPerImage = 10000;
constexpr int kMaxBatchPredictions = 1000;  // images of one stream message
constexpr int kMaxPredictedBoxesPerImage = 1000;
constexpr int kMaxPredictedBoxesPerMessage = 200'000;
constexpr int64_t kMaxPredictedBoxesPerPool = 20'000'000;  // a cycle holds them all in memory
constexpr int kMaxEmbeddingSize = 4096;
constexpr int kMaxQuerySize = 10000;  // images of one batch
constexpr int kMaxEstimateImages = 10000;
constexpr int kMaxPredictImages = 100;
constexpr int kMaxClasses = 1000;
constexpr int kMaxClassNameBytes = 128;
constexpr int kMaxImageIdBytes = 256;
constexpr int kMaxFileNameBytes = 255;
constexpr int kMaxPathBytes = 1024;
constexpr int kMaxTextBytes = 128;  // annotator, request_id, display_name
constexpr int kMaxReasonBytes = 1024;
constexpr int kMaxPageSize = 1000;
constexpr int kDefaultPageSize = 50;
constexpr int64_t kMinLeaseSeconds = 1;
constexpr int64_t kMaxLeaseSeconds = 7 * 24 * 3600;
constexpr int64_t kDefaultLeaseSeconds = 3600;
constexpr int kMaxMessageBytes = 64 << 20;  // of a gRPC message received

}  // namespace mgral::base
