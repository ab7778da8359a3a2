#include "server/core/detector/weights_file.h"

#include <torch/serialize.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <vector>

namespace mgral::core {

void WriteTensorFile(const std::string& path, const TensorFile& file) {
  c10::impl::GenericDict root(c10::StringType::get(), c10::AnyType::get());
  for (const auto& [name, text] : file.texts) root.insert(name, text);
  for (const auto& [name, tensors] : file.groups) {
    c10::Dict<std::string, at::Tensor> group;
    for (const auto& [key, tensor] : tensors) group.insert(key, tensor.detach().cpu());
    root.insert(name, group);
  }
  const std::vector<char> bytes = torch::pickle_save(root);
  const std::string temporary = path + ".tmp";
  std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out || std::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    std::remove(temporary.c_str());
    throw std::runtime_error("cannot write " + FileName(path) + ": " + std::strerror(error));
  }
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
