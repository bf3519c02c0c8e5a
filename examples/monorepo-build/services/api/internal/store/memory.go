package store

import (
	"context"
	"fmt"
	"sync"
	"time"

	"example.com/monorepo/shared/models"
)

// Memory is a Store that forgets everything when the program ends.
type Memory struct {
	mu     sync.RWMutex
	users  table[models.User]
	orders table[models.Order]
	jobs   table[models.Job]
}

var _ Store = (*Memory)(nil)

// NewMemory returns a store that holds what is in the data set.
func NewMemory(initial *models.Dataset) (*Memory, error) {
	m := &Memory{
		users:  newTable[models.User]("user"),
		orders: newTable[models.Order]("order"),
		jobs:   newTable[models.Job]("job"),
	}
	if err := initial.Validate(); err != nil {
		return nil, err
	}
	for _, u := range initial.Users {
		m.users.rows[u.ID] = u
	}
	for _, o := range initial.Orders {
		m.orders.rows[o.ID] = o
	}
	for _, j := range initial.Jobs {
		m.jobs.rows[j.ID] = j
	}
	return m, nil
}

// Users returns all users.
func (m *Memory) Users(context.Context) ([]models.User, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.users.list(func(models.User) bool { return true }), nil
}

// User returns one user.
func (m *Memory) User(_ context.Context, id string) (models.User, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.users.get(id)
}

// AddUser adds a user with an address of its own.
func (m *Memory) AddUser(_ context.Context, user models.User) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.checkEmail(user); err != nil {
		return err
	}
	return m.users.add(user.ID, user)
}

// UpdateUser changes a user.
func (m *Memory) UpdateUser(_ context.Context, id string, update func(*models.User) error) (models.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.users.update(id, func(user *models.User) error {
		if err := update(user); err != nil {
			return err
		}
		return m.checkEmail(*user)
	})
}

// RemoveUser removes a user who has no orders.
func (m *Memory) RemoveUser(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if owned := m.orders.list(OrderFilter{UserID: id}.matches); len(owned) > 0 {
		return fmt.Errorf("user %s: %w: has %d orders", id, ErrConflict, len(owned))
	}
	return m.users.remove(id)
}

// checkEmail checks that no other user has the address.
func (m *Memory) checkEmail(user models.User) error {
	for id, other := range m.users.rows {
		if id != user.ID && other.Email == user.Email {
			return fmt.Errorf("user %s: %w: address %s is taken", user.ID, ErrConflict, user.Email)
		}
	}
	return nil
}

// Orders returns the orders that pass the filter.
func (m *Memory) Orders(_ context.Context, filter OrderFilter) ([]models.Order, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.orders.list(filter.matches), nil
}

// Order returns one order.
func (m *Memory) Order(_ context.Context, id string) (models.Order, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.orders.get(id)
}

// AddOrder adds an order of a user that exists.
func (m *Memory) AddOrder(_ context.Context, order models.Order) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.users.rows[order.UserID]; order.UserID != "" && !known {
		return fmt.Errorf("order %s: %w: user %s is unknown", order.ID, ErrConflict, order.UserID)
	}
	return m.orders.add(order.ID, order)
}

// UpdateOrder changes an order.
func (m *Memory) UpdateOrder(_ context.Context, id string, update func(*models.Order) error) (models.Order, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.orders.update(id, update)
}

// RemoveOrder removes an order.
func (m *Memory) RemoveOrder(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.orders.remove(id)
}

// Jobs returns the jobs in that state, or all if it is empty.
func (m *Memory) Jobs(_ context.Context, state models.JobState) ([]models.Job, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.jobs.list(func(j models.Job) bool { return state == "" || j.State == state }), nil
}

// Job returns one job.
func (m *Memory) Job(_ context.Context, id string) (models.Job, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.jobs.get(id)
}

// AddJob adds a job.
func (m *Memory) AddJob(_ context.Context, job models.Job) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.jobs.add(job.ID, job)
}

// UpdateJob changes a job.
func (m *Memory) UpdateJob(_ context.Context, id string, update func(*models.Job) error) (models.Job, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.jobs.update(id, update)
}

// RemoveJob removes a job.
func (m *Memory) RemoveJob(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.jobs.remove(id)
}

// ClaimJob starts the oldest queued job.
func (m *Memory) ClaimJob(_ context.Context, worker string, now time.Time) (models.Job, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	oldest := models.Job{}
	for _, j := range m.jobs.rows {
		older := j.CreatedAt.Before(oldest.CreatedAt) || j.CreatedAt.Equal(oldest.CreatedAt) && j.ID < oldest.ID
		if j.State == models.JobQueued && (oldest.ID == "" || older) {
			oldest = j
		}
	}
	if oldest.ID == "" {
		return oldest, fmt.Errorf("queued job: %w", ErrNotFound)
	}
	return m.jobs.update(oldest.ID, func(j *models.Job) error { return j.Start(worker, now) })
}

// Counts says how much there is.
func (m *Memory) Counts(context.Context) (Counts, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	counts := Counts{len(m.users.rows), len(m.orders.rows), map[models.JobState]int{}}
	for _, j := range m.jobs.rows {
		counts.Jobs[j.State]++
	}
	return counts, nil
}
