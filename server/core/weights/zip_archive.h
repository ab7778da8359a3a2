#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "server/core/weights/tensor_input.h"

namespace mgral::core {

// Where a stored entry's bytes lie in the archive.
struct ZipEntry {
  uint64_t offset = 0;
  uint64_t size = 0;
};

// The entries of a ZIP or ZIP64 archive by name. Archives of compressed or encrypted entries are
// refused whole, as are entries that share bytes: what is read is never more than the file.
// Checksums are not compared (PyTorch does not, either, and can be told not to write them). Throws
// std::invalid_argument.
std::map<std::string, ZipEntry> ReadZipDirectory(InputFile* file, size_t max_entries);

}  // namespace mgral::core
