#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/lib/image_matching.h"
#include "mgral/v1/label_service.pb.h"
#include "mgral/v1/pool_service.pb.h"
#include "mgral/v1/prediction_service.pb.h"

// Labeled datasets on the user's disk, read and checked. Everything in such a file is hostile:
// what cannot be right is an error that names the file and the entry; what can be corrected (a box
// that extends past the image's edge) is corrected and reported.
namespace mgral::client {

// Absolute pixels, 0-based, inside the image, with a positive area.
struct DatasetBox {
  double x_min = 0, y_min = 0, width = 0, height = 0;
  int class_index = 0;  // position in Dataset::classes
  bool ignore = false;  // COCO "iscrowd"/"ignore", VOC "difficult"
  double score = 0;     // of a detector's result, in (0, 1]; 0 for a label
};

struct DatasetImage {
  // file_name with "/" as ":", unless the file carries the id; unique. Empty where MatchImages
  // finds no image, or still has to (ReadOptions::any_file_name).
  std::string image_id;
  std::string file_name;    // below the images' folder, forward slashes
  std::string listed_name;  // as the dataset's file writes it, forward slashes
  std::string listed_id;    // "mgral_image_id" of a COCO file; empty: it has none
  MatchedBy matched_by = MatchedBy::kNothing;  // set by MatchImages
  std::string path;                            // where the file is on this machine
  int width = 0, height = 0;                   // 0 when the dataset doesn't say
  std::vector<DatasetBox> boxes;
};

// Positions in Dataset::images. An image is in one list at most.
struct DatasetSplits {
  std::vector<int> train;  // "train" or "pool"
  std::vector<int> validation;
  std::vector<int> test;
};

struct Dataset {
  std::string name;                  // of its folder
  std::vector<std::string> classes;  // COCO: by category id; VOC: by name
  std::vector<DatasetImage> images;  // in the file's order; VOC: by file name
  std::optional<DatasetSplits> splits;
  // What was decided about the file as a whole, e.g. how its coordinates are counted.
  std::vector<std::string> notes;
  // What was corrected. The first hundred in words; the numbers count all.
  std::vector<std::string> warnings;
  int64_t clipped_boxes = 0;  // extended past the image's edge by more than a pixel
  int64_t dropped_boxes = 0;  // no area, or wholly outside the image
};

// How Pascal VOC's corners are counted. VOC's own files count pixels from 1, and xmax, ymax are the
// last pixels inside the box; Label Studio, CVAT and Datumaro write coordinates from 0, and xmax,
// ymax are the edges of the box.
enum class VocCorners { kAuto, kFromZero, kFromOne };
// Of "auto", "0" or "1".
absl::StatusOr<VocCorners> ParseVocCorners(const std::string& text);

struct ReadOptions {
  // Every image must have its file below the images' folder: at the path that the dataset names,
  // or else the only file there of that base name. Off for labels alone.
  bool require_files = true;
  // Without require_files: take file names that lead out of the images' folder, too. Such an
  // image has no image_id until MatchImages has found one.
  bool any_file_name = false;
  VocCorners voc_corners = VocCorners::kAuto;
};

// COCO: `annotations` is the JSON file, `images` the folder that its file names are below. An
// image's "mgral_image_id", if there is one, is its id.
absl::StatusOr<Dataset> ReadCoco(const std::string& annotations, const std::string& images,
                                 const ReadOptions& options = {});

// What a detector found: each of `results` is a COCO results file, a JSON list of {"image_id",
// "category_id", "bbox", "score"}, with the ids of `annotations`, a COCO file. The dataset has all
// of its images, none of its annotations (it needs no such list), and the results as boxes.
absl::StatusOr<Dataset> ReadCocoResults(const std::string& annotations,
                                        const std::vector<std::string>& results);

// Pascal VOC: `folder`/Annotations/*.xml and `folder`/JPEGImages (or images); splits from
// `folder`/ImageSets/Main/{train,val,test}.txt if there are any. kAuto decides how corners are
// counted for the dataset as a whole, by what its files say, and notes what it decided and why.
// Counted from 1, x_min = xmin - 1 and width = xmax - xmin + 1; from 0, x_min = xmin and width =
// xmax - xmin.
absl::StatusOr<Dataset> ReadVoc(const std::string& folder, const ReadOptions& options = {});

// Images without labels: every .jpg, .jpeg, .png, .webp, .bmp, .tif and .tiff of `folder` and of
// the folders below it, sorted by name; no classes, no boxes. Links to folders are not followed.
absl::StatusOr<Dataset> ReadFolder(const std::string& folder);

// JSON lists of file names under "train" or "pool", "val" (or "validation", "valid") and "test".
// Images in no list are left out of the splits.
absl::StatusOr<DatasetSplits> ReadSplits(const std::string& file, const Dataset& dataset);

// `folder` holds annotations.json and images/, or a VOC layout; splits from `splits_file`, or
// from `folder`/splits.json if that exists.
absl::StatusOr<Dataset> ReadDataset(const std::string& folder, const std::string& splits_file = "",
                                    const ReadOptions& options = {});

// Sets each image_id to that of the one of `image_ids` that the image is: by the id that the file
// carries, by path, then by a unique base name. Where several images of the dataset fit one id, the
// strongest evidence wins; among equals nobody does. Images that are not found get an empty id.
void MatchImages(const std::vector<std::string>& image_ids, Dataset* dataset);
// What the last MatchImages found the images by.
MatchCounts CountMatches(const Dataset& dataset);

// The image for a registration. With `server_path` (may be "" for the image root itself) the server
// reads it as server_path/file_name below its image root; without, its bytes are sent.
absl::StatusOr<v1::NewImage> ToNewImage(const DatasetImage& image, v1::ImageUse use,
                                        const std::optional<std::string>& server_path);

// The image's labels, classes by name.
v1::NewLabels ToNewLabels(const Dataset& dataset, const DatasetImage& image);

// What a detector found in the image, without an embedding.
v1::NewPredictions ToNewPredictions(const Dataset& dataset, const DatasetImage& image);

}  // namespace mgral::client
