#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace mgral::core {

// Texts and groups of named tensors, in a file that Python's torch.load reads as a dict of str and
// of dicts: checkpoints of trainings, and the weights of earlier versions.
struct TensorFile {
  std::map<std::string, std::string> texts;
  std::map<std::string, std::map<std::string, at::Tensor>> groups;
};

// Tensors of any device, as tensors of the CPU. Written and refused as by WriteFile.
void WriteTensorFile(const std::string& path, const TensorFile& file);
// On the CPU. Throws std::runtime_error naming the file if it cannot be read or is something else.
TensorFile ReadTensorFile(const std::string& path);

// A file that consists of the pieces, one after another. Through a temporary file beside it,
// renamed at the end: a reader never sees half a file. Throws std::system_error naming the file,
// with the errno value: a full disk is no fault of the work's.
void WriteFile(const std::string& path, const std::vector<std::string_view>& pieces);

// What errors call a file: its name without the folder, which does not concern the clients that may
// see them.
std::string FileName(const std::string& path);

}  // namespace mgral::core
