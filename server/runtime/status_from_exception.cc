#include "server/runtime/status_from_exception.h"

#include <c10/util/Exception.h>

#include <cerrno>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/base/errors.h"
#include "server/core/progress.h"

namespace mgral::runtime {
namespace {

// What the allocators of the CPU and of CUDA say.
bool IsOutOfMemory(const std::string& message) {
  return absl::StrContains(message, "out of memory") ||
         absl::StrContains(message, "can't allocate memory") ||
         absl::StrContains(message, "not enough memory");
}

}  // namespace

absl::Status StatusFromException() {
  try {
    throw;
  } catch (const StatusException& error) {
    return error.status();
  } catch (const core::Canceled&) {
    return absl::CancelledError("the work was asked to stop");
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    if (IsOutOfMemory(message)) return absl::ResourceExhaustedError(message);
    return absl::InternalError(message);
  } catch (const std::invalid_argument& error) {
    return absl::InvalidArgumentError(error.what());
  } catch (const std::system_error& error) {
    const int code = error.code().value();
    if (code != ENOSPC && code != EDQUOT) return absl::InternalError(error.what());
    return base::Overloaded(absl::StrCat("the disk is full: ", error.what()), absl::Seconds(60));
  } catch (const std::exception& error) {
    if (IsOutOfMemory(error.what())) return absl::ResourceExhaustedError(error.what());
    return absl::InternalError(error.what());
  } catch (...) {
    return absl::InternalError("unknown exception");
  }
}

}  // namespace mgral::runtime
