package models

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

var epoch = time.Date(2024, time.March, 1, 9, 30, 0, 0, time.UTC)

func validUser() User {
	return User{ID: "usr_1", Name: "Ada", Email: "ada@example.com", Role: RoleAdmin, CreatedAt: epoch}
}

func validOrder() Order {
	return Order{
		ID: "ord_1", UserID: "usr_1", Status: OrderPending, CreatedAt: epoch,
		Lines: []Line{
			{SKU: "tea", Quantity: 3, Price: Money{450, "EUR"}},
			{SKU: "cup", Quantity: 1, Price: Money{999, "EUR"}},
		},
	}
}

func validJob() Job {
	return Job{ID: "job_1", Kind: "checksum", State: JobQueued, MaxAttempts: 2, CreatedAt: epoch, UpdatedAt: epoch}
}

// badFields returns the fields that err, a *ValidationError, complains about.
func badFields(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var invalid *ValidationError
	if !errors.As(err, &invalid) {
		t.Fatalf("%v is no ValidationError", err)
	}
	var fields []string
	for _, f := range invalid.Fields {
		fields = append(fields, f.Field)
	}
	return fields
}

func TestUserValidate(t *testing.T) {
	tests := map[string]struct {
		change func(*User)
		want   []string
	}{
		"valid":       {func(*User) {}, nil},
		"no name":     {func(u *User) { u.Name = "" }, []string{"name"}},
		"long name":   {func(u *User) { u.Name = strings.Repeat("x", 101) }, []string{"name"}},
		"no domain":   {func(u *User) { u.Email = "ada" }, []string{"email"}},
		"two at":      {func(u *User) { u.Email = "a@b@c.d" }, []string{"email"}},
		"dot at end":  {func(u *User) { u.Email = "ada@example." }, []string{"email"}},
		"all at once": {func(u *User) { *u = User{} }, []string{"id", "name", "email", "role"}},
	}
	for name, test := range tests {
		u := validUser()
		test.change(&u)
		if got := badFields(t, u.Validate()); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: bad fields %q, want %q", name, got, test.want)
		}
	}
}

func TestUserNormalize(t *testing.T) {
	u := User{Name: "  Ada   Lovelace ", Email: " Ada@Example.COM"}
	u.Normalize()
	if u.Name != "Ada Lovelace" || u.Email != "ada@example.com" || u.Role != RoleCustomer {
		t.Errorf("normalized to %+v", u)
	}
}

func TestOrderTotal(t *testing.T) {
	total, err := validOrder().Total()
	if err != nil || total.String() != "23.49 EUR" {
		t.Errorf("Total = %v, %v", total, err)
	}
	mixed := validOrder()
	mixed.Lines[1].Price.Currency = "USD"
	if got := badFields(t, mixed.Validate()); !reflect.DeepEqual(got, []string{"lines"}) {
		t.Errorf("mixed currencies: bad fields %q", got)
	}
	if _, err := (Order{}).Total(); err == nil {
		t.Error("an empty order has a total")
	}
}

func TestOrderValidate(t *testing.T) {
	o := validOrder()
	o.Lines[0] = Line{Quantity: -1, Price: Money{-1, "XXX"}}
	want := []string{"lines[0].sku", "lines[0].quantity", "lines[0].price", "lines[0].price"}
	if got := badFields(t, o.Validate()); !reflect.DeepEqual(got, want) {
		t.Errorf("bad fields %q, want %q", got, want)
	}
}

func TestOrderAdvance(t *testing.T) {
	o := validOrder()
	for _, next := range []OrderStatus{OrderPaid, OrderShipped} {
		if err := o.Advance(next); err != nil {
			t.Fatal(err)
		}
	}
	var transition *TransitionError
	if err := o.Advance(OrderCancelled); !errors.As(err, &transition) {
		t.Errorf("a shipped order was cancelled: %v", err)
	}
	if o.Status != OrderShipped {
		t.Errorf("status is %s", o.Status)
	}
}

func TestJobIsRetriedUntilItsAttemptsAreUsedUp(t *testing.T) {
	j := validJob()
	for _, want := range []JobState{JobQueued, JobFailed} {
		if err := j.Start("w1", epoch); err != nil {
			t.Fatal(err)
		}
		if err := j.Finish(Outcome{Error: "no luck"}, epoch.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if j.State != want || j.LastError != "no luck" {
			t.Errorf("after attempt %d: %+v, want %s", j.Attempts, j, want)
		}
	}
	if err := j.Start("w1", epoch); err == nil {
		t.Error("a failed job was started")
	}
	if err := j.Finish(Outcome{}, epoch); err == nil {
		t.Error("a failed job was finished")
	}
}

func TestJobSuccessClearsTheLastError(t *testing.T) {
	j := validJob()
	j.LastError = "earlier"
	if err := j.Start("w1", epoch); err != nil {
		t.Fatal(err)
	}
	if err := j.Finish(Outcome{Result: "42"}, epoch); err != nil {
		t.Fatal(err)
	}
	if j.State != JobDone || j.Result != "42" || j.LastError != "" {
		t.Errorf("finished as %+v", j)
	}
}

func TestJobValidate(t *testing.T) {
	j := validJob()
	j.Attempts, j.Payload = 3, json.RawMessage("{")
	if got, want := badFields(t, j.Validate()), []string{"attempts", "payload"}; !reflect.DeepEqual(got, want) {
		t.Errorf("bad fields %q, want %q", got, want)
	}
}

func TestDatasetRoundTrip(t *testing.T) {
	second := validUser()
	second.ID, second.Email = "usr_0", "bob@example.com"
	d := &Dataset{
		Users:  []User{validUser(), second},
		Orders: []Order{validOrder()},
		Jobs:   []Job{validJob()},
	}
	var first, again bytes.Buffer
	if err := d.Encode(&first); err != nil {
		t.Fatal(err)
	}
	decoded, err := DecodeDataset(bytes.NewReader(first.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if decoded.Users[0].ID != "usr_0" {
		t.Errorf("users are not sorted: %+v", decoded.Users)
	}
	if err := decoded.Encode(&again); err != nil || again.String() != first.String() {
		t.Errorf("encoded again: %v\n%s\nwant\n%s", err, again.String(), first.String())
	}
}

func TestDecodeDatasetRejects(t *testing.T) {
	const ada = `{"id":"u1","name":"Ada","email":"ada@example.com"}`
	const eve = `{"id":"u2","name":"Eve","email":"ada@example.com"}`
	const order = `{"id":"o1","user_id":"u9","status":"paid","lines":[{"sku":"tea","quantity":1,"price":"1.00 EUR"}]}`
	for document, want := range map[string]string{
		`{"persons":[]}`:                                   "unknown field",
		`{"users":[{"id":"u1"}]}`:                          `user "u1": invalid user: name is missing`,
		`{"users":[` + ada + `,` + ada + `]}`:              "identifier is taken",
		`{"users":[` + ada + `,` + eve + `]}`:              "address ada@example.com is taken",
		`{"users":[` + ada + `],"orders":[` + order + `]}`: `user "u9" is unknown`,
		`{"jobs":[{"id":"j1","kind":"k","state":"lost"}]}`: `state "lost" is unknown`,
		`{"users":[` + ada + `],"jobs":[{"id":"u1"}]}`:     "kind is missing",
		`{"orders":[{"id":"o1","lines":[{"price":"1"}]}]}`: "want an amount",
	} {
		if _, err := DecodeDataset(strings.NewReader(document)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", document, err, want)
		}
	}
}
