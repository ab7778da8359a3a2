#include "server/runtime/digest.h"

#include <ATen/ATen.h>
#include <openssl/evp.h>

#include <cstdint>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/core/detector/network.h"

namespace mgral::runtime {
namespace {

// Goes up when the same weights and pixels come to give other features.
constexpr int kFeaturesVersion = 1;

}  // namespace

Digest::Digest() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
  EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
}
Digest::~Digest() = default;

Digest& Digest::Add(absl::string_view piece) {
  const uint64_t size = piece.size();
  EVP_DigestUpdate(context_.get(), &size, sizeof(size));
  EVP_DigestUpdate(context_.get(), piece.data(), piece.size());
  return *this;
}

Digest& Digest::Add(const at::Tensor& tensor) {
  const at::Tensor own = tensor.detach().cpu().contiguous();
  std::string form = c10::toString(own.scalar_type());
  for (int64_t size : own.sizes()) absl::StrAppend(&form, " ", size);
  Add(form);
  return Add(absl::string_view(static_cast<const char*>(own.data_ptr()), own.nbytes()));
}

std::string Digest::Hex() {
  std::string bytes(EVP_MAX_MD_SIZE, '\0');
  unsigned int size = 0;
  EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(&bytes[0]), &size);
  bytes.resize(size);
  return absl::BytesToHexString(bytes);
}

std::string TrunkDigest(const core::Detector& detector) {
  const core::DetectorConfig& config = detector.config();
  Digest digest;
  digest.Add(absl::StrCat("features ", kFeaturesVersion, " trunk ", static_cast<int>(config.trunk),
                          " from level ", config.min_level, " input ", config.input_size));
  for (const auto& [name, tensor] : detector.net().FeatureState()) digest.Add(name).Add(tensor);
  return digest.Hex();
}

}  // namespace mgral::runtime
