package server

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"example.com/monorepo/shared/utils"
)

// requestIDHeader carries the identifier by which a request is found in the log.
const requestIDHeader = "X-Request-Id"

const requestIDPrefix = "req"

type contextKey struct{}

// requestInfo is what the middleware knows of a request.
type requestInfo struct {
	id  string
	err error // the cause of an internal error
}

func infoOf(r *http.Request) *requestInfo {
	if info, ok := r.Context().Value(contextKey{}).(*requestInfo); ok {
		return info
	}
	return &requestInfo{}
}

func requestID(r *http.Request) string     { return infoOf(r).id }
func noteError(r *http.Request, err error) { infoOf(r).err = err }

// withRequestID gives each request an identifier. One that the client sent is
// kept if it has our form.
func withRequestID(newID func(string) string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(requestIDHeader)
		if !utils.ValidID(requestIDPrefix, id) {
			id = newID(requestIDPrefix)
		}
		w.Header().Set(requestIDHeader, id)
		ctx := context.WithValue(r.Context(), contextKey{}, &requestInfo{id: id})
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// withLog writes a line for each request.
func withLog(log *utils.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		recorder := &statusRecorder{ResponseWriter: w}
		next.ServeHTTP(recorder, r)
		log := log.With("request", requestID(r), "method", r.Method, "path", r.URL.Path,
			"status", recorder.status, "bytes", recorder.bytes, "took", time.Since(start).Round(time.Microsecond))
		if err := infoOf(r).err; err != nil {
			log.Error("request failed", "error", err)
		} else {
			log.Info("request")
		}
	})
}

// withRecovery turns a panic into an answer, so that one bad request does not
// take the others with it.
func withRecovery(log *utils.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if cause == http.ErrAbortHandler {
				panic(cause) // the server's own way to hang up
			}
			noteError(r, fmt.Errorf("panic: %v", cause))
			log.Debug("stack of the panic", "request", requestID(r), "stack", string(debug.Stack()))
			writeError(w, r, http.StatusInternalServerError, "internal error")
		}()
		next.ServeHTTP(w, r)
	})
}

// statusRecorder remembers what was answered.
type statusRecorder struct {
	http.ResponseWriter
	status, bytes int
}

func (s *statusRecorder) WriteHeader(status int) {
	if s.status == 0 {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusRecorder) Write(p []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	n, err := s.ResponseWriter.Write(p)
	s.bytes += n
	return n, err
}
