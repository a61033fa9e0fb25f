// What tch does not offer: switches of the arithmetic, memory of a GPU, the library's own version, a fused optimizer step.
//
// Only headers of ATen and c10, which the form for the CPU has too: one build runs on either. Whatever throws is caught
// here, since an exception must not cross into Rust: a call answers 0, or the length of what went wrong.

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/Version.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/_fused_adam.h>
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <dlfcn.h>
#include <exception>
#include <string>

namespace {

// Text for Rust: as much as fits, ended by a zero. The length is that of the whole.
int64_t tell(const std::string& text, char* out, int64_t room) {
    if (room > 0) {
        const auto length = std::min<int64_t>(static_cast<int64_t>(text.size()), room - 1);
        std::memcpy(out, text.data(), static_cast<size_t>(length));
        out[length] = 0;
    }
    return static_cast<int64_t>(text.size());
}

template <typename Call>
int64_t guarded(char* error, int64_t room, Call call) {
    try {
        call();
        return 0;
    } catch (const c10::Error& caught) {
        return std::max<int64_t>(1, tell(caught.what_without_backtrace(), error, room));
    } catch (const std::exception& caught) {
        return std::max<int64_t>(1, tell(caught.what(), error, room));
    }
}

} // namespace

extern "C" {

// How the library was built; holds `TORCH_VERSION=`.
int64_t frostline_build(char* out, int64_t room) {
    try {
        return tell(at::show_config(), out, room);
    } catch (const std::exception&) {
        return 0;
    }
}

// The instructions that its kernels for the CPU take, such as "AVX2".
int64_t frostline_cpu_capability(char* out, int64_t room) {
    try {
        return tell(at::get_cpu_capability(), out, room);
    } catch (const std::exception&) {
        return 0;
    }
}

// Whether float32 products on a GPU may be computed in TF32.
int64_t frostline_set_tf32(bool allowed, char* error, int64_t room) {
    return guarded(error, room, [&] {
        at::globalContext().setAllowTF32CuDNN(allowed);
        at::globalContext().setAllowTF32CuBLAS(allowed);
    });
}

// 1 where both kinds of products may be computed in TF32, 0 where neither may, else -1.
int64_t frostline_tf32() {
    try {
        const bool convolutions = at::globalContext().allowTF32CuDNN();
        const bool products = at::globalContext().allowTF32CuBLAS();
        return convolutions == products ? static_cast<int64_t>(convolutions) : -1;
    } catch (const std::exception&) {
        return -1;
    }
}

// Only algorithms of cuDNN that give the same sums each time.
int64_t frostline_set_deterministic(bool wanted, char* error, int64_t room) {
    return guarded(error, room, [&] {
        at::globalContext().setDeterministicCuDNN(wanted);
        at::globalContext().setBenchmarkCuDNN(false);
    });
}

bool frostline_deterministic() {
    return at::globalContext().deterministicCuDNN();
}

// Bytes of a GPU: free, total, in use by this process' tensors now, and at most so far.
int64_t frostline_memory(int64_t device, uint64_t* out, char* error, int64_t room) {
    return guarded(error, room, [&] {
        const auto index = static_cast<c10::DeviceIndex>(device);
        const auto [free, total] = at::accelerator::getMemoryInfo(index);
        const auto stats = at::accelerator::getDeviceStats(index);
        const auto& bytes = stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)];
        out[0] = free;
        out[1] = total;
        out[2] = static_cast<uint64_t>(bytes.current);
        out[3] = static_cast<uint64_t>(bytes.peak);
    });
}

// Gives what no tensor uses back to the GPU.
int64_t frostline_empty_cache(char* error, int64_t room) {
    return guarded(error, room, [] { at::accelerator::emptyCache(); });
}

// Waits for all that was given to a GPU, and tells of what failed there.
int64_t frostline_synchronize(int64_t device, char* error, int64_t room) {
    return guarded(error, room, [&] { at::accelerator::synchronizeDevice(static_cast<c10::DeviceIndex>(device)); });
}

// Compute capability, as major * 10 + minor; -1 where CUDA's runtime is not loaded or does not know the device.
int64_t frostline_capability(int64_t device) {
    // The runtime comes with the library's CUDA part, of which nothing is known here when this is compiled. The numbers of
    // the attributes are part of its interface (cudaDevAttrComputeCapabilityMajor and Minor).
    using Attribute = int (*)(int*, int, int);
    const auto ask = reinterpret_cast<Attribute>(dlsym(RTLD_DEFAULT, "cudaDeviceGetAttribute"));
    int major = 0;
    int minor = 0;
    if (ask == nullptr || ask(&major, 75, static_cast<int>(device)) != 0 ||
        ask(&minor, 76, static_cast<int>(device)) != 0) {
        return -1;
    }
    return major * 10 + minor;
}

// One step of Adam on whole tensors of one shape, in one pass (Kingma & Ba 2014, arXiv:1412.6980). `step` holds one number,
// how many steps there were before; it is counted up.
int64_t frostline_adam(
    at::Tensor* values,
    at::Tensor* gradients,
    at::Tensor* first,
    at::Tensor* second,
    at::Tensor* step,
    double rate,
    double beta_1,
    double beta_2,
    double epsilon,
    char* error,
    int64_t room) {
    return guarded(error, room, [&] {
        step->add_(1);
        at::_fused_adam_(
            {*values}, {*gradients}, {*first}, {*second}, {}, {*step}, rate, beta_1, beta_2, 0.0, epsilon, false, false);
    });
}

} // extern "C"
