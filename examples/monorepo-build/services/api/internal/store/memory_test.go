package store

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/monorepo/shared/models"
)

var (
	ctx   = context.Background()
	epoch = time.Date(2024, time.March, 1, 0, 0, 0, 0, time.UTC)
)

func sample() *models.Dataset {
	line := models.Line{SKU: "tea", Quantity: 1, Price: models.Money{Minor: 450, Currency: "EUR"}}
	job := func(id string, age time.Duration) models.Job {
		return models.Job{ID: id, Kind: "k", State: models.JobQueued, MaxAttempts: 1, CreatedAt: epoch.Add(-age)}
	}
	return &models.Dataset{
		Users: []models.User{
			{ID: "u1", Name: "Ada", Email: "ada@example.com", Role: models.RoleAdmin},
			{ID: "u2", Name: "Bob", Email: "bob@example.com", Role: models.RoleCustomer},
		},
		Orders: []models.Order{
			{ID: "o1", UserID: "u1", Status: models.OrderPaid, Lines: []models.Line{line}},
			{ID: "o2", UserID: "u1", Status: models.OrderPending, Lines: []models.Line{line}},
		},
		Jobs: []models.Job{job("j1", 0), job("j3", time.Hour), job("j2", time.Hour)},
	}
}

func newSample(t *testing.T) *Memory {
	t.Helper()
	m, err := NewMemory(sample())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// wantError checks the kind of an error, and what its text mentions.
func wantError(t *testing.T, err, kind error, mention string) {
	t.Helper()
	if !errors.Is(err, kind) || !strings.Contains(err.Error(), mention) {
		t.Errorf("error %v, want %v that mentions %q", err, kind, mention)
	}
}

func TestNewMemoryRefusesBadData(t *testing.T) {
	data := sample()
	data.Orders[0].UserID = "u9"
	if _, err := NewMemory(data); err == nil {
		t.Error("an order of nobody was taken")
	}
}

func TestUsersHaveAddressesOfTheirOwn(t *testing.T) {
	m := newSample(t)
	wantError(t, m.AddUser(ctx, models.User{ID: "u3", Email: "bob@example.com"}), ErrConflict, "is taken")
	_, err := m.UpdateUser(ctx, "u1", func(u *models.User) error {
		u.Email = "bob@example.com"
		return nil
	})
	wantError(t, err, ErrConflict, "is taken")
	if u, err := m.User(ctx, "u1"); err != nil || u.Email != "ada@example.com" {
		t.Errorf("after a refused update: %+v, %v", u, err)
	}
}

func TestAnUpdateThatIsNotValidIsNotStored(t *testing.T) {
	m := newSample(t)
	_, err := m.UpdateUser(ctx, "u1", func(u *models.User) error {
		u.Name = ""
		return nil
	})
	var invalid *models.ValidationError
	if !errors.As(err, &invalid) {
		t.Errorf("error %v", err)
	}
	if u, _ := m.User(ctx, "u1"); u.Name != "Ada" {
		t.Errorf("stored %+v", u)
	}
}

func TestAUserWithOrdersStays(t *testing.T) {
	m := newSample(t)
	wantError(t, m.RemoveUser(ctx, "u1"), ErrConflict, "has 2 orders")
	for _, id := range []string{"o1", "o2"} {
		if err := m.RemoveOrder(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.RemoveUser(ctx, "u1"); err != nil {
		t.Error(err)
	}
	wantError(t, m.RemoveUser(ctx, "u1"), ErrNotFound, "user u1")
}

func TestOrdersAreFiltered(t *testing.T) {
	m := newSample(t)
	for filter, want := range map[OrderFilter]int{
		{}:                          2,
		{UserID: "u1"}:              2,
		{UserID: "u2"}:              0,
		{Status: models.OrderPaid}:  1,
		{"u1", models.OrderPending}: 1,
		{"u1", models.OrderShipped}: 0,
	} {
		if orders, err := m.Orders(ctx, filter); err != nil || len(orders) != want {
			t.Errorf("%+v: %d orders, %v; want %d", filter, len(orders), err, want)
		}
	}
}

func TestAddOrder(t *testing.T) {
	m := newSample(t)
	order := sample().Orders[0]
	wantError(t, m.AddOrder(ctx, order), ErrConflict, "identifier is taken")
	order.ID, order.UserID = "o3", "u9"
	wantError(t, m.AddOrder(ctx, order), ErrConflict, "user u9 is unknown")
	order.UserID = "u2"
	if err := m.AddOrder(ctx, order); err != nil {
		t.Error(err)
	}
}

func TestJobsAreClaimedOldestFirst(t *testing.T) {
	m := newSample(t)
	for _, want := range []string{"j2", "j3", "j1"} {
		j, err := m.ClaimJob(ctx, "w", epoch)
		if err != nil || j.ID != want || j.State != models.JobRunning || j.Worker != "w" {
			t.Fatalf("claimed %+v, %v; want %s", j, err, want)
		}
	}
	_, err := m.ClaimJob(ctx, "w", epoch)
	wantError(t, err, ErrNotFound, "queued job")
}

func TestAJobIsClaimedOnce(t *testing.T) {
	m := newSample(t)
	claimed := make(chan string, 30)
	var wg sync.WaitGroup
	for i := 0; i < 10; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j, err := m.ClaimJob(ctx, "w", epoch); err == nil; j, err = m.ClaimJob(ctx, "w", epoch) {
				claimed <- j.ID
			}
		}()
	}
	wg.Wait()
	if len(claimed) != 3 {
		t.Errorf("%d claims for 3 jobs", len(claimed))
	}
	counts, err := m.Counts(ctx)
	if err != nil || counts.Users != 2 || counts.Orders != 2 || counts.Jobs[models.JobRunning] != 3 {
		t.Errorf("counts %+v, %v", counts, err)
	}
}
