package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"example.com/monorepo/shared/models"
	"example.com/monorepo/shared/utils"
)

// fileBackend works on a data set in a file. It reads the file for each
// question, and takes a file that is not there for an empty data set.
type fileBackend struct {
	path  string
	now   func() time.Time
	newID func(prefix string) string
}

var _ Backend = fileBackend{}

func newFileBackend(path string) fileBackend {
	return fileBackend{path, time.Now, utils.NewID}
}

func (b fileBackend) Users(context.Context) ([]models.User, error) {
	data, err := b.load()
	return data.Users, err
}

func (b fileBackend) AddUser(_ context.Context, user NewUser) (models.User, error) {
	added := models.User{
		ID:        b.newID("usr"),
		Name:      user.Name,
		Email:     user.Email,
		Role:      user.Role,
		CreatedAt: b.now().UTC(),
	}
	added.Normalize()
	return added, b.change(func(data *models.Dataset) { data.Users = append(data.Users, added) })
}

func (b fileBackend) Orders(context.Context) ([]models.Order, error) {
	data, err := b.load()
	return data.Orders, err
}

func (b fileBackend) Jobs(_ context.Context, state models.JobState) ([]models.Job, error) {
	data, err := b.load()
	if state == "" || err != nil {
		return data.Jobs, err
	}
	var jobs []models.Job
	for _, j := range data.Jobs {
		if j.State == state {
			jobs = append(jobs, j)
		}
	}
	return jobs, nil
}

func (b fileBackend) AddJob(_ context.Context, job NewJob) (models.Job, error) {
	now := b.now().UTC()
	added := models.Job{
		ID:          b.newID("job"),
		Kind:        job.Kind,
		Payload:     job.Payload,
		MaxAttempts: job.MaxAttempts,
		CreatedAt:   now,
		UpdatedAt:   now,
	}
	added.Normalize()
	return added, b.change(func(data *models.Dataset) { data.Jobs = append(data.Jobs, added) })
}

func (b fileBackend) Health(context.Context) (Health, error) {
	data, err := b.load()
	if err != nil {
		return Health{}, err
	}
	health := Health{Status: "ok", Users: len(data.Users), Orders: len(data.Orders), Jobs: map[models.JobState]int{}}
	for _, j := range data.Jobs {
		health.Jobs[j.State]++
	}
	return health, nil
}

// load reads the data set. What it returns is never nil.
func (b fileBackend) load() (*models.Dataset, error) {
	file, err := os.Open(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return &models.Dataset{}, nil
	}
	if err != nil {
		return &models.Dataset{}, err
	}
	defer file.Close()
	data, err := models.DecodeDataset(file)
	if err != nil {
		return &models.Dataset{}, fmt.Errorf("%s: %w", b.path, err)
	}
	data.Sort()
	return data, nil
}

// change applies a change, if the data set stays valid, and replaces the file in
// one step, so that nobody sees half of it.
func (b fileBackend) change(apply func(*models.Dataset)) error {
	data, err := b.load()
	if err != nil {
		return err
	}
	apply(data)
	if err := data.Validate(); err != nil {
		return err
	}
	staged, err := os.CreateTemp(filepath.Dir(b.path), filepath.Base(b.path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(staged.Name()) // nothing is left to remove if all goes well
	if err := data.Encode(staged); err != nil {
		staged.Close()
		return err
	}
	if err := staged.Close(); err != nil {
		return err
	}
	return os.Rename(staged.Name(), b.path)
}
