#pragma once

#include <string>

#include "absl/status/status.h"
#include "server/imaging/file_image_loader.h"
#include "server/main/options.h"
#include "server/runtime/torch_runtime.h"

// What the options of a server mean to its parts.
namespace mgral::server {

// 0 asks for one per core.
int OnePerCore(int asked);

imaging::ImagingOptions ToImaging(const Options& options);
runtime::RuntimeOptions ToRuntime(const Options& options);

// INVALID_ARGUMENT naming the option: a folder that cannot be read, a file that holds no weights.
absl::Status CheckImageRoot(const std::string& root);
// Warns where there are none.
absl::Status CheckTrunkWeights(const std::string& path);

}  // namespace mgral::server
