#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/imaging/file_image_loader.h"
#include "server/main/options.h"
#include "server/runtime/torch_runtime.h"

// What the options of a server mean to its parts.
namespace mgral::server {

// 0 asks for one per core.
int OnePerCore(int asked);

imaging::ImagingOptions ToImaging(const Options& options);
runtime::RuntimeOptions ToRuntime(const Options& options);

// INVALID_ARGUMENT naming the option that does not fit this machine: a folder that cannot be read,
// a GPU that is not there, a file that holds no weights.
absl::Status CheckImageRoot(const std::string& root);
// The device in full, e.g. cuda:0. Warns where there are no pretrained weights.
absl::StatusOr<std::string> ResolveDevice(const Options& options);

}  // namespace mgral::server
