package utils

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// newTestClient returns a client of a server that answers with handler.
func newTestClient(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	client, err := NewClient(server.URL, time.Second, Backoff{Attempts: 3})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestClientGetTriesAgain(t *testing.T) {
	calls := 0
	client := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls < 3 {
			WriteJSON(w, http.StatusServiceUnavailable, ErrorBody{Error: "busy"})
			return
		}
		WriteJSON(w, http.StatusOK, []string{r.URL.Path, r.URL.Query().Get("state")})
	})
	var got []string
	err := client.Get(context.Background(), "/jobs", url.Values{"state": {"done"}}, &got)
	if err != nil || strings.Join(got, " ") != "/jobs done" || calls != 3 {
		t.Errorf("got %q, %v after %d calls", got, err, calls)
	}
}

func TestClientGetDoesNotRepeatWhatIsRefused(t *testing.T) {
	calls := 0
	client := newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
		calls++
		WriteJSON(w, http.StatusNotFound, ErrorBody{Error: "no such user"})
	})
	err := client.Get(context.Background(), "/users/1", nil, nil)
	var refused *StatusError
	if !errors.As(err, &refused) || *refused != (StatusError{404, "no such user"}) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

func TestClientPost(t *testing.T) {
	client := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
		var in map[string]int
		switch err := ReadJSON(r.Body, &in); {
		case err != nil:
			http.Error(w, "plain text", http.StatusBadRequest)
		case in["n"] == 0:
			w.WriteHeader(http.StatusNoContent)
		default:
			WriteJSON(w, http.StatusCreated, in["n"]*2)
		}
	})
	ctx, out := context.Background(), 0
	if some, err := client.Post(ctx, "/double", map[string]int{"n": 21}, &out); err != nil || !some || out != 42 {
		t.Errorf("Post = %v, %v, %d", some, err, out)
	}
	if some, err := client.Post(ctx, "/double", map[string]int{}, &out); err != nil || some {
		t.Errorf("Post without an answer = %v, %v", some, err)
	}
	if _, err := client.Post(ctx, "/double", "text", &out); err == nil || err.Error() != "server says 400: bad request" {
		t.Errorf("Post refused: %v", err)
	}
}

func TestNewClientRejects(t *testing.T) {
	for _, base := range []string{"", "localhost:80", "ftp://host", "http://", "://"} {
		if _, err := NewClient(base, time.Second, Backoff{}); err == nil {
			t.Errorf("NewClient(%q) works", base)
		}
	}
}

func TestReadJSONReadsExactlyOneValue(t *testing.T) {
	type point struct{ X int }
	for text, ok := range map[string]bool{
		`{"X":1}`: true, ` {"X":1} ` + "\n": true, `{"X":1}{}`: false, `{"Y":1}`: false, ``: false,
	} {
		if err := ReadJSON(strings.NewReader(text), &point{}); (err == nil) != ok {
			t.Errorf("ReadJSON(%q) = %v", text, err)
		}
	}
}

func TestWriteJSONOfWhatCannotBeEncoded(t *testing.T) {
	recorder := httptest.NewRecorder()
	WriteJSON(recorder, http.StatusOK, func() {})
	if recorder.Code != http.StatusInternalServerError {
		t.Errorf("status %d", recorder.Code)
	}
}
