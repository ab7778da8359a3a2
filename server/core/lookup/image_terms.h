#ifndef MGRAL_SERVER_CORE_LOOKUP_IMAGE_TERMS_H_
#define MGRAL_SERVER_CORE_LOOKUP_IMAGE_TERMS_H_

#include "server/core/lookup/features.h"
#include "server/core/lookup/kmeans.h"
#include "server/core/lookup/table.h"

namespace mgral::core {

// Appends images to a table whose cells, weights, scales and cell features are set: cell_of,
// group_of, deviation and a[]. The terms of a group of near-duplicates are the mean of its
// members', so that the gain does not depend on which of them is taken.
void AppendImages(const CellAssignment& assignment, const ImageFeatures& features,
                  LookupTable* table);

}  // namespace mgral::core

#endif  // MGRAL_SERVER_CORE_LOOKUP_IMAGE_TERMS_H_
