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
add_link_options(-Wl,--as-needed) # as Debian's LibTorch asks: programs load what they use
add_library(torch INTERFACE IMPORTED GLOBAL)
target_include_directories(torch SYSTEM INTERFACE
  ${MGRAL_TORCH}/include ${MGRAL_TORCH}/include/torch/csrc/api/include)
foreach(library c10 torch_cpu c10_cuda torch_cuda)
  find_library(MGRAL_LIB_${library} ${library} PATHS ${MGRAL_TORCH}/lib NO_DEFAULT_PATH REQUIRED)
endforeach()
foreach(library c10 torch_cpu)
  add_library(torch_${library} SHARED IMPORTED GLOBAL)
  set_target_properties(torch_${library} PROPERTIES IMPORTED_LOCATION ${MGRAL_LIB_${library}})
endforeach()
target_link_libraries(torch INTERFACE torch_c10 torch_torch_cpu)
if(MGRAL_CUDA)
  # Nothing calls them by name: loaded, they register the device. One item, since CMake reorders them.
  set(cuda_libraries ${MGRAL_LIB_c10_cuda},${MGRAL_LIB_torch_cuda})
  target_link_libraries(torch INTERFACE
    -Wl,--push-state,--no-as-needed,${cuda_libraries},--pop-state)
endif()
