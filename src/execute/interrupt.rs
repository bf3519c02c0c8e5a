//! Turns the signals that ask a program to end into a wish to stop. Knows nothing of what is stopped.

use super::Stop;
use std::io;

/// From now on INT, TERM and HUP ask `stop`, each time once more, instead of ending the process.
#[cfg(unix)]
pub fn listen(stop: &Stop) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let stop = stop.clone();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for _ in signals.forever() {
            stop.ask();
        }
    })?;
    Ok(())
}

/// From now on Ctrl-C asks `stop`, each time once more, instead of ending the process.
#[cfg(not(unix))]
pub fn listen(stop: &Stop) -> io::Result<()> {
    use std::sync::{Arc, atomic::AtomicBool, atomic::Ordering};
    let arrived = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&arrived))?;
    signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&arrived))?;
    let stop = stop.clone();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        loop {
            if arrived.swap(false, Ordering::SeqCst) {
                stop.ask();
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    })?;
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use signal_hook::consts::{SIGHUP, SIGTERM};
    use std::time::{Duration, Instant};

    #[test]
    fn the_first_signal_asks_to_stop_and_the_second_urges() {
        let stop = Stop::default();
        listen(&stop).unwrap();
        assert!(!stop.is_asked());
        signal_hook::low_level::raise(SIGTERM).unwrap();
        wait_until(|| stop.is_asked());
        assert!(!stop.is_urgent());
        signal_hook::low_level::raise(SIGHUP).unwrap();
        wait_until(|| stop.is_urgent());
    }

    fn wait_until(holds: impl Fn() -> bool) {
        let begin = Instant::now();
        while !holds() {
            assert!(begin.elapsed() < Duration::from_secs(10), "no signal arrived");
            std::thread::yield_now();
        }
    }
}
