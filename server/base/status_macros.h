#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Propagates an error to the caller: the one way to do so where nothing else has to happen. For
// functions that return absl::Status or absl::StatusOr.
//
//   MGRAL_RETURN_IF_ERROR(store->Write(row));
//   MGRAL_ASSIGN_OR_RETURN(const domain::Pool pool, store->GetPool(pool_id));
//
// A type with a comma at the left of an assignment needs an alias or `auto`.

#define MGRAL_RETURN_IF_ERROR(expression)                                                  \
  do {                                                                                     \
    if (absl::Status mgral_status = (expression); !mgral_status.ok()) return mgral_status; \
  } while (false)

#define MGRAL_ASSIGN_OR_RETURN(left, expression) \
  MGRAL_ASSIGN_OR_RETURN_IMPL(MGRAL_STATUS_CONCAT(mgral_or_, __LINE__), left, expression)

#define MGRAL_ASSIGN_OR_RETURN_IMPL(result, left, expression) \
  auto result = (expression);                                 \
  if (!result.ok()) return std::move(result).status();        \
  left = *std::move(result)

#define MGRAL_STATUS_CONCAT(a, b) MGRAL_STATUS_CONCAT_IMPL(a, b)
#define MGRAL_STATUS_CONCAT_IMPL(a, b) a##b
