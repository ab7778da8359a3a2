#pragma once

#include <string>
#include <vector>

#include "server/core/lookup/kmeans.h"
#include "server/core/lookup/table.h"

namespace mgral::core {

// A table is stored in two parts, so that an estimate reads the images that it is about and no
// others: what all images share, and one entry per image (cell, group of near-duplicates, missed
// objects, reach). What an earlier release wrote in another format is refused, never misread.

// The table without its images, as LookupTable::Serialize writes it.
std::string SerializeShared(const LookupTable& table);
// One entry per image.
std::vector<std::string> SerializeEntries(const LookupTable& table);
// The table over the images of `entries`, in that order. Throws std::invalid_argument for bytes
// that are not entries of this table.
LookupTable AssembleTable(const LookupTable& shared, const std::vector<std::string>& entries);

// The cells of a plan, from the worker that planned to the one that fits the table. Parsing throws
// std::invalid_argument for anything that was not written so.
std::string SerializeCells(const Clustering& clustering);
Clustering ParseCells(const std::string& bytes);

}  // namespace mgral::core
