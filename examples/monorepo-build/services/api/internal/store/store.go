// Package store keeps users, orders and jobs.
package store

import (
	"context"
	"errors"
	"time"

	"example.com/monorepo/shared/models"
)

// The errors that a Store reports, wrapped with what they are about.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("conflict")
)

// Store is what the server needs of a database. Values go in and come out by
// copy, but the slices within them are shared and must not be changed in place.
//
// An update function gets the current value and changes it. If it fails, or if
// what it made is not valid, nothing is stored and its error is returned.
type Store interface {
	Users(ctx context.Context) ([]models.User, error)
	User(ctx context.Context, id string) (models.User, error)
	AddUser(ctx context.Context, user models.User) error
	UpdateUser(ctx context.Context, id string, update func(*models.User) error) (models.User, error)
	RemoveUser(ctx context.Context, id string) error

	Orders(ctx context.Context, filter OrderFilter) ([]models.Order, error)
	Order(ctx context.Context, id string) (models.Order, error)
	AddOrder(ctx context.Context, order models.Order) error
	UpdateOrder(ctx context.Context, id string, update func(*models.Order) error) (models.Order, error)
	RemoveOrder(ctx context.Context, id string) error

	Jobs(ctx context.Context, state models.JobState) ([]models.Job, error)
	Job(ctx context.Context, id string) (models.Job, error)
	AddJob(ctx context.Context, job models.Job) error
	UpdateJob(ctx context.Context, id string, update func(*models.Job) error) (models.Job, error)
	RemoveJob(ctx context.Context, id string) error
	// ClaimJob starts the oldest queued job; ErrNotFound says that there is none.
	ClaimJob(ctx context.Context, worker string, now time.Time) (models.Job, error)

	Counts(ctx context.Context) (Counts, error)
}

// OrderFilter chooses orders; a field left empty lets all pass.
type OrderFilter struct {
	UserID string
	Status models.OrderStatus
}

func (f OrderFilter) matches(o models.Order) bool {
	return (f.UserID == "" || f.UserID == o.UserID) && (f.Status == "" || f.Status == o.Status)
}

// Counts says how much there is.
type Counts struct {
	Users  int                     `json:"users"`
	Orders int                     `json:"orders"`
	Jobs   map[models.JobState]int `json:"jobs"`
}
