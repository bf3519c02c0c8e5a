package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"example.com/monorepo/shared/models"
	"example.com/monorepo/shared/utils"
)

// fakeSource hands out jobs of the given kinds, and then ends or waits.
type fakeSource struct {
	mu       sync.Mutex
	kinds    []string
	wait     bool
	finish   error
	outcomes map[string]models.Outcome
}

func (s *fakeSource) Next(ctx context.Context) (models.Job, error) {
	s.mu.Lock()
	if len(s.kinds) > 0 {
		defer s.mu.Unlock()
		job := models.Job{ID: fmt.Sprint(len(s.kinds)), Kind: s.kinds[0]}
		s.kinds = s.kinds[1:]
		return job, nil
	}
	s.mu.Unlock()
	if s.wait {
		<-ctx.Done()
		return models.Job{}, ctx.Err()
	}
	return models.Job{}, io.EOF
}

func (s *fakeSource) Finish(job models.Job, outcome models.Outcome) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outcomes == nil {
		s.outcomes = map[string]models.Outcome{}
	}
	s.outcomes[job.ID] = outcome
	return s.finish
}

func newTestPool(source Source, workers int, grace time.Duration, handlers map[string]Handler) (*Pool, *Metrics) {
	log, metrics := utils.NewLogger(io.Discard, utils.Error), NewMetrics()
	processor := NewProcessor(handlers, utils.Backoff{Attempts: 3}, metrics, log)
	return &Pool{source, processor, workers, grace, log}, metrics
}

func TestPoolRunsAsManyJobsAsItHasWorkers(t *testing.T) {
	const workers = 3
	var together sync.WaitGroup
	together.Add(workers)
	meet := func(context.Context, []byte) (string, error) {
		together.Done()
		together.Wait() // returns only if all of them run at once
		return "met", nil
	}
	source := &fakeSource{kinds: []string{"meet", "meet", "meet"}}
	pool, metrics := newTestPool(source, workers, 0, map[string]Handler{"meet": meet})
	if err := pool.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := metrics.Summary(); len(source.outcomes) != workers || got[0].Done != workers {
		t.Errorf("outcomes %v, metrics %+v", source.outcomes, got)
	}
}

func TestOutcomes(t *testing.T) {
	calls := 0
	handlers := map[string]Handler{
		"shaky": func(context.Context, []byte) (string, error) {
			if calls++; calls < 3 {
				return "half", errors.New("not yet")
			}
			return "done", nil
		},
		"never":  func(context.Context, []byte) (string, error) { return "half", errors.New("no luck") },
		"wrong":  func(context.Context, []byte) (string, error) { return "", utils.Permanent(errors.New("wrong")) },
		"broken": func(context.Context, []byte) (string, error) { panic("oh") },
	}
	for _, test := range []struct {
		kind    string
		outcome models.Outcome
		retries int
	}{
		{"shaky", models.Outcome{Result: "done"}, 2},
		{"never", models.Outcome{Error: "no luck"}, 2},
		{"wrong", models.Outcome{Error: "wrong"}, 0},
		{"broken", models.Outcome{Error: "panic: oh"}, 0},
		{"absent", models.Outcome{Error: `unknown kind "absent"`}, 0},
	} {
		source := &fakeSource{kinds: []string{test.kind}}
		pool, metrics := newTestPool(source, 1, 0, handlers)
		if err := pool.Run(context.Background()); err != nil {
			t.Errorf("%s: %v", test.kind, err)
		}
		if got := source.outcomes["1"]; got != test.outcome {
			t.Errorf("%s: outcome %+v, want %+v", test.kind, got, test.outcome)
		}
		if got := metrics.Summary()[0]; got.Retries != test.retries {
			t.Errorf("%s: %d retries, want %d", test.kind, got.Retries, test.retries)
		}
	}
}

func TestAtAStopTheJobUnderWayIsFinished(t *testing.T) {
	started := make(chan struct{})
	slow := func(ctx context.Context, _ []byte) (string, error) {
		close(started)
		return "done", utils.Sleep(ctx, 20*time.Millisecond)
	}
	source := &fakeSource{kinds: []string{"slow"}, wait: true}
	pool, _ := newTestPool(source, 2, time.Minute, map[string]Handler{"slow": slow})
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		<-started
		stop()
	}()
	if err := pool.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if got := source.outcomes["1"]; got != (models.Outcome{Result: "done"}) {
		t.Errorf("outcome %+v", got)
	}
}

func TestAfterTheGracePeriodJobsAreCutOff(t *testing.T) {
	started := make(chan struct{})
	endless := func(ctx context.Context, _ []byte) (string, error) {
		close(started)
		<-ctx.Done()
		return "", ctx.Err()
	}
	source := &fakeSource{kinds: []string{"endless"}, wait: true}
	pool, _ := newTestPool(source, 1, time.Millisecond, map[string]Handler{"endless": endless})
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		<-started
		stop()
	}()
	if err := pool.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if got := source.outcomes["1"]; got != (models.Outcome{Error: "context canceled"}) {
		t.Errorf("outcome %+v", got)
	}
}

func TestAnOutcomeThatCannotBeReportedIsAnError(t *testing.T) {
	lost := errors.New("connection lost")
	source := &fakeSource{kinds: []string{"ok", "ok"}, finish: lost}
	ok := func(context.Context, []byte) (string, error) { return "", nil }
	pool, metrics := newTestPool(source, 1, 0, map[string]Handler{"ok": ok})
	if err := pool.Run(context.Background()); !errors.Is(err, lost) {
		t.Errorf("Run = %v", err)
	}
	if got := metrics.Summary()[0].Done; got != 2 {
		t.Errorf("%d jobs were done", got)
	}
}
