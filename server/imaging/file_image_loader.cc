#include "server/imaging/file_image_loader.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/imaging/decode.h"
#include "server/imaging/image_header.h"

namespace mgral::imaging {
namespace {

using base::InvalidField;
using domain::ImageHeader;
using domain::ImageSource;
using domain::Pixels;

std::string FieldOf(const ImageSource& source) {
  switch (source.kind) {
    case ImageSource::Kind::kPath:
      return "source.path";
    case ImageSource::Kind::kUri:
      return "source.uri";
    case ImageSource::Kind::kArtifact:
      return "source.data";
  }
  return "source";
}

// ParseHeader, within the limits.
absl::StatusOr<EncodedHeader> CheckedHeader(absl::string_view bytes, const ImagingOptions& options,
                                            const std::string& field) {
  if (static_cast<int64_t>(bytes.size()) > options.max_bytes) {
    return InvalidField(field, absl::StrCat("has ", bytes.size(), " bytes; at most ",
                                            options.max_bytes, " are allowed"));
  }
  absl::StatusOr<EncodedHeader> header = ParseHeader(bytes, field);
  if (!header.ok()) return header;
  if (static_cast<int64_t>(header->width) * header->height > options.max_pixels) {
    return InvalidField(field,
                        absl::StrCat("has ", header->width, " x ", header->height, " pixels; ",
                                     options.max_pixels, " are allowed: reduce the image"));
  }
  return header;
}

// The bytes that came with the registration.
absl::StatusOr<std::string> ReadArtifact(domain::ArtifactStore* artifacts,
                                         const std::string& sha256) {
  absl::StatusOr<std::string> bytes = artifacts->Get(sha256);
  if (bytes.ok()) return bytes;
  return base::WithFields(bytes.status(), {{"source.data", std::string(bytes.status().message())}});
}

FetchLimits ToFetchLimits(const ImagingOptions& options) {
  FetchLimits limits;
  limits.prefixes = options.uri_prefixes;
  limits.max_bytes = options.max_bytes;
  return limits;
}

}  // namespace

// One image after the other passes here; each is over in the time that decoding takes.
class FileImageLoader::DecoderPlace {
 public:
  explicit DecoderPlace(FileImageLoader* loader) : loader_(loader) {
    const auto free = [loader]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(loader->decoders_mutex_) {
      return loader->free_decoders_ > 0;
    };
    absl::MutexLock lock(&loader->decoders_mutex_, absl::Condition(&free));
    --loader->free_decoders_;
  }
  ~DecoderPlace() {
    absl::MutexLock lock(&loader_->decoders_mutex_);
    ++loader_->free_decoders_;
  }
  DecoderPlace(const DecoderPlace&) = delete;
  DecoderPlace& operator=(const DecoderPlace&) = delete;

 private:
  FileImageLoader* loader_;
};

FileImageLoader::FileImageLoader(const ImagingOptions& options, domain::ArtifactStore* artifacts)
    : options_(options),
      files_(options.image_root, options.max_bytes),
      uris_(ToFetchLimits(options)),
      artifacts_(artifacts),
      free_decoders_(std::max(1, options.decoders)) {}

absl::StatusOr<std::string> FileImageLoader::Bytes(const domain::CallContext& call,
                                                   const ImageSource& source) {
  switch (source.kind) {
    case ImageSource::Kind::kPath:
      return files_.Read(source.location);
    case ImageSource::Kind::kUri:
      return uris_.Fetch(call, source.location);
    case ImageSource::Kind::kArtifact:
      if (artifacts_ == nullptr) return absl::InternalError("no artifact store");
      return ReadArtifact(artifacts_, source.location);
  }
  return absl::InternalError("unknown kind of image source");
}

absl::StatusOr<Pixels> FileImageLoader::DecodeChecked(absl::string_view bytes, bool oriented,
                                                      int max_side,
                                                      const std::string& field) const {
  const absl::StatusOr<EncodedHeader> header = CheckedHeader(bytes, options_, field);
  if (!header.ok()) return header.status();
  return Decode(bytes, *header, oriented, max_side, field);
}

template <typename Look>
auto FileImageLoader::InTurn(const domain::CallContext& call, const ImageSource& source, Look look)
    -> decltype(look(absl::string_view())) {
  if (source.kind == ImageSource::Kind::kUri) {
    const absl::StatusOr<std::string> bytes = Bytes(call, source);
    if (!bytes.ok()) return bytes.status();
    const DecoderPlace place(this);
    return look(*bytes);
  }
  const DecoderPlace place(this);
  const absl::StatusOr<std::string> bytes = Bytes(call, source);
  if (!bytes.ok()) return bytes.status();
  return look(*bytes);
}

absl::StatusOr<ImageHeader> FileImageLoader::ReadHeader(const domain::CallContext& call,
                                                        const ImageSource& source) {
  return InTurn(call, source, [&](absl::string_view bytes) -> absl::StatusOr<ImageHeader> {
    const absl::StatusOr<EncodedHeader> header = CheckedHeader(bytes, options_, FieldOf(source));
    if (!header.ok()) return header.status();
    return SizeOf(*header, source.oriented);
  });
}

absl::StatusOr<ImageHeader> FileImageLoader::Verify(const domain::CallContext& call,
                                                    const ImageSource& source) {
  const absl::StatusOr<Pixels> pixels = LoadInTurn(call, source, 0);
  if (!pixels.ok()) return pixels.status();
  return ImageHeader{pixels->width, pixels->height, pixels->note};
}

absl::StatusOr<ImageHeader> FileImageLoader::VerifyBytes(absl::string_view bytes, bool oriented) {
  const DecoderPlace place(this);
  const absl::StatusOr<Pixels> pixels = DecodeChecked(bytes, oriented, 0, "source.data");
  if (!pixels.ok()) return pixels.status();
  return ImageHeader{pixels->width, pixels->height, pixels->note};
}

absl::StatusOr<Pixels> FileImageLoader::Load(const domain::CallContext& call,
                                             const ImageSource& source, int max_side) {
  const absl::StatusOr<std::string> bytes = Bytes(call, source);
  if (!bytes.ok()) return bytes.status();
  return DecodeChecked(*bytes, source.oriented, max_side, FieldOf(source));
}

absl::StatusOr<Pixels> FileImageLoader::LoadInTurn(const domain::CallContext& call,
                                                   const ImageSource& source, int max_side) {
  return InTurn(call, source, [&](absl::string_view bytes) {
    return DecodeChecked(bytes, source.oriented, max_side, FieldOf(source));
  });
}

absl::StatusOr<Pixels> FileImageLoader::LoadBytes(absl::string_view bytes, bool oriented,
                                                  int max_side) {
  return DecodeChecked(bytes, oriented, max_side, "source.data");
}

}  // namespace mgral::imaging
