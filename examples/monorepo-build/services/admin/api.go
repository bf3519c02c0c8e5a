package main

import (
	"context"
	"net/url"

	"example.com/monorepo/shared/models"
	"example.com/monorepo/shared/utils"
)

// apiBackend asks the api.
type apiBackend struct {
	client *utils.Client
}

var _ Backend = apiBackend{}

func (b apiBackend) Users(ctx context.Context) (users []models.User, err error) {
	err = b.client.Get(ctx, "/users", nil, &users)
	return users, err
}

func (b apiBackend) AddUser(ctx context.Context, user NewUser) (added models.User, err error) {
	_, err = b.client.Post(ctx, "/users", user, &added)
	return added, err
}

func (b apiBackend) Orders(ctx context.Context) (orders []models.Order, err error) {
	err = b.client.Get(ctx, "/orders", nil, &orders)
	return orders, err
}

func (b apiBackend) Jobs(ctx context.Context, state models.JobState) (jobs []models.Job, err error) {
	query := url.Values{}
	if state != "" {
		query.Set("state", string(state))
	}
	err = b.client.Get(ctx, "/jobs", query, &jobs)
	return jobs, err
}

func (b apiBackend) AddJob(ctx context.Context, job NewJob) (added models.Job, err error) {
	_, err = b.client.Post(ctx, "/jobs", job, &added)
	return added, err
}

func (b apiBackend) Health(ctx context.Context) (health Health, err error) {
	err = b.client.Get(ctx, "/healthz", nil, &health)
	return health, err
}
