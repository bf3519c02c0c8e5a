//! Maps, sets and sorting for a library that is compiled in front of everything else: the least code for each type that they are used with.
//!
//! A build dependency is paid for in seconds of everyone's clean build, and most of that is generic code, which is compiled anew for every
//! type. One pair of types in a B-tree is 8,500 lines for the compiler's back end, one sort of the standard library 3,200; they were 480,000
//! of 1,280,000. Here one pair is a few hundred and a sort forty: what is large is written once, over places instead of things.
//!
//! Both are vectors in order. Many things at once ([`FromIterator`], [`Extend`]) are sorted once; one thing in the middle moves what is behind
//! it, which is nothing to speak of up to some thousands. Where there are more than that, where many go one after the other, or where a sort is what
//! takes the time, the standard library's are the right ones.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Index;
use std::{slice, vec};

/// A map in the order of its keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Map<K, V> {
    entries: Vec<(K, V)>,
}

/// A set in its order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Set<T> {
    items: Vec<T>,
}

/// Sorts as [`slice::sort`] does.
pub fn sort<T: Ord>(items: &mut [T]) {
    sort_by(items, T::cmp);
}

/// Sorts as [`slice::sort_by`] does: what is equal stays in its order.
pub fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    arrange(&mut Row { items, compare });
}

/// Sorts as [`slice::sort_by_key`] does: what is equal stays in its order.
pub fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    sort_by(items, |one, other| key(one).cmp(&key(other)));
}

/// Sorts, and leaves the last of what is equal.
fn sort_and_thin<T>(items: &mut Vec<T>, compare: impl Fn(&T, &T) -> Ordering) {
    let mut row = Row { items, compare };
    arrange(&mut row);
    let left = thin(&mut row);
    items.truncate(left);
}

/// Places with something in them.
trait Places {
    fn count(&self) -> usize;
    fn compare(&self, one: usize, other: usize) -> Ordering;
    fn swap(&mut self, one: usize, other: usize);
}

struct Row<'a, T, C> {
    items: &'a mut [T],
    compare: C,
}

impl<T, C: Fn(&T, &T) -> Ordering> Places for Row<'_, T, C> {
    fn count(&self) -> usize {
        self.items.len()
    }

    fn compare(&self, one: usize, other: usize) -> Ordering {
        (self.compare)(&self.items[one], &self.items[other])
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.items.swap(one, other);
    }
}

/// Brings what is there into order.
fn arrange(row: &mut dyn Places) {
    let count = row.count();
    if (1..count).all(|place| row.compare(place - 1, place) != Ordering::Greater) {
        return;
    }
    // For each place, where what belongs there is.
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|one, other| row.compare(*one, *other));
    for start in 0..count {
        // Round the ring that ends where it began.
        let mut place = start;
        while order[place] != start {
            let from = order[place];
            row.swap(place, from);
            order[place] = place;
            place = from;
        }
        order[place] = place;
    }
}

/// Brings the last of each that are equal to the front, in order, and gives their count.
fn thin(row: &mut dyn Places) -> usize {
    let mut left = row.count().min(1);
    for place in 1..row.count() {
        if row.compare(left - 1, place) != Ordering::Equal {
            left += 1;
        }
        if left - 1 != place {
            row.swap(left - 1, place);
        }
    }
    left
}

/// Where something is that is compared with what stands at a place; or where it would be.
fn find(count: usize, compare: &dyn Fn(usize) -> Ordering) -> Result<usize, usize> {
    let (mut start, mut end) = (0, count);
    // Much is put behind everything that is there.
    if count > 0 && compare(count - 1) == Ordering::Less {
        return Err(count);
    }
    while start < end {
        let middle = start + (end - start) / 2;
        match compare(middle) {
            Ordering::Less => start = middle + 1,
            Ordering::Equal => return Ok(middle),
            Ordering::Greater => end = middle,
        }
    }
    Err(start)
}

impl<K, V> Map<K, V> {
    /// With nothing in it.
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// The entries in order.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter(self.entries.iter())
    }

    /// The keys in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + Clone {
        self.entries.iter().map(|(key, _)| key)
    }

    /// The values in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + Clone {
        self.entries.iter().map(|(_, value)| value)
    }

    /// The values in the order of their keys, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.iter_mut().map(|(_, value)| value)
    }

    /// The keys alone.
    pub fn into_keys(self) -> impl Iterator<Item = K> {
        self.entries.into_iter().map(|(key, _)| key)
    }

    /// The values alone.
    pub fn into_values(self) -> impl Iterator<Item = V> {
        self.entries.into_iter().map(|(_, value)| value)
    }

    /// Leaves only the entries for which `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.entries.retain_mut(|(key, value)| keep(key, value));
    }
}

impl<K: Ord, V> Map<K, V> {
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        find(self.entries.len(), &|place| self.entries[place].0.borrow().cmp(key))
    }

    /// The value of `key`.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let place = self.find(key).ok()?;
        Some(&self.entries[place].1)
    }

    /// The value of `key`, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let place = self.find(key).ok()?;
        Some(&mut self.entries[place].1)
    }

    /// The value of `key`; what `make` gives, if it has none.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let place = self.find(&key).unwrap_or_else(|place| {
            self.entries.insert(place, (key, make()));
            place
        });
        &mut self.entries[place].1
    }

    /// Whether `key` has a value.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// Gives `key` this value, and back the one that it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(place) => Some(std::mem::replace(&mut self.entries[place].1, value)),
            Err(place) => {
                self.entries.insert(place, (key, value));
                None
            }
        }
    }

    /// Takes `key` out, and gives its value.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let place = self.find(key).ok()?;
        Some(self.entries.remove(place).1)
    }
}

impl<K: Ord, V> Map<K, Vec<V>> {
    /// For each key the values that stand with it, in their order.
    pub fn grouped(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut pairs: Vec<(K, V)> = pairs.into_iter().collect();
        sort_by(&mut pairs, |(one, _), (other, _)| one.cmp(other));
        let mut entries: Vec<(K, Vec<V>)> = Vec::new();
        for (key, value) in pairs {
            match entries.last_mut() {
                Some((last, values)) if *last == key => values.push(value),
                _ => entries.push((key, vec![value])),
            }
        }
        Self { entries }
    }
}

impl<T> Set<T> {
    /// With nothing in it.
    pub const fn new() -> Self {
        Self { items: Vec::new() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// All in order.
    pub fn iter(&self) -> slice::Iter<'_, T> {
        self.items.iter()
    }

    /// The last one.
    pub fn last(&self) -> Option<&T> {
        self.items.last()
    }

    /// Leaves only those for which `keep` is true.
    pub fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.items.retain(keep);
    }
}

impl<T: Ord> Set<T> {
    fn find<Q: Ord + ?Sized>(&self, item: &Q) -> Result<usize, usize>
    where
        T: Borrow<Q>,
    {
        find(self.items.len(), &|place| self.items[place].borrow().cmp(item))
    }

    /// Whether `item` is in it.
    pub fn contains<Q: Ord + ?Sized>(&self, item: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.find(item).is_ok()
    }

    /// Adds `item`. Whether it was not there.
    pub fn insert(&mut self, item: T) -> bool {
        let place = self.find(&item).err();
        if let Some(place) = place {
            self.items.insert(place, item);
        }
        place.is_some()
    }

    /// Takes `item` out. Whether it was there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, item: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        let place = self.find(item).ok();
        if let Some(place) = place {
            self.items.remove(place);
        }
        place.is_some()
    }

    /// Those that are not in `other`, in order.
    pub fn difference<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a T> {
        self.items.iter().filter(|item| !other.contains(*item))
    }
}

/// The entries of a [`Map`] in order.
#[derive(Debug)]
pub struct Iter<'a, K, V>(slice::Iter<'a, (K, V)>);

impl<K, V> Clone for Iter<'_, K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (key, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<'a, K, V> IntoIterator for &'a Map<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K, V> IntoIterator for Map<K, V> {
    type Item = (K, V);
    type IntoIter = vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Set<T> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

impl<T> IntoIterator for Set<T> {
    type Item = T;
    type IntoIter = vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

/// Whether so few come to so many that each finds its place by itself sooner than all are sorted.
fn are_few(added: usize, known: usize) -> bool {
    added < known / 16
}

impl<K: Ord, V> Extend<(K, V)> for Map<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        let mut entries = entries.into_iter();
        self.add(&mut || entries.next());
    }
}

impl<K: Ord, V> Map<K, V> {
    fn add(&mut self, next: &mut dyn FnMut() -> Option<(K, V)>) {
        let known = self.entries.len();
        while let Some(entry) = next() {
            self.entries.push(entry);
        }
        if are_few(self.entries.len() - known, known) {
            for (key, value) in self.entries.split_off(known) {
                self.insert(key, value);
            }
            return;
        }
        // Of equal keys the last one counts.
        sort_and_thin(&mut self.entries, |(one, _), (other, _)| one.cmp(other));
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Map<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<K: Ord, V, const COUNT: usize> From<[(K, V); COUNT]> for Map<K, V> {
    fn from(entries: [(K, V); COUNT]) -> Self {
        entries.into_iter().collect()
    }
}

impl<T: Ord> Extend<T> for Set<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        let mut items = items.into_iter();
        self.add(&mut || items.next());
    }
}

impl<T: Ord> Set<T> {
    fn add(&mut self, next: &mut dyn FnMut() -> Option<T>) {
        let known = self.items.len();
        while let Some(item) = next() {
            self.items.push(item);
        }
        if are_few(self.items.len() - known, known) {
            for item in self.items.split_off(known) {
                self.insert(item);
            }
            return;
        }
        sort_and_thin(&mut self.items, T::cmp);
    }
}

impl<T: Ord> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut set = Self::new();
        set.extend(items);
        set
    }
}

impl<T: Ord, const COUNT: usize> From<[T; COUNT]> for Set<T> {
    fn from(items: [T; COUNT]) -> Self {
        items.into_iter().collect()
    }
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Ord + Borrow<Q>, Q: Ord + ?Sized, V> Index<&Q> for Map<K, V> {
    type Output = V;

    fn index(&self, key: &Q) -> &V {
        let place = self.find(key).unwrap_or(usize::MAX);
        &self.entries[place].1
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<T: fmt::Debug> fmt::Debug for Set<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// One thing that is done to a map.
    #[derive(Clone, Debug)]
    enum Deed {
        Insert(u8, u8),
        Remove(u8),
        Count(u8),
        Extend(Vec<(u8, u8)>),
        Retain(u8),
    }

    fn deed() -> impl Strategy<Value = Deed> {
        let entries = proptest::collection::vec(any::<(u8, u8)>(), 0..200);
        prop_oneof![
            any::<(u8, u8)>().prop_map(|(key, value)| Deed::Insert(key, value)),
            any::<u8>().prop_map(Deed::Remove),
            any::<u8>().prop_map(Deed::Count),
            entries.prop_map(Deed::Extend),
            proptest::collection::vec(any::<(u8, u8)>(), 0..4).prop_map(Deed::Extend),
            any::<u8>().prop_map(Deed::Retain),
        ]
    }

    proptest! {
        #[test]
        fn a_map_and_a_set_do_what_those_of_the_standard_library_do(deeds in proptest::collection::vec(deed(), 0..12)) {
            let (mut map, mut known) = (Map::new(), BTreeMap::new());
            let (mut set, mut members) = (Set::new(), BTreeSet::new());
            for deed in deeds {
                match deed {
                    Deed::Insert(key, value) => {
                        prop_assert_eq!(map.insert(key, value), known.insert(key, value));
                        prop_assert_eq!(set.insert(key), members.insert(key));
                    }
                    Deed::Remove(key) => {
                        prop_assert_eq!(map.remove(&key), known.remove(&key));
                        prop_assert_eq!(set.remove(&key), members.remove(&key));
                    }
                    Deed::Count(key) => {
                        let count = map.get_or_insert_with(key, || 7);
                        *count = count.wrapping_add(1);
                        let count = known.entry(key).or_insert(7);
                        *count = count.wrapping_add(1);
                    }
                    Deed::Extend(entries) => {
                        set.extend(entries.iter().map(|(key, _)| *key));
                        members.extend(entries.iter().map(|(key, _)| *key));
                        map.extend(entries.clone());
                        known.extend(entries);
                    }
                    Deed::Retain(most) => {
                        map.retain(|key, value| *key <= most || *value <= most);
                        known.retain(|key, value| *key <= most || *value <= most);
                        set.retain(|key| *key <= most);
                        members.retain(|key| *key <= most);
                    }
                }
                prop_assert!(map.iter().eq(&known) && set.iter().eq(&members));
                prop_assert_eq!((map.len(), set.len()), (known.len(), members.len()));
                prop_assert_eq!((map.is_empty(), set.is_empty()), (known.is_empty(), members.is_empty()));
                prop_assert_eq!(set.last(), members.last());
                for key in 0..=u8::MAX {
                    prop_assert_eq!(map.get(&key), known.get(&key));
                    prop_assert_eq!(map.get_mut(&key), known.get_mut(&key));
                    prop_assert_eq!(map.contains_key(&key), known.contains_key(&key));
                    prop_assert_eq!(set.contains(&key), members.contains(&key));
                }
            }
            prop_assert_eq!(format!("{map:?} {set:?}"), format!("{known:?} {members:?}"));
            prop_assert!(map.keys().eq(known.keys()) && map.values().eq(known.values()));
            let (other, others): (Set<u8>, BTreeSet<u8>) = ((0..99).collect(), (0..99).collect());
            prop_assert!(set.difference(&other).eq(members.difference(&others)));
            prop_assert!(map.into_iter().eq(known) && set.into_iter().eq(members));
        }

        #[test]
        fn what_has_one_key_stands_together_in_its_order(pairs in proptest::collection::vec((0..6_u8, any::<u8>()), 0..20)) {
            let mut known: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
            pairs.iter().for_each(|(key, value)| known.entry(*key).or_default().push(*value));
            prop_assert!(Map::grouped(pairs).into_iter().eq(known));
        }

        #[test]
        fn what_is_sorted_is_sorted_and_equals_keep_their_order(items in proptest::collection::vec(any::<(u8, u8)>(), 0..60)) {
            let (mut ours, mut theirs) = (items.clone(), items);
            sort_by_key(&mut ours, |(key, _)| key % 8);
            theirs.sort_by_key(|(key, _)| key % 8);
            prop_assert_eq!(&ours, &theirs);
            sort(&mut ours);
            theirs.sort();
            prop_assert_eq!(ours, theirs);
        }
    }
}
