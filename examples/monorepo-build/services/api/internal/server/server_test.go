package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"example.com/monorepo/services/api/internal/store"
	"example.com/monorepo/shared/models"
	"example.com/monorepo/shared/utils"
)

// fixture is a server whose clock stands still and whose identifiers count up.
type fixture struct {
	t       *testing.T
	handler http.Handler
	log     bytes.Buffer
}

func newFixture(t *testing.T, wrap func(store.Store) store.Store) *fixture {
	t.Helper()
	memory, err := store.NewMemory(&models.Dataset{})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t}
	s := New(wrap(memory), utils.NewLogger(&f.log, utils.Info))
	now := time.Date(2024, time.March, 1, 12, 0, 0, 0, time.UTC)
	s.now = func() time.Time { return now }
	s.started = now.Add(-90 * time.Second)
	counts := map[string]int{}
	s.newID = func(prefix string) string {
		counts[prefix]++
		return fmt.Sprintf("%s_%d", prefix, counts[prefix])
	}
	f.handler = s.Handler()
	return f
}

func plain(s store.Store) store.Store { return s }

// send makes a request and checks the status of the answer, whose body it returns.
func (f *fixture) send(method, path, body string, want int) string {
	f.t.Helper()
	recorder := httptest.NewRecorder()
	f.handler.ServeHTTP(recorder, httptest.NewRequest(method, path, strings.NewReader(body)))
	got := strings.TrimSpace(recorder.Body.String())
	if recorder.Code != want {
		f.t.Fatalf("%s %s: status %d, want %d: %s", method, path, recorder.Code, want, got)
	}
	return got
}

// expect is send for an answer whose whole body is known.
func (f *fixture) expect(method, path, body string, status int, want string) {
	f.t.Helper()
	if got := f.send(method, path, body, status); got != want {
		f.t.Errorf("%s %s:\ngot  %s\nwant %s", method, path, got, want)
	}
}

const (
	ada   = `{"id":"usr_1","name":"Ada","email":"ada@example.com","role":"customer","created_at":"2024-03-01T12:00:00Z"}`
	order = `{"id":"ord_1","user_id":"usr_1","lines":[{"sku":"tea","quantity":2,"price":"4.50 EUR"}],` +
		`"status":"%s","created_at":"2024-03-01T12:00:00Z","total":"9.00 EUR"}`
)

func TestUsers(t *testing.T) {
	f := newFixture(t, plain)
	f.expect("GET", "/users", "", 200, `[]`)
	f.expect("POST", "/users", `{"name":" Ada ","email":"ADA@example.com"}`, 201, ada)
	f.expect("GET", "/users", "", 200, `[`+ada+`]`)
	f.expect("GET", "/users/usr_1", "", 200, ada)
	renamed := strings.Replace(ada, `"Ada"`, `"Ada L."`, 1)
	f.expect("PUT", "/users/usr_1", `{"name":"Ada L.","email":"ada@example.com"}`, 200, renamed)
	f.expect("DELETE", "/users/usr_1", "", 204, "")
	f.expect("GET", "/users/usr_1", "", 404, `{"error":"user usr_1: not found","request_id":"req_7"}`)
}

func TestOrders(t *testing.T) {
	f := newFixture(t, plain)
	f.send("POST", "/users", `{"name":"Ada","email":"ada@example.com"}`, 201)
	const request = `{"user_id":"usr_1","lines":[{"sku":"tea","quantity":2,"price":"4.50 EUR"}]}`
	f.expect("POST", "/orders", request, 201, fmt.Sprintf(order, "pending"))
	f.expect("PUT", "/orders/ord_1/status", `{"status":"paid"}`, 200, fmt.Sprintf(order, "paid"))
	f.expect("GET", "/orders/ord_1", "", 200, fmt.Sprintf(order, "paid"))
	f.expect("GET", "/orders?status=paid&user=usr_1", "", 200, "["+fmt.Sprintf(order, "paid")+"]")
	f.expect("GET", "/orders?status=pending", "", 200, "[]")
	f.send("PUT", "/orders/ord_1/status", `{"status":"pending"}`, 409)
	f.send("DELETE", "/users/usr_1", "", 409)
	f.send("DELETE", "/orders/ord_1", "", 204)
	f.send("DELETE", "/users/usr_1", "", 204)
}

func TestJobs(t *testing.T) {
	f := newFixture(t, plain)
	state := func(body string) string {
		t.Helper()
		var job models.Job
		if err := json.Unmarshal([]byte(body), &job); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		return fmt.Sprintf("%s %s %d/%d", job.ID, job.State, job.Attempts, job.MaxAttempts)
	}
	const claim = `{"worker":"w1"}`
	for _, step := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"/jobs", `{"kind":"checksum","payload":{"text":"x"},"max_attempts":2}`, 201, "job_1 queued 0/2"},
		{"/jobs/claim", claim, 200, "job_1 running 1/2"},
		{"/jobs/job_1/finish", `{"error":"no luck"}`, 200, "job_1 queued 1/2"},
		{"/jobs/claim", claim, 200, "job_1 running 2/2"},
		{"/jobs/job_1/finish", `{"result":"42"}`, 200, "job_1 done 2/2"},
	} {
		if got := state(f.send("POST", step.path, step.body, step.status)); got != step.want {
			t.Errorf("POST %s %s: %s, want %s", step.path, step.body, got, step.want)
		}
	}
	f.expect("POST", "/jobs/claim", claim, 204, "")
	f.send("POST", "/jobs/job_1/finish", `{}`, 409)
	f.expect("GET", "/jobs?state=queued", "", 200, "[]")
	if got := state(f.send("GET", "/jobs/job_1", "", 200)); got != "job_1 done 2/2" {
		t.Errorf("in the end: %s", got)
	}
	f.send("DELETE", "/jobs/job_1", "", 204)
}

func TestRefusedRequests(t *testing.T) {
	f := newFixture(t, plain)
	for _, test := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/", "", 404, "no such path"},
		{"GET", "/users/", "", 404, "no such path"},
		{"GET", "/users/a/b", "", 404, "no such path"},
		{"PATCH", "/users/usr_1", "", 405, "method not allowed"},
		{"POST", "/users", "", 400, "body is missing"},
		{"POST", "/users", "{", 400, "unexpected EOF"},
		{"POST", "/users", `{"nmae":"Ada"}`, 400, `unknown field \"nmae\"`},
		{"POST", "/users", `{"name":"Ada"}{}`, 400, "unexpected text"},
		{"POST", "/users", `{"name":"Ada"}`, 422, "invalid user: email is not an address"},
		{"POST", "/users", `"` + strings.Repeat("x", maxBody) + `"`, 413, "body is larger"},
		{"POST", "/orders", `{"user_id":"usr_9"}`, 409, "user usr_9 is unknown"},
		{"GET", "/orders?status=lost", "", 400, "unknown status"},
		{"PUT", "/orders/ord_9/status", `{"status":"lost"}`, 400, "unknown status"},
		{"PUT", "/orders/ord_9/status", `{"status":"paid"}`, 404, "order ord_9: not found"},
		{"GET", "/jobs?state=lost", "", 400, "unknown state"},
		{"POST", "/jobs/claim", `{}`, 400, "worker is missing"},
	} {
		if got := f.send(test.method, test.path, test.body, test.status); !strings.Contains(got, test.want) {
			t.Errorf("%s %s: %s, want %q", test.method, test.path, got, test.want)
		}
	}
}

func TestMethodNotAllowedSaysWhatIs(t *testing.T) {
	f := newFixture(t, plain)
	recorder := httptest.NewRecorder()
	f.handler.ServeHTTP(recorder, httptest.NewRequest("PATCH", "/users/usr_1", nil))
	if got := recorder.Header().Get("Allow"); got != "DELETE, GET, PUT" {
		t.Errorf("Allow: %s", got)
	}
}

func TestHealth(t *testing.T) {
	f := newFixture(t, plain)
	f.send("POST", "/jobs", `{"kind":"checksum"}`, 201)
	f.expect("GET", "/healthz", "", 200, `{"status":"ok","uptime":"1m30s","users":0,"orders":0,"jobs":{"queued":1}}`)
}

func TestRequestIDOfTheClientIsKeptIfItIsOne(t *testing.T) {
	f := newFixture(t, plain)
	for sent, keep := range map[string]bool{utils.NewID("req"): true, "mine\nlevel=error": false, "": false} {
		request := httptest.NewRequest("GET", "/healthz", nil)
		request.Header[requestIDHeader] = []string{sent}
		recorder := httptest.NewRecorder()
		f.handler.ServeHTTP(recorder, request)
		got := recorder.Header().Get(requestIDHeader)
		if (got == sent) != keep || got == "" {
			t.Errorf("sent %q, got %q", sent, got)
		}
	}
}

// brokenStore fails to list users and panics over orders.
type brokenStore struct{ store.Store }

func (brokenStore) Users(context.Context) ([]models.User, error) {
	return nil, errors.New("disk on fire")
}

func (brokenStore) Orders(context.Context, store.OrderFilter) ([]models.Order, error) {
	panic("index out of mind")
}

func TestInternalErrorsAreLoggedAndNotTold(t *testing.T) {
	f := newFixture(t, func(s store.Store) store.Store { return brokenStore{s} })
	f.expect("GET", "/users", "", 500, `{"error":"internal error","request_id":"req_1"}`)
	f.expect("GET", "/orders", "", 500, `{"error":"internal error","request_id":"req_2"}`)
	f.send("GET", "/jobs", "", 200)
	log := f.log.String()
	for _, want := range []string{
		`level=error msg="request failed" request=req_1 method=GET path=/users status=500`, `error="disk on fire"`,
		`error="panic: index out of mind"`, `msg=request request=req_3 method=GET path=/jobs status=200 bytes=3`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
}
