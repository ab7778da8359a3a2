#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/core/lookup/kmeans.h"
#include "server/core/lookup/table.h"

namespace mgral::runtime {

// A table is stored in two parts, so that an estimate reads the images that it is about and no
// others: what all images share, and one entry per image (cell, group of near-duplicates, a[], the
// deviation of its features from the cell's mean).

// The table without its images.
std::string SharedPart(const core::LookupTable& table);
// One entry per image.
std::vector<std::string> ImageEntries(const core::LookupTable& table);
// The table over the images of `entries`, in that order. INVALID_ARGUMENT for bytes that are not
// entries of this table.
absl::StatusOr<core::LookupTable> Assemble(const core::LookupTable& shared,
                                           const std::vector<std::string>& entries);

// The cells of a plan, from the worker that planned to the one that fits the table.
std::string SerializeCells(const core::Clustering& clustering);
absl::StatusOr<core::Clustering> ParseCells(const std::string& bytes);

}  // namespace mgral::runtime
