package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"example.com/monorepo/shared/models"
	"example.com/monorepo/shared/utils"
)

// APISource claims jobs from the api.
type APISource struct {
	client *utils.Client
	worker string        // the name under which jobs are claimed
	poll   time.Duration // how long to wait when there is no job
	drain  bool          // end when there is no job
	retry  utils.Backoff
	log    *utils.Logger
}

// Next claims a job, and asks again and again while there is none.
func (s *APISource) Next(ctx context.Context) (models.Job, error) {
	for ctx.Err() == nil {
		job, found, err := s.claim(ctx)
		if found || err != nil {
			return job, err
		}
		if s.drain {
			return models.Job{}, io.EOF
		}
		if utils.Sleep(ctx, s.poll) != nil {
			break
		}
	}
	return models.Job{}, ctx.Err()
}

// claim asks for a job once, or more often if the api cannot be reached.
func (s *APISource) claim(ctx context.Context) (job models.Job, found bool, err error) {
	err = s.retry.Retry(ctx, func(attempt int) (err error) {
		// Not ctx: a job that the api has handed out must not get lost at a stop.
		found, err = s.client.Post(context.Background(), "/jobs/claim", map[string]string{"worker": s.worker}, &job)
		if err != nil {
			s.log.Warn("no answer to a claim", "attempt", attempt, "error", err)
		}
		return refusedForGood(err)
	})
	return job, found, err
}

// Finish reports the outcome to the api, also after a stop.
func (s *APISource) Finish(job models.Job, outcome models.Outcome) error {
	return s.retry.Retry(context.Background(), func(int) error {
		var answer models.Job
		_, err := s.client.Post(context.Background(), "/jobs/"+job.ID+"/finish", outcome, &answer)
		return refusedForGood(err)
	})
}

// refusedForGood marks the answers that asking again would not change.
func refusedForGood(err error) error {
	var refused *utils.StatusError
	if errors.As(err, &refused) && refused.Status < http.StatusInternalServerError {
		return utils.Permanent(err)
	}
	return err
}
