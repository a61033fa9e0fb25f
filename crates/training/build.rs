//! Compiles the shim, and writes libtorch's folder into the run path of what is linked here, so that binaries and tests start
//! without `LD_LIBRARY_PATH`. Where that libtorch has a CUDA part, keeps it linked although no symbol of it is named.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-changed=src/shim.cpp");
    let Ok(libtorch) = std::env::var("LIBTORCH") else {
        panic!("LIBTORCH names no folder: `./just setup` puts libtorch where cargo finds it");
    };
    let libtorch = Path::new(&libtorch);
    let lib = libtorch.join("lib");
    // The checkout holds a link to the user's cache: resolve it, so that a moved checkout still finds it.
    let lib = lib.canonicalize().unwrap_or(lib);
    println!("cargo:rerun-if-changed={}", lib.display());
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .flag_if_supported("-Wno-c++20-extensions")
        // Its headers are not ours to mend.
        .flag(format!("-isystem{}", libtorch.join("include").display()))
        .define("_GLIBCXX_USE_CXX11_ABI", std::env::var("LIBTORCH_CXX11_ABI").as_deref().unwrap_or("1"))
        .file("src/shim.cpp")
        .compile("frostline_shim");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    if lib.join("libtorch_cuda.so").exists() {
        println!("cargo:rustc-link-arg=-Wl,--no-as-needed");
        println!("cargo:rustc-link-arg=-ltorch_cuda");
        println!("cargo:rustc-link-arg=-Wl,--as-needed");
    }
}
