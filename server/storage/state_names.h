#pragma once

// Inside of server/storage only: the names of states in statements.

#include <string>

#include "absl/strings/string_view.h"

namespace mgral::storage {

// Of rows of the table `job`.
enum class JobState { kOpen = 1, kClaimed = 2, kDone = 3, kDead = 4 };

// Replaces the names in a statement by the numbers that the tables hold: `{image.leased}` becomes
// 2. The names are those of the enums ImageState, ImageUse ("use"), BatchState, CycleState and
// JobState. Columns stay numbers because to change the type of one rewrites the table, and a
// program that still runs could not read it.
//
// Throws std::logic_error for an unknown name: a mistake in the statement, which any test that
// runs it finds.
std::string ReplaceStateNames(absl::string_view statement);

}  // namespace mgral::storage
