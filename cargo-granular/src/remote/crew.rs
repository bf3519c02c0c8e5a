//! A few threads that do what is queued for them. They are never waited for: whoever wants to know what came of it has a channel, and what is
//! not done when the program ends was not done.

use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

type Job = Box<dyn FnOnce() + Send>;

/// Threads, begun when there is work for them.
pub(super) struct Crew {
    shared: Arc<Shared>,
    most: usize,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    has_come: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

impl Crew {
    /// One of no more than `most` threads.
    pub(super) fn new(most: usize) -> Self {
        Self { shared: Arc::default(), most }
    }

    /// Queues a job. Where the system has not a single thread to give, it is done here and now.
    pub(super) fn give(&self, job: impl FnOnce() + Send + 'static) {
        let mut queue = self.shared.lock();
        queue.jobs.push_back(Box::new(job));
        if queue.idle < queue.jobs.len() && queue.threads < self.most {
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new().name("remote".to_owned());
            match thread.spawn(move || shared.work()) {
                Ok(_) => queue.threads += 1,
                Err(_) if queue.threads == 0 => {
                    let job = queue.jobs.pop_back();
                    drop(queue);
                    return job.into_iter().for_each(|job| job());
                }
                Err(_) => {}
            }
        }
        drop(queue);
        self.shared.has_come.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut queue = self.lock();
        loop {
            match queue.jobs.pop_front() {
                Some(job) => {
                    drop(queue);
                    // One that ends by itself takes its channel with it, and not the thread that others wait for.
                    let _ = panic::catch_unwind(AssertUnwindSafe(job));
                    queue = self.lock();
                }
                None => {
                    queue.idle += 1;
                    queue = self.has_come.wait(queue).unwrap_or_else(PoisonError::into_inner);
                    queue.idle -= 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn all_that_is_given_is_done_by_no_more_threads_than_there_may_be() {
        let crew = Crew::new(3);
        let (done, told) = mpsc::channel();
        for number in 0..100 {
            let done = done.clone();
            crew.give(move || done.send((number, thread::current().id())).unwrap());
        }
        let mut all: Vec<_> = told.iter().take(100).collect();
        all.sort_by_key(|(number, _)| *number);
        assert!(all.iter().map(|(number, _)| *number).eq(0..100));
        let threads: std::collections::HashSet<_> = all.iter().map(|(_, thread)| thread).collect();
        assert!((1..=3).contains(&threads.len()));
    }

    #[test]
    fn a_job_that_panics_takes_no_thread_away() {
        let crew = Crew::new(1);
        let (done, told) = mpsc::channel();
        for number in 0..3 {
            let done = done.clone();
            crew.give(move || {
                let done = done;
                assert!(number == 2, "as a fault of ours would");
                done.send(number).unwrap();
            });
        }
        drop(done);
        let told = told.recv_timeout(std::time::Duration::from_secs(60));
        assert_eq!(told, Ok(2));
    }
}
