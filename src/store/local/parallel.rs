//! The same work on many files, on a few threads. Knows nothing of the work.

use crate::ordered;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// More threads than this only wait for the same disk.
const THREADS_MAX: usize = 4;

/// From so many files on, a second thread is worth its start.
const FILES_WORTH_IT: usize = 16;

/// From so many bytes on, if there is more than one file, a second thread is worth its start.
const BYTES_WORTH_IT: u64 = 1024 * 1024;

/// How many threads pay for so many files of so many bytes together.
pub(super) fn threads(files: usize, bytes: u64) -> usize {
    if files < 2 || (files < FILES_WORTH_IT && bytes < BYTES_WORTH_IT) {
        return 1;
    }
    thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX).min(files)
}

/// `work` on each of `items`; the results are in the same order. Each thread has a buffer of its own to hand on. After an error no new item is begun.
pub(super) fn map<T: Sync, R: Send, E: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T, &mut Vec<u8>) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    if threads < 2 {
        let mut buffer = Vec::new();
        return items.iter().map(|item| work(item, &mut buffer)).collect();
    }
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let some = || {
        let mut buffer = Vec::new();
        let mut done = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(place) else { break };
            let result = work(item, &mut buffer);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            done.push((place, result));
        }
        done
    };
    let mut done = thread::scope(|scope| {
        // Where the system has no thread to give, this one does the work alone.
        let others: Vec<_> = (1..threads)
            .filter_map(|_| thread::Builder::new().spawn_scoped(scope, some).ok())
            .collect();
        let mut done = some();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    });
    ordered::sort_by_key(&mut done, |(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u32> = (0..1000).collect();
        let doubled = map(&items, 4, |item, _| Ok::<_, ()>(item * 2)).unwrap();
        assert_eq!(doubled, items.iter().map(|item| item * 2).collect::<Vec<_>>());
    }

    #[test]
    fn an_error_is_given_on() {
        let items: Vec<u32> = (0..1000).collect();
        for threads in [1, 2] {
            let failed =
                map(&items, threads, |item, _| if *item == 3 { Err(*item) } else { Ok(()) });
            assert_eq!(failed, Err(3));
        }
    }

    #[test]
    fn little_work_gets_one_thread() {
        assert_eq!(threads(0, 0), 1);
        assert_eq!(threads(1, u64::MAX), 1);
        assert_eq!(threads(15, 1000), 1);
    }
}
