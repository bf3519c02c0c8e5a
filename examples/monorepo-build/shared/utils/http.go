package utils

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ErrorBody is how a server of ours reports a failure.
type ErrorBody struct {
	Error     string `json:"error"`
	RequestID string `json:"request_id,omitempty"`
}

// WriteJSON writes a status and a value as the answer to a request.
func WriteJSON(w http.ResponseWriter, status int, value any) {
	encoded, err := json.Marshal(value)
	if err != nil {
		status, encoded = http.StatusInternalServerError, []byte(`{"error":"answer cannot be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(encoded, '\n')) // the client may have gone; nothing is left to do then
}

// ReadJSON reads exactly one JSON value. A field that it does not know is a mistake.
func ReadJSON(r io.Reader, value any) error {
	decoder := json.NewDecoder(r)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("unexpected text after the JSON value")
	}
	return nil
}

// StatusError is an answer that reports a failure.
type StatusError struct {
	Status  int
	Message string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("server says %d: %s", e.Status, e.Message)
}

// Client speaks JSON with one server.
type Client struct {
	base  *url.URL
	http  http.Client
	retry Backoff
}

// NewClient returns a client for the server at base, an http or https URL.
func NewClient(base string, timeout time.Duration, retry Backoff) (*Client, error) {
	parsed, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	if parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Host == "" {
		return nil, fmt.Errorf("%q is not an http URL", base)
	}
	return &Client{base: parsed, http: http.Client{Timeout: timeout}, retry: retry}, nil
}

// Get asks for a value. It is tried again while the server cannot be reached or
// is in trouble.
func (c *Client) Get(ctx context.Context, path string, query url.Values, out any) error {
	return c.retry.Retry(ctx, func(int) error {
		_, err := c.send(ctx, http.MethodGet, path, query, nil, out)
		var answer *StatusError
		if errors.As(err, &answer) && answer.Status < http.StatusInternalServerError {
			return Permanent(err)
		}
		return err
	})
}

// Post sends a value, once, and reads the answer into out. It returns false if
// the server had nothing to say (204).
func (c *Client) Post(ctx context.Context, path string, in, out any) (bool, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return false, err
	}
	return c.send(ctx, http.MethodPost, path, nil, body, out)
}

func (c *Client) send(ctx context.Context, method, path string, query url.Values, body []byte, out any) (bool, error) {
	target := c.base.JoinPath(path)
	target.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode >= http.StatusBadRequest:
		return false, statusError(response)
	case response.StatusCode == http.StatusNoContent:
		return false, nil
	}
	if err := json.NewDecoder(response.Body).Decode(out); err != nil {
		return false, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return true, nil
}

// statusError reads why the server refused. Not every proxy in between answers
// in JSON, so it falls back to the status line.
func statusError(response *http.Response) error {
	const limit = 64 << 10
	message := strings.ToLower(http.StatusText(response.StatusCode))
	var body ErrorBody
	if json.NewDecoder(io.LimitReader(response.Body, limit)).Decode(&body) == nil && body.Error != "" {
		message = body.Error
	}
	return &StatusError{response.StatusCode, message}
}
