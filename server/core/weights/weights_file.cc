#include "server/core/weights/weights_file.h"

#include <torch/serialize.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>
#include <vector>

namespace mgral::core {
namespace {

// 0, or the errno value of what failed first. Not through a stream, which loses it.
int WriteBytes(const std::string& path, const std::vector<std::string_view>& pieces) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return errno;
  int error = 0;
  for (const std::string_view piece : pieces) {
    if (piece.empty()) continue;  // without an address, perhaps
    if (std::fwrite(piece.data(), 1, piece.size(), file) == piece.size()) continue;
    error = errno;
    break;
  }
  if (std::fclose(file) != 0 && error == 0) error = errno;
  return error;
}

}  // namespace

void WriteTensorFile(const std::string& path, const TensorFile& file) {
  c10::impl::GenericDict root(c10::StringType::get(), c10::AnyType::get());
  for (const auto& [name, text] : file.texts) root.insert(name, text);
  for (const auto& [name, tensors] : file.groups) {
    c10::Dict<std::string, at::Tensor> group;
    for (const auto& [key, tensor] : tensors) group.insert(key, tensor.detach().cpu());
    root.insert(name, group);
  }
  const std::vector<char> bytes = torch::pickle_save(root);
  WriteFile(path, {std::string_view(bytes.data(), bytes.size())});
}

void WriteFile(const std::string& path, const std::vector<std::string_view>& pieces) {
  const std::string temporary = path + ".tmp";
  int error = WriteBytes(temporary, pieces);
  if (error == 0 && std::rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0) return;
  std::remove(temporary.c_str());
  throw std::system_error(error, std::generic_category(), "cannot write " + FileName(path));
}

TensorFile ReadTensorFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + FileName(path) + ": " + std::strerror(errno));
  const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
  TensorFile file;
  try {
    for (const auto& entry : torch::pickle_load(bytes).toGenericDict()) {
      const std::string name = entry.key().toStringRef();
      if (entry.value().isString()) {
        file.texts[name] = entry.value().toStringRef();
        continue;
      }
      for (const auto& tensor : entry.value().toGenericDict()) {
        file.groups[name][tensor.key().toStringRef()] = tensor.value().toTensor();
      }
    }
  } catch (const std::exception&) {
    throw std::runtime_error(FileName(path) + " is damaged, or not a mgral weights file");
  }
  return file;
}

std::string FileName(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

}  // namespace mgral::core
