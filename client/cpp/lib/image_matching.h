#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/strings/string_view.h"

// Finds the images that an annotation file names among those that exist. Tools rename files and
// change their folders: Label Studio's export says "../../upload/1/f5e0cb5c-a.jpg" of a.jpg.
namespace mgral::client {

// What identified an image, the strongest evidence first.
enum class MatchedBy {
  kImageId,             // the file carries the image's id
  kPath,                // the whole path
  kPathSuffix,          // its last components, two or more
  kBaseName,            // the last component, which is unique
  kUnprefixedBaseName,  // the same without Label Studio's "f5e0cb5c-"
  kAmbiguous,           // several images have that base name, or several entries fit one image
  kNothing,
};

// "left:a.jpg" of "left/a.jpg": the id that the dataset readers give to a file.
std::string ImageIdOfFile(const std::string& file_name);

// How many images were identified by what.
struct MatchCounts {
  int64_t image_id = 0;
  int64_t path = 0;
  int64_t base_name = 0;
  int64_t unprefixed_base_name = 0;
  int64_t ambiguous = 0;
  int64_t unmatched = 0;

  void Add(MatchedBy by);
  int64_t by_name() const { return base_name + unprefixed_base_name; }
};

// "3 by path, 2 by base name, 1 by base name without its upload prefix, 4 not found".
std::string Describe(const MatchCounts& counts);

class ImageMatcher {
 public:
  explicit ImageMatcher(const std::vector<std::string>& image_ids);

  struct Match {
    int position = -1;  // in image_ids; -1 for kAmbiguous and kNothing
    MatchedBy by = MatchedBy::kNothing;
  };
  // `file_name` is only compared, never opened: it may be absolute and hold "..".
  Match Find(const std::string& file_name) const;
  // By the id itself.
  Match FindId(const std::string& image_id) const;

 private:
  Match FindBaseName(absl::string_view base_name, MatchedBy by) const;

  std::unordered_map<std::string, int> by_id_, by_base_name_;  // kSeveral for a shared name
};

}  // namespace mgral::client
