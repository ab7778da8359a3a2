#pragma once

// A function compiled for several instruction sets, of which one is chosen when the program starts.
// Sanitizers instrument the choosing function, which then runs before they are ready.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MGRAL_TARGET_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MGRAL_TARGET_CLONES
#endif
