// Package server answers HTTP requests about users, orders and jobs.
package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"example.com/monorepo/services/api/internal/store"
	"example.com/monorepo/shared/models"
	"example.com/monorepo/shared/utils"
)

const maxBody = 1 << 20

// Server is the HTTP interface of a store.
type Server struct {
	store   store.Store
	log     *utils.Logger
	now     func() time.Time
	newID   func(prefix string) string
	started time.Time
}

// New returns a server for the store.
func New(s store.Store, log *utils.Logger) *Server {
	return &Server{store: s, log: log, now: time.Now, newID: utils.NewID, started: time.Now()}
}

// Handler returns the routes with the middleware around them.
func (s *Server) Handler() http.Handler {
	routes := &router{}
	routes.handle("GET", "/healthz", s.health)

	routes.handle("GET", "/users", s.listUsers)
	routes.handle("POST", "/users", s.addUser)
	routes.handle("GET", "/users/{id}", s.getUser)
	routes.handle("PUT", "/users/{id}", s.updateUser)
	routes.handle("DELETE", "/users/{id}", s.removeUser)

	routes.handle("GET", "/orders", s.listOrders)
	routes.handle("POST", "/orders", s.addOrder)
	routes.handle("GET", "/orders/{id}", s.getOrder)
	routes.handle("PUT", "/orders/{id}/status", s.setOrderStatus)
	routes.handle("DELETE", "/orders/{id}", s.removeOrder)

	routes.handle("GET", "/jobs", s.listJobs)
	routes.handle("POST", "/jobs", s.addJob)
	routes.handle("POST", "/jobs/claim", s.claimJob)
	routes.handle("GET", "/jobs/{id}", s.getJob)
	routes.handle("POST", "/jobs/{id}/finish", s.finishJob)
	routes.handle("DELETE", "/jobs/{id}", s.removeJob)

	return withRequestID(s.newID, withLog(s.log, withRecovery(s.log, routes)))
}

// health says that the server works and how much it holds.
func (s *Server) health(r *http.Request, _ string) (answer, error) {
	counts, err := s.store.Counts(r.Context())
	if err != nil {
		return answer{}, err
	}
	return ok(struct {
		Status string `json:"status"`
		Uptime string `json:"uptime"`
		store.Counts
	}{"ok", s.now().Sub(s.started).Round(time.Second).String(), counts}), nil
}

// readBody reads the JSON body of a request.
func readBody(r *http.Request, value any) error {
	err := utils.ReadJSON(http.MaxBytesReader(nil, r.Body, maxBody), value)
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &tooLarge):
		return &requestError{http.StatusRequestEntityTooLarge, fmt.Sprintf("body is larger than %d bytes", tooLarge.Limit)}
	case errors.Is(err, io.EOF):
		return &requestError{http.StatusBadRequest, "body is missing"}
	default:
		return &requestError{http.StatusBadRequest, "body: " + err.Error()}
	}
}

// requestError is a request that is refused before it reaches the store.
type requestError struct {
	status  int
	message string
}

func (e *requestError) Error() string { return e.message }

// statusOf maps an error to the status that tells the client whose fault it is.
func statusOf(err error) int {
	var request *requestError
	var invalid *models.ValidationError
	var transition *models.TransitionError
	switch {
	case errors.As(err, &request):
		return request.status
	case errors.As(err, &invalid):
		return http.StatusUnprocessableEntity
	case errors.As(err, &transition), errors.Is(err, store.ErrConflict):
		return http.StatusConflict
	case errors.Is(err, store.ErrNotFound):
		return http.StatusNotFound
	default:
		return http.StatusInternalServerError
	}
}
