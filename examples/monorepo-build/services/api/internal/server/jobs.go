package server

import (
	"encoding/json"
	"errors"
	"net/http"

	"example.com/monorepo/services/api/internal/store"
	"example.com/monorepo/shared/models"
)

// jobRequest is what a client may say of a new job.
type jobRequest struct {
	Kind        string          `json:"kind"`
	Payload     json.RawMessage `json:"payload"`
	MaxAttempts int             `json:"max_attempts"`
}

func (s *Server) listJobs(r *http.Request, _ string) (answer, error) {
	state := models.JobState(r.URL.Query().Get("state"))
	if state != "" && !state.Valid() {
		return answer{}, &requestError{http.StatusBadRequest, "unknown state"}
	}
	jobs, err := s.store.Jobs(r.Context(), state)
	return ok(jobs), err
}

func (s *Server) getJob(r *http.Request, id string) (answer, error) {
	job, err := s.store.Job(r.Context(), id)
	return ok(job), err
}

func (s *Server) addJob(r *http.Request, _ string) (answer, error) {
	var request jobRequest
	if err := readBody(r, &request); err != nil {
		return answer{}, err
	}
	now := s.now().UTC()
	job := models.Job{
		ID:          s.newID("job"),
		Kind:        request.Kind,
		Payload:     request.Payload,
		MaxAttempts: request.MaxAttempts,
		CreatedAt:   now,
		UpdatedAt:   now,
	}
	job.Normalize()
	return created(job), s.store.AddJob(r.Context(), job)
}

// claimJob hands the oldest queued job to a worker, or says that there is none.
func (s *Server) claimJob(r *http.Request, _ string) (answer, error) {
	var request struct {
		Worker string `json:"worker"`
	}
	if err := readBody(r, &request); err != nil {
		return answer{}, err
	}
	if request.Worker == "" {
		return answer{}, &requestError{http.StatusBadRequest, "worker is missing"}
	}
	job, err := s.store.ClaimJob(r.Context(), request.Worker, s.now().UTC())
	if errors.Is(err, store.ErrNotFound) {
		return noContent(), nil
	}
	return ok(job), err
}

// finishJob records what a worker made of a job.
func (s *Server) finishJob(r *http.Request, id string) (answer, error) {
	var outcome models.Outcome
	if err := readBody(r, &outcome); err != nil {
		return answer{}, err
	}
	job, err := s.store.UpdateJob(r.Context(), id, func(job *models.Job) error {
		return job.Finish(outcome, s.now().UTC())
	})
	return ok(job), err
}

func (s *Server) removeJob(r *http.Request, id string) (answer, error) {
	return noContent(), s.store.RemoveJob(r.Context(), id)
}
