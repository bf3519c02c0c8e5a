// Package client talks to the service: JSON over HTTP.
package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Client asks the service at an address.
type Client struct {
	address string
	http    *http.Client
}

// Refused is the service's answer to what cannot be.
type Refused struct {
	Status int
	Reason string `json:"error"`
}

func (refused *Refused) Error() string {
	return fmt.Sprintf("%s (%d)", refused.Reason, refused.Status)
}

// New makes a client for the service at address, a URL.
func New(address string) *Client {
	return &Client{address: strings.TrimRight(address, "/"), http: &http.Client{Timeout: 30 * time.Second}}
}

// Get asks for what lies at path.
func (client *Client) Get(path string, answer any) error {
	return client.do(http.MethodGet, path, nil, answer)
}

// Post adds something below path.
func (client *Client) Post(path string, body, answer any) error {
	return client.do(http.MethodPost, path, body, answer)
}

func (client *Client) do(method, path string, body, answer any) error {
	var text bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&text).Encode(body); err != nil {
			return err
		}
	}
	request, err := http.NewRequest(method, client.address+path, &text)
	if err != nil {
		return err
	}
	response, err := client.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		refused := &Refused{Status: response.StatusCode}
		if err := json.NewDecoder(response.Body).Decode(refused); err != nil {
			return fmt.Errorf("%s %s: %s", method, path, response.Status)
		}
		return refused
	}
	return json.NewDecoder(response.Body).Decode(answer)
}
