package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/monorepo/shared/models"
	"example.com/monorepo/shared/utils"
)

func TestABadLineEndsTheSource(t *testing.T) {
	for text, want := range map[string]string{
		"{":                                      "line 2: unexpected EOF",
		`{"id":"a"}`:                             "line 2: invalid job: kind is missing",
		`{"kind":"k","colour":"red"}`:            "line 2: json: unknown field",
		`"` + strings.Repeat("x", maxLine) + `"`: "line 2: bufio.Scanner: token too long",
	} {
		source := NewLineSource(strings.NewReader("\n"+text+"\n"+`{"kind":"k"}`), io.Discard)
		if _, err := source.Next(context.Background()); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.40s: error %v, want %q", text, err, want)
		}
		if _, err := source.Next(context.Background()); !errors.Is(err, io.EOF) {
			t.Errorf("%.40s: afterwards: %v", text, err)
		}
	}
}

func TestWaitingForALineCanBeStopped(t *testing.T) {
	never, _ := io.Pipe()
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if _, err := NewLineSource(never, io.Discard).Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Next = %v", err)
	}
}

// newAPISource returns a source for an api that is played by handler.
func newAPISource(t *testing.T, drain bool, handler http.HandlerFunc) *APISource {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	retry := utils.Backoff{Attempts: 3}
	client, err := utils.NewClient(server.URL, time.Second, retry)
	if err != nil {
		t.Fatal(err)
	}
	return &APISource{client, "w1", time.Millisecond, drain, retry, utils.NewLogger(io.Discard, utils.Error)}
}

func TestAPISourceClaimsAndReports(t *testing.T) {
	var requests []string
	source := newAPISource(t, true, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests = append(requests, r.Method+" "+r.URL.Path+" "+string(body))
		switch len(requests) {
		case 1, 4: // the api is not there yet, or not for a moment
			utils.WriteJSON(w, http.StatusServiceUnavailable, utils.ErrorBody{Error: "busy"})
		case 3:
			w.WriteHeader(http.StatusNoContent)
		default:
			utils.WriteJSON(w, http.StatusOK, models.Job{ID: "job_1", Kind: "pause"})
		}
	})
	job, err := source.Next(context.Background())
	if err != nil || job.ID != "job_1" {
		t.Fatalf("Next = %+v, %v", job, err)
	}
	if _, err := source.Next(context.Background()); !errors.Is(err, io.EOF) {
		t.Errorf("Next without a job = %v", err)
	}
	if err := source.Finish(job, models.Outcome{Result: "42"}); err != nil {
		t.Errorf("Finish = %v", err)
	}
	const claim, finish = `POST /jobs/claim {"worker":"w1"}`, `POST /jobs/job_1/finish {"result":"42"}`
	want := strings.Join([]string{claim, claim, claim, finish, finish}, "\n")
	if got := strings.Join(requests, "\n"); got != want {
		t.Errorf("requests:\n%s\nwant\n%s", got, want)
	}
}

func TestAPISourcePollsUntilThereIsAJob(t *testing.T) {
	var calls atomic.Int32
	source := newAPISource(t, false, func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) < 4 {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		json.NewEncoder(w).Encode(models.Job{ID: "job_1"})
	})
	if job, err := source.Next(context.Background()); err != nil || job.ID != "job_1" || calls.Load() != 4 {
		t.Errorf("Next = %+v, %v after %d calls", job, err, calls.Load())
	}
}

func TestAPISourceDoesNotRepeatWhatIsRefused(t *testing.T) {
	var calls atomic.Int32
	source := newAPISource(t, false, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		utils.WriteJSON(w, http.StatusConflict, utils.ErrorBody{Error: "no"})
	})
	err := source.Finish(models.Job{ID: "job_1"}, models.Outcome{})
	if err == nil || calls.Load() != 1 {
		t.Errorf("Finish = %v after %d calls", err, calls.Load())
	}
}
