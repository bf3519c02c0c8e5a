//! The functions of the Go library `libprices.a`, as `libprices.h` declares them. All `unsafe` of this example is here.
#![allow(unsafe_code, reason = "another language can be called in no other way")]

use std::ffi::{CStr, c_char, c_longlong, c_uint};

unsafe extern "C" {
    // extern long long int price_of(char* item, unsigned int count);
    #[link_name = "price_of"]
    fn go_price_of(item: *const c_char, count: c_uint) -> c_longlong;
}

/// In cents; negative if there is no such item.
pub fn price_of(item: &CStr, count: u32) -> i64 {
    // SAFETY: The types are those of the header. A `CStr` ends with a NUL and lives through the call; Go copies it
    // (`C.GoString`), writes nothing to it and keeps no pointer, so that its missing `const` does no harm. Go starts its
    // runtime before the first call by itself, may be called from any thread, and the function does not panic.
    unsafe { go_price_of(item.as_ptr(), count) }
}
