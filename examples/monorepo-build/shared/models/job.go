package models

import (
	"encoding/json"
	"time"
)

// JobState is how far a job has come.
type JobState string

// The states of a job.
const (
	JobQueued  JobState = "queued"
	JobRunning JobState = "running"
	JobDone    JobState = "done"
	JobFailed  JobState = "failed"
)

// Valid reports whether the state is one of ours.
func (s JobState) Valid() bool {
	return s == JobQueued || s == JobRunning || s == JobDone || s == JobFailed
}

// DefaultMaxAttempts is how often a job is tried unless it says otherwise.
const DefaultMaxAttempts = 3

// Job is work for a worker. Its kind says how to read the payload.
type Job struct {
	ID          string          `json:"id"`
	Kind        string          `json:"kind"`
	Payload     json.RawMessage `json:"payload,omitempty"`
	State       JobState        `json:"state"`
	Attempts    int             `json:"attempts"`
	MaxAttempts int             `json:"max_attempts"`
	Worker      string          `json:"worker,omitempty"`
	Result      string          `json:"result,omitempty"`
	LastError   string          `json:"last_error,omitempty"`
	CreatedAt   time.Time       `json:"created_at"`
	UpdatedAt   time.Time       `json:"updated_at"`
}

// Outcome is what a worker reports of one attempt: a result, or an error.
type Outcome struct {
	Result string `json:"result,omitempty"`
	Error  string `json:"error,omitempty"`
}

// Normalize fills in what the author of a job may leave out.
func (j *Job) Normalize() {
	if j.State == "" {
		j.State = JobQueued
	}
	if j.MaxAttempts == 0 {
		j.MaxAttempts = DefaultMaxAttempts
	}
}

// Validate reports everything that is wrong with the job.
func (j Job) Validate() error {
	c := checker{subject: "job"}
	c.require(j.ID != "", "id", "is missing")
	c.require(j.Kind != "", "kind", "is missing")
	c.require(j.State.Valid(), "state", "%q is unknown", j.State)
	c.require(j.MaxAttempts > 0, "max_attempts", "must be above zero")
	c.require(j.Attempts >= 0 && j.Attempts <= j.MaxAttempts, "attempts", "must be between 0 and max_attempts")
	c.require(len(j.Payload) == 0 || json.Valid(j.Payload), "payload", "is not JSON")
	return c.err()
}

// Start hands a queued job to a worker.
func (j *Job) Start(worker string, now time.Time) error {
	if j.State != JobQueued {
		return &TransitionError{"job " + j.ID, string(j.State), string(JobRunning)}
	}
	j.State, j.Worker, j.UpdatedAt = JobRunning, worker, now
	j.Attempts++
	return nil
}

// Finish records the outcome of the running attempt. A failed job is queued
// again while it has attempts left.
func (j *Job) Finish(outcome Outcome, now time.Time) error {
	next := JobFailed
	switch {
	case outcome.Error == "":
		next = JobDone
	case j.Attempts < j.MaxAttempts:
		next = JobQueued
	}
	if j.State != JobRunning {
		return &TransitionError{"job " + j.ID, string(j.State), string(next)}
	}
	j.State = next
	j.Result, j.LastError, j.UpdatedAt = outcome.Result, outcome.Error, now
	return nil
}
