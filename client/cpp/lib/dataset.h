#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "mgral/v1/label_service.pb.h"
#include "mgral/v1/pool_service.pb.h"

// Labelled datasets on the user's disk, read and checked. Everything in such a file is hostile:
// what cannot be right is an error that names the file and the entry, what can be mended (a box
// that passes the image's edge) is mended and reported.
namespace mgral::client {

// Absolute pixels, 0-based, inside the image, with a positive area.
struct DatasetBox {
  double x_min = 0, y_min = 0, width = 0, height = 0;
  int class_index = 0;  // position in Dataset::classes
  bool ignore = false;  // COCO "iscrowd"/"ignore", VOC "difficult"
};

struct DatasetImage {
  std::string image_id;       // file_name with "/" as ":"; unique
  std::string file_name;      // below the images' directory, forward slashes
  std::string path;           // where the file is on this machine
  int width = 0, height = 0;  // 0 when the dataset doesn't say
  std::vector<DatasetBox> boxes;
};

// Positions in Dataset::images. An image is in one list at most.
struct DatasetSplits {
  std::vector<int> train;  // "train" or "pool"
  std::vector<int> validation;
  std::vector<int> test;
};

struct Dataset {
  std::string name;                  // of its directory
  std::vector<std::string> classes;  // COCO: by category id; VOC: by name
  std::vector<DatasetImage> images;  // in the file's order; VOC: by file name
  std::optional<DatasetSplits> splits;
  // What was mended. The first hundred in words; the numbers count all.
  std::vector<std::string> warnings;
  int64_t clipped_boxes = 0;  // passed the image's edge by more than a pixel
  int64_t dropped_boxes = 0;  // no area, or wholly outside the image
};

struct ReadOptions {
  // Every image file must exist below the images' directory. Off for labels alone.
  bool require_files = true;
};

// COCO: `annotations` is the JSON file, `images` the directory that its file names are below.
absl::StatusOr<Dataset> ReadCoco(const std::string& annotations, const std::string& images,
                                 const ReadOptions& options = {});

// Pascal VOC: `directory`/Annotations/*.xml and `directory`/JPEGImages (or images); splits from
// `directory`/ImageSets/Main/{train,val,test}.txt if there are any. Its pixels count from 1 and
// xmax, ymax belong to the box: x_min = xmin - 1, width = xmax - xmin + 1.
absl::StatusOr<Dataset> ReadVoc(const std::string& directory, const ReadOptions& options = {});

// Images that nobody has labelled: every .jpg, .jpeg and .png of `directory` and of the directories
// below it, sorted by name; no classes, no boxes. Links to directories are not followed.
absl::StatusOr<Dataset> ReadFolder(const std::string& directory);

// JSON lists of file names under "train" or "pool", "val" (or "validation", "valid") and "test".
// Images in no list are left out of the splits.
absl::StatusOr<DatasetSplits> ReadSplits(const std::string& file, const Dataset& dataset);

// `directory` holds annotations.json and images/, or a VOC layout; splits from `splits_file`, or
// from `directory`/splits.json if that exists.
absl::StatusOr<Dataset> ReadDataset(const std::string& directory,
                                    const std::string& splits_file = "");

// The image for a registration. With `server_path` (may be "" for the image root itself) the server
// reads it as server_path/file_name below its image root; without, its bytes are sent.
absl::StatusOr<v1::NewImage> ToNewImage(const DatasetImage& image, v1::ImageUse use,
                                        const std::optional<std::string>& server_path);

// The image's labels, classes by name.
v1::NewLabels ToNewLabels(const Dataset& dataset, const DatasetImage& image);

}  // namespace mgral::client
