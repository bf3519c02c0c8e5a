//! What things cost. The rules are in Go; this links them in.

mod ffi;

/// What `count` pieces of an item cost together, in cents; `None` if there is no such item.
pub fn price_of(item: &str, count: u32) -> Option<i64> {
    let item = std::ffi::CString::new(item).ok()?; // no item has a NUL in its name
    Some(ffi::price_of(&item, count)).filter(|cents| *cents >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_answers() {
        assert_eq!(price_of("tea", 3), Some(1920));
        assert_eq!(price_of("tea", 10), Some(5760));
        assert_eq!(price_of("tea", 0), Some(0));
    }

    #[test]
    fn what_is_not_there_has_no_price() {
        assert_eq!(price_of("gold", 1), None);
        assert_eq!(price_of("t\0ea", 1), None);
    }
}
