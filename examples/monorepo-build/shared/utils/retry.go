package utils

import (
	"context"
	"errors"
	"time"
)

// Backoff says how long to wait between attempts: Base after the first one,
// twice as long after each further one, Max at most.
type Backoff struct {
	Attempts  int // how often to try in all
	Base, Max time.Duration
}

// Delay returns how long to wait after the given attempt, counted from 1.
func (b Backoff) Delay(attempt int) time.Duration {
	delay := b.Base
	for i := 1; i < attempt && delay < b.Max; i++ {
		delay *= 2
	}
	if delay > b.Max {
		return b.Max
	}
	return delay
}

// Retry calls f until it succeeds, fails for good, has been called Attempts
// times, or ctx is done. It returns the last error of f.
func (b Backoff) Retry(ctx context.Context, f func(attempt int) error) error {
	for attempt := 1; ; attempt++ {
		err := f(attempt)
		var permanent *permanentError
		if errors.As(err, &permanent) {
			return permanent.err
		}
		if err == nil || attempt >= b.Attempts || Sleep(ctx, b.Delay(attempt)) != nil {
			return err
		}
	}
}

// Permanent marks an error that no further attempt can mend.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// Sleep waits for d, or returns the error of ctx as soon as it is done.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
