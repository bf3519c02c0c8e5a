package main

import (
	"context"
	"encoding/json"

	"example.com/monorepo/shared/models"
)

// Backend is what the commands work on: the api, or a file.
type Backend interface {
	Users(ctx context.Context) ([]models.User, error)
	AddUser(ctx context.Context, user NewUser) (models.User, error)
	Orders(ctx context.Context) ([]models.Order, error)
	Jobs(ctx context.Context, state models.JobState) ([]models.Job, error)
	AddJob(ctx context.Context, job NewJob) (models.Job, error)
	Health(ctx context.Context) (Health, error)
}

// NewUser is what has to be known to add a user.
type NewUser struct {
	Name  string      `json:"name"`
	Email string      `json:"email"`
	Role  models.Role `json:"role,omitempty"`
}

// NewJob is what has to be known to add a job.
type NewJob struct {
	Kind        string          `json:"kind"`
	Payload     json.RawMessage `json:"payload,omitempty"`
	MaxAttempts int             `json:"max_attempts,omitempty"`
}

// Health says whether a backend works and how much it holds.
type Health struct {
	Status string                  `json:"status"`
	Uptime string                  `json:"uptime,omitempty"`
	Users  int                     `json:"users"`
	Orders int                     `json:"orders"`
	Jobs   map[models.JobState]int `json:"jobs"`
}
