// A GPU for machines without one, linked where LibTorch has no CUDA: it takes CUDA's place in
// LibTorch's dispatcher, and every operator runs on the CPU. It is as strict as a GPU where that
// finds mistakes: an operator that is given a tensor of the CPU beside one of the device throws,
// and reading the device's memory from the host is a segmentation fault, because that memory is
// mapped twice and the device's addresses are not readable.
//
// It shows nothing about speed, CUDA's kernels, streams or memory limits.
#include "tests/support/stand_in_gpu.h"

#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <sys/mman.h>
#include <torch/library.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <new>
#include <unordered_map>
#include <utility>
#include <vector>

namespace at {

// What LibTorch asks about CUDA: one GPU, without cuDNN. (The name is LibTorch's.)
struct CUDAHooks : CUDAHooksInterface {
  explicit CUDAHooks(CUDAHooksArgs) {}
  bool hasCUDA() const override { return true; }
  bool hasCuDNN() const override { return false; }
  bool compiledWithCuDNN() const override { return false; }
  bool compiledWithMIOpen() const override { return false; }
  bool hasPrimaryContext(int64_t) const override { return true; }
  int64_t current_device() const override { return 0; }
  int getNumGPUs() const override { return 1; }
  void initCUDA() const override {}
  bool isPinnedPtr(void*) const override { return false; }
};
REGISTER_CUDA_HOOKS(CUDAHooks);

}  // namespace at

namespace mgral::test {
namespace {

std::atomic<int64_t> operators{0};

const c10::Device kGpu(c10::kCUDA, 0);

// One device, one stream, which does its work at once.
struct OneStreamGuard final : c10::impl::DeviceGuardImplInterface {
  c10::Stream Only() const { return c10::Stream(c10::Stream::DEFAULT, kGpu); }
  c10::DeviceType type() const override { return c10::kCUDA; }
  c10::Device exchangeDevice(c10::Device) const override { return kGpu; }
  c10::Device getDevice() const override { return kGpu; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device) const noexcept override { return Only(); }
  c10::Stream getDefaultStream(c10::Device) const override { return Only(); }
  c10::Stream exchangeStream(c10::Stream) const noexcept override { return Only(); }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void**, const c10::Stream&, const c10::DeviceIndex,
              const c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  bool queryStream(const c10::Stream&) const override { return true; }
};
const c10::impl::DeviceGuardImplRegistrar register_guard(c10::kCUDA, new OneStreamGuard);

// Memory with two addresses: the device's, which nobody may read, and the host's.
struct Block {
  void* device = nullptr;
  void* host = nullptr;
  size_t bytes = 0;
};

struct BlockAllocator final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) const override {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t size = (bytes / page + 1) * page;
    const int file = memfd_create("stand_in_gpu", 0);
    if (file < 0 || ftruncate(file, static_cast<off_t>(size)) != 0) throw std::bad_alloc();
    auto* block = new Block;
    block->bytes = size;
    block->device = mmap(nullptr, size, PROT_NONE, MAP_SHARED, file, 0);
    block->host = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (block->device == MAP_FAILED || block->host == MAP_FAILED) throw std::bad_alloc();
    return {block->device, block, &Free, kGpu};
  }
  static void Free(void* context) {
    auto* block = static_cast<Block*>(context);
    munmap(block->device, block->bytes);
    munmap(block->host, block->bytes);
    delete block;
  }
};
BlockAllocator allocator;

char* HostAddress(const c10::Storage& storage) {
  return static_cast<char*>(static_cast<Block*>(storage.data_ptr().get_context())->host);
}

at::Tensor MakeTensor(c10::Storage storage, c10::DispatchKey key, const at::Tensor& like) {
  at::Tensor made = at::detail::make_tensor<c10::TensorImpl>(
      std::move(storage), c10::DispatchKeySet(key), like.dtype());
  made.unsafeGetTensorImpl()->set_storage_offset(like.storage_offset());
  made.unsafeGetTensorImpl()->set_sizes_and_strides(like.sizes(), like.strides());
  return made;
}

// The tensors of one call, there and back.
class Call {
 public:
  explicit Call(const std::string& name) : name_(name) {}

  at::Tensor ToHost(const at::Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    if (!tensor.is_cuda()) {
      TORCH_CHECK(tensor.dim() == 0, "Expected all tensors to be on the same device, but ", name_,
                  " was given one of the CPU of shape ", tensor.sizes());
      return tensor;
    }
    c10::Storage& storage = hosts_[tensor.storage().unsafeGetStorageImpl()];
    if (!storage) {
      auto* keep = new c10::Storage(tensor.storage());
      const auto release = [](void* kept) { delete static_cast<c10::Storage*>(kept); };
      storage = c10::Storage(c10::Storage::use_byte_size_t(), tensor.storage().nbytes(),
                             c10::DataPtr(HostAddress(*keep), keep, release, c10::kCPU));
      devices_[storage.unsafeGetStorageImpl()] = tensor.storage();
    }
    at::Tensor host = MakeTensor(storage, c10::DispatchKey::CPU, tensor);
    originals_[host.unsafeGetTensorImpl()] = tensor;
    return host;
  }

  at::Tensor ToDevice(const at::Tensor& result) {
    if (!result.defined()) return result;
    const auto original = originals_.find(result.unsafeGetTensorImpl());
    if (original != originals_.end()) {
      TORCH_CHECK(original->second.sizes() == result.sizes(), name_, " resized its argument");
      return original->second;
    }
    const auto view = devices_.find(result.storage().unsafeGetStorageImpl());
    if (view != devices_.end()) return MakeTensor(view->second, c10::DispatchKey::CUDA, result);
    const size_t bytes = result.storage().nbytes();
    c10::Storage storage(c10::Storage::use_byte_size_t(), bytes, allocator.allocate(bytes),
                         &allocator);
    if (bytes > 0) std::memcpy(HostAddress(storage), result.storage().data(), bytes);
    return MakeTensor(storage, c10::DispatchKey::CUDA, result);
  }

  // Of an argument or a result, with the tensors in it converted.
  template <typename Convert>
  c10::IValue Converted(const c10::IValue& value, Convert convert) {
    if (value.isTensor()) return convert(value.toTensor());
    if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(convert(tensor));
      return list;
    }
    if (value.isOptionalTensorList()) {
      c10::List<c10::optional<at::Tensor>> list;
      for (const c10::optional<at::Tensor>& tensor : value.toOptionalTensorVector()) {
        list.push_back(tensor ? c10::optional<at::Tensor>(convert(*tensor)) : tensor);
      }
      return list;
    }
    return value;
  }

 private:
  const std::string name_;
  std::unordered_map<c10::StorageImpl*, c10::Storage> hosts_, devices_;
  std::unordered_map<c10::TensorImpl*, at::Tensor> originals_;  // by what stands for them
};

void RunOnHost(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  at::AutoDispatchBelowADInplaceOrView plain;
  ++operators;
  Call call(op.schema().name());
  std::vector<c10::IValue> kept;  // what stands for the arguments must outlive the call
  const size_t first = stack->size() - op.schema().arguments().size();
  for (size_t i = first; i < stack->size(); ++i) {
    c10::IValue& value = (*stack)[i];
    if (value.isDevice()) value = c10::Device(c10::kCPU);
    value = call.Converted(value, [&](const at::Tensor& t) { return call.ToHost(t); });
    kept.push_back(value);
  }
  op.callBoxed(stack);
  const size_t result = stack->size() - op.schema().returns().size();
  for (size_t i = result; i < stack->size(); ++i) {
    (*stack)[i] =
        call.Converted((*stack)[i], [&](const at::Tensor& t) { return call.ToDevice(t); });
  }
}

at::Tensor Empty(at::IntArrayRef size, c10::optional<at::ScalarType> type,
                 c10::optional<at::Layout>, c10::optional<at::Device>, c10::optional<bool>,
                 c10::optional<at::MemoryFormat> format) {
  return at::Tensor(at::detail::empty_generic(size, &allocator,
                                              c10::DispatchKeySet(c10::DispatchKey::CUDA),
                                              type.value_or(at::kFloat), format));
}

at::Tensor EmptyStrided(at::IntArrayRef size, at::IntArrayRef stride,
                        c10::optional<at::ScalarType> type, c10::optional<at::Layout>,
                        c10::optional<at::Device>, c10::optional<bool>) {
  return at::Tensor(at::detail::empty_strided_generic(size, stride, &allocator,
                                                      c10::DispatchKeySet(c10::DispatchKey::CUDA),
                                                      type.value_or(at::kFloat)));
}

// The one operator that crosses from one device to the other.
at::Tensor& Copy(at::Tensor& to, const at::Tensor& from, bool) {
  at::AutoDispatchBelowADInplaceOrView plain;
  Call call("copy_");
  const auto host = [&](const at::Tensor& t) { return t.is_cuda() ? call.ToHost(t) : t; };
  host(to).copy_(host(from));
  return to;
}

TORCH_LIBRARY_IMPL(_, CUDA, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&RunOnHost>());
}

TORCH_LIBRARY_IMPL(aten, CUDA, library) {
  library.impl("empty.memory_format", Empty);
  library.impl("empty_strided", EmptyStrided);
  library.impl("copy_", Copy);
}

}  // namespace

int64_t StandInOperators() { return operators; }

}  // namespace mgral::test
