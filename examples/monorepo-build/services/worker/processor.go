package main

import (
	"context"
	"fmt"
	"time"

	"example.com/monorepo/shared/models"
	"example.com/monorepo/shared/utils"
)

// Processor does jobs, each by the handler for its kind.
type Processor struct {
	handlers map[string]Handler
	retry    utils.Backoff
	metrics  *Metrics
	log      *utils.Logger
	now      func() time.Time
}

// NewProcessor returns a processor that counts in metrics what it does.
func NewProcessor(handlers map[string]Handler, retry utils.Backoff, metrics *Metrics, log *utils.Logger) *Processor {
	return &Processor{handlers: handlers, retry: retry, metrics: metrics, log: log, now: time.Now}
}

// Process does a job, if need be in several attempts.
func (p *Processor) Process(ctx context.Context, job models.Job) models.Outcome {
	log := p.log.With("job", job.ID, "kind", job.Kind)
	start, attempts := p.now(), 0
	var outcome models.Outcome
	err := p.retry.Retry(ctx, func(attempt int) (err error) {
		attempts = attempt
		outcome.Result, err = p.attempt(ctx, job)
		if err != nil {
			log.Warn("attempt failed", "attempt", attempt, "error", err)
		}
		return err
	})
	if err != nil {
		outcome = models.Outcome{Error: err.Error()}
	}
	took := p.now().Sub(start)
	p.metrics.Observe(job.Kind, attempts, took, err == nil)
	log.Info("job finished", "ok", err == nil, "attempts", attempts, "took", took.Round(time.Microsecond))
	return outcome
}

// attempt calls the handler. A panic is a mistake in the handler, and would be
// one again the next time.
func (p *Processor) attempt(ctx context.Context, job models.Job) (result string, err error) {
	handle, ok := p.handlers[job.Kind]
	if !ok {
		return "", utils.Permanent(fmt.Errorf("unknown kind %q", job.Kind))
	}
	if err := ctx.Err(); err != nil {
		return "", utils.Permanent(fmt.Errorf("stopped: %w", err))
	}
	defer func() {
		if cause := recover(); cause != nil {
			err = utils.Permanent(fmt.Errorf("panic: %v", cause))
		}
	}()
	return handle(ctx, job.Payload)
}
