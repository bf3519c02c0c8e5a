//! So many workers of a build are at work at once as there are processors for them; who waits for a store leaves his place to another meanwhile.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The places at which is worked.
#[derive(Debug)]
pub(crate) struct Places {
    room: Mutex<Room>,
    has_freed: Condvar,
}

#[derive(Debug)]
struct Room {
    free: usize,
    /// How many wait for a place: to wake nobody is a call of the system as well.
    waiting: usize,
}

/// A place that is taken, until it is dropped.
struct Taken<'a>(&'a Places);

impl Places {
    /// So many.
    pub(crate) fn new(number: usize) -> Self {
        Self { room: Mutex::new(Room { free: number, waiting: 0 }), has_freed: Condvar::new() }
    }

    /// Works at a place, once there is one.
    pub(crate) fn work<T>(&self, work: impl FnOnce() -> T) -> T {
        let _taken = self.take();
        work()
    }

    /// Waits for something away from the place at which this is called.
    pub(crate) fn wait<T>(&self, wait: impl FnOnce() -> T) -> T {
        /// Comes back to the place, also where waiting ended in a panic: the place will be given up once more.
        struct Away<'a>(&'a Places);
        impl Drop for Away<'_> {
            fn drop(&mut self) {
                std::mem::forget(self.0.take());
            }
        }
        self.give_up();
        let _away = Away(self);
        wait()
    }

    fn take(&self) -> Taken<'_> {
        let mut room = self.room();
        while room.free == 0 {
            room.waiting += 1;
            room = self.has_freed.wait(room).unwrap_or_else(PoisonError::into_inner);
            room.waiting -= 1;
        }
        room.free -= 1;
        Taken(self)
    }

    fn give_up(&self) {
        let mut room = self.room();
        room.free += 1;
        let is_awaited = room.waiting > 0;
        drop(room);
        if is_awaited {
            self.has_freed.notify_one();
        }
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    #[test]
    fn no_more_work_at_once_than_there_are_places_however_many_wait() {
        let places = Places::new(2);
        let (at_work, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        // Comes down only when all eight wait at once.
        let all_wait = Barrier::new(8);
        let work = || {
            most.fetch_max(at_work.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::yield_now();
            at_work.fetch_sub(1, Ordering::SeqCst);
        };
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    places.work(|| {
                        work();
                        places.wait(|| all_wait.wait());
                        work();
                    });
                });
            }
        });
        assert!(most.into_inner() <= 2);
        assert_eq!(places.room().free, 2);
    }

    #[test]
    fn a_panic_leaves_as_many_places_as_there_were() {
        let places = Places::new(1);
        for waits in [false, true] {
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                places.work(|| {
                    if waits { places.wait(|| panic!("as meant")) } else { panic!("as meant") }
                })
            }));
            assert!(panicked.is_err());
            assert_eq!(places.room().free, 1);
        }
    }
}
