# LibTorch as the target `torch`: Debian's, or the one in the folder MGRAL_TORCH, PyPI's package
# "torch" (.../site-packages/torch): its own CMake files want a CUDA toolkit, its libraries don't.
set(MGRAL_TORCH "" CACHE PATH "Folder of PyPI's torch 2.x; empty: find_package(Torch)")
option(MGRAL_CUDA "With MGRAL_TORCH: link LibTorch's CUDA libraries, too" ON)
if(NOT MGRAL_TORCH)
  find_package(Torch REQUIRED)
  return()
endif()

set(CMAKE_CXX_STANDARD 20) # its headers' own
set(Torch_VERSION 2)
add_library(torch INTERFACE IMPORTED GLOBAL)
target_include_directories(torch SYSTEM INTERFACE
  ${MGRAL_TORCH}/include ${MGRAL_TORCH}/include/torch/csrc/api/include)
set(torch_libraries c10 torch_cpu)
if(MGRAL_CUDA)
  list(APPEND torch_libraries c10_cuda torch_cuda)
endif()
foreach(library ${torch_libraries})
  find_library(MGRAL_LIB_${library} ${library} PATHS ${MGRAL_TORCH}/lib NO_DEFAULT_PATH REQUIRED)
  add_library(torch_${library} SHARED IMPORTED GLOBAL)
  set_target_properties(torch_${library} PROPERTIES IMPORTED_LOCATION ${MGRAL_LIB_${library}})
endforeach()
target_link_libraries(torch INTERFACE torch_c10 torch_torch_cpu)
if(MGRAL_CUDA)
  # Nothing calls them by name: loaded, they register the device.
  target_link_libraries(torch INTERFACE
    -Wl,--push-state,--no-as-needed torch_c10_cuda torch_torch_cuda -Wl,--pop-state)
endif()
