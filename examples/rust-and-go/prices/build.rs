fn main() {
    let library = granular::step("library").build();
    println!("cargo::rustc-link-search=native={}", library.dir("library").display());
    println!("cargo::rustc-link-lib=static=prices");
}
