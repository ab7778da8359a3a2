#include "server/rpc/resource_names.h"

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/app/field_errors.h"
#include "server/base/errors.h"
#include "server/base/status_macros.h"
#include "server/base/text.h"

namespace mgral::rpc {
namespace {

// The longest is pools/{63}/images/{256}.
constexpr size_t kMaxNameBytes = 512;

absl::StatusOr<std::vector<std::string>> Segments(const std::string& name, const std::string& form,
                                                  const std::string& field) {
  if (name.empty()) return base::InvalidField(field, absl::StrCat("is empty: give ", form));
  const std::string problem = app::TextProblem(name, kMaxNameBytes);
  if (!problem.empty()) return base::InvalidField(field, problem);
  std::vector<std::string> segments = absl::StrSplit(name, '/');
  const std::vector<std::string> expected = absl::StrSplit(form, '/');
  bool good = segments.size() == expected.size();
  for (size_t i = 0; good && i < segments.size(); ++i) {
    good = expected[i][0] == '{' ? !segments[i].empty() : segments[i] == expected[i];
  }
  if (!good) {
    return base::InvalidField(field,
                              absl::StrCat("is ", base::Quoted(name), "; its form is ", form));
  }
  return segments;
}

}  // namespace

std::string PoolName(const std::string& pool_id) { return absl::StrCat("pools/", pool_id); }

std::string ChildName(const std::string& pool_id, const std::string& collection,
                      const std::string& id) {
  return absl::StrCat("pools/", pool_id, "/", collection, "/", id);
}

std::string ModelName(const std::string& pool_id, int64_t version) {
  return ChildName(pool_id, "models", absl::StrCat(version));
}

absl::StatusOr<std::string> ParsePoolName(const std::string& name, const std::string& field) {
  MGRAL_ASSIGN_OR_RETURN(auto segments, Segments(name, "pools/{pool}", field));
  return segments[1];
}

absl::StatusOr<ParsedChild> ParseChildName(const std::string& name, const std::string& collection,
                                           const std::string& field) {
  const std::string form = absl::StrCat("pools/{pool}/", collection, "/{id}");
  MGRAL_ASSIGN_OR_RETURN(auto segments, Segments(name, form, field));
  return ParsedChild{segments[1], segments[3]};
}

absl::StatusOr<int64_t> ParseModelVersion(const ParsedChild& model) {
  int64_t version = 0;
  if (!absl::SimpleAtoi(model.id, &version) || version < 1 || absl::StrCat(version) != model.id) {
    return base::NotFound("model", ChildName(model.pool_id, "models", model.id));
  }
  return version;
}

}  // namespace mgral::rpc
