#include "client/cpp/lib/image_matching.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace mgral::client {
namespace {

constexpr int kSeveral = -2;
constexpr size_t kUploadPrefix = 9;  // "f5e0cb5c-"

absl::string_view BaseNameOfId(absl::string_view id) {
  const size_t colon = id.rfind(':');
  return colon == absl::string_view::npos ? id : id.substr(colon + 1);
}

bool HasUploadPrefix(absl::string_view name) {
  return name.size() > kUploadPrefix && name[kUploadPrefix - 1] == '-' &&
         std::all_of(name.begin(), name.begin() + kUploadPrefix - 1,
                     [](char c) { return absl::ascii_isxdigit(c) && !absl::ascii_isupper(c); });
}

}  // namespace

std::string ImageIdOfFile(const std::string& file_name) {
  return absl::StrReplaceAll(file_name, {{"/", ":"}, {"\\", ":"}});
}

void MatchCounts::Add(MatchedBy by) {
  switch (by) {
    case MatchedBy::kImageId:
      ++image_id;
      break;
    case MatchedBy::kPath:
    case MatchedBy::kPathSuffix:
      ++path;
      break;
    case MatchedBy::kBaseName:
      ++base_name;
      break;
    case MatchedBy::kUnprefixedBaseName:
      ++unprefixed_base_name;
      break;
    case MatchedBy::kAmbiguous:
      ++ambiguous;
      break;
    case MatchedBy::kNothing:
      ++unmatched;
      break;
  }
}

std::string Describe(const MatchCounts& counts) {
  std::string text;
  const auto add = [&text](int64_t count, const char* what) {
    if (count > 0) absl::StrAppend(&text, text.empty() ? "" : ", ", count, " ", what);
  };
  add(counts.image_id, "by image id");
  add(counts.path, "by path");
  add(counts.base_name, "by base name");
  add(counts.unprefixed_base_name, "by base name without its upload prefix");
  add(counts.ambiguous, "ambiguous");
  add(counts.unmatched, "not found");
  return text;
}

ImageMatcher::ImageMatcher(const std::vector<std::string>& image_ids) {
  for (size_t i = 0; i < image_ids.size(); ++i) {
    const int position = static_cast<int>(i);
    by_id_.emplace(image_ids[i], position);
    const auto [entry, inserted] =
        by_base_name_.emplace(std::string(BaseNameOfId(image_ids[i])), position);
    if (!inserted) entry->second = kSeveral;
  }
}

ImageMatcher::Match ImageMatcher::FindId(const std::string& image_id) const {
  const auto found = by_id_.find(image_id);
  return found == by_id_.end() ? Match() : Match{found->second, MatchedBy::kImageId};
}

ImageMatcher::Match ImageMatcher::Find(const std::string& file_name) const {
  std::string id = ImageIdOfFile(file_name);
  const auto whole = by_id_.find(id);
  if (whole != by_id_.end()) return {whole->second, MatchedBy::kPath};
  for (size_t colon = id.find(':'); colon != std::string::npos; colon = id.find(':')) {
    id.erase(0, colon + 1);
    const auto suffix = by_id_.find(id);
    if (suffix != by_id_.end() && id.find(':') != std::string::npos) {
      return {suffix->second, MatchedBy::kPathSuffix};
    }
  }
  const Match match = FindBaseName(id, MatchedBy::kBaseName);
  if (match.by != MatchedBy::kNothing || !HasUploadPrefix(id)) return match;
  return FindBaseName(absl::string_view(id).substr(kUploadPrefix), MatchedBy::kUnprefixedBaseName);
}

ImageMatcher::Match ImageMatcher::FindBaseName(absl::string_view base_name, MatchedBy by) const {
  const auto found = by_base_name_.find(std::string(base_name));
  if (base_name.empty() || found == by_base_name_.end()) return {};
  if (found->second == kSeveral) return {-1, MatchedBy::kAmbiguous};
  return {found->second, by};
}

}  // namespace mgral::client
