package main

import (
	"context"
	"errors"
	"io"
	"time"

	"example.com/monorepo/shared/models"
	"example.com/monorepo/shared/utils"
)

// Pool takes jobs from a source and processes several of them at a time.
type Pool struct {
	Source    Source
	Processor *Processor
	Workers   int
	Grace     time.Duration // how long the jobs under way may take after a stop
	Log       *utils.Logger
}

// Run works until the source ends or ctx is done. It then finishes the jobs it
// has taken; those that take longer than the grace period are cut off. It
// returns the first error of the source.
func (p *Pool) Run(ctx context.Context) error {
	late, cancel := withGrace(ctx, p.Grace)
	defer cancel()
	queue := make(chan models.Job)
	group := utils.NewGroup(p.Workers + 1)
	group.Go(func() error {
		defer close(queue)
		return p.feed(ctx, queue)
	})
	for i := 0; i < p.Workers; i++ {
		group.Go(func() error { return p.work(late, queue) })
	}
	return group.Wait()
}

// feed moves jobs from the source to the queue. It cannot get stuck, since the
// workers take all there is.
func (p *Pool) feed(ctx context.Context, queue chan<- models.Job) error {
	for {
		job, err := p.Source.Next(ctx)
		switch {
		case err == nil:
			queue <- job
		case errors.Is(err, io.EOF):
			return nil
		case ctx.Err() != nil:
			p.Log.Info("stopping", "grace", p.Grace)
			return nil
		default:
			return err
		}
	}
}

// work processes jobs until the queue is closed. An outcome that cannot be
// reported is an error, but no reason to leave the other jobs alone.
func (p *Pool) work(ctx context.Context, queue <-chan models.Job) error {
	var first error
	for job := range queue {
		if err := p.Source.Finish(job, p.Processor.Process(ctx, job)); err != nil {
			p.Log.Error("outcome not reported", "job", job.ID, "error", err)
			if first == nil {
				first = err
			}
		}
	}
	return first
}

// withGrace returns a context that is done some time after ctx is.
func withGrace(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		select {
		case <-ctx.Done():
			utils.Sleep(late, grace)
		case <-late.Done():
		}
	}()
	return late, cancel
}
