#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "server/core/detector/detector.h"

struct evp_md_ctx_st;

namespace mgral::runtime {

// SHA-256 of what is added, piece by piece; each piece counts with its length, so that no two
// sequences of pieces are alike.
class Digest {
 public:
  Digest();
  ~Digest();
  Digest& Add(absl::string_view piece);
  Digest& Add(const at::Tensor& tensor);  // type, shape and elements; of any device
  std::string Hex();                      // 64 digits; ends it

 private:
  std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> context_;
};

// Of everything that decides what a detector's frozen trunk makes of an image.
std::string TrunkDigest(const core::Detector& detector);

}  // namespace mgral::runtime
