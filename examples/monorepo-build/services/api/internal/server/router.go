package server

import (
	"net/http"
	"sort"
	"strings"

	"example.com/monorepo/shared/utils"
)

// handlerFunc answers a request. The id is what stands for "{id}" in the path.
type handlerFunc func(r *http.Request, id string) (answer, error)

// answer is what a handler has to say if nothing went wrong.
type answer struct {
	status int
	body   any // nothing is sent if nil
}

func ok(body any) answer      { return answer{http.StatusOK, body} }
func created(body any) answer { return answer{http.StatusCreated, body} }
func noContent() answer       { return answer{http.StatusNoContent, nil} }

// router finds the handler for a method and a path. It is also the one place
// that writes answers.
type router struct {
	routes []route
}

type route struct {
	method  string
	pattern []string
	handle  handlerFunc
}

// handle adds a route. A part "{id}" of the pattern matches any one part of a
// path; of several routes that match, the first one counts.
func (rt *router) handle(method, pattern string, h handlerFunc) {
	rt.routes = append(rt.routes, route{method, split(pattern), h})
}

func (rt *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := split(r.URL.Path)
	var allowed []string
	for _, candidate := range rt.routes {
		id, matches := match(candidate.pattern, path)
		if !matches {
			continue
		}
		if candidate.method == r.Method {
			write(w, r, candidate.handle, id)
			return
		}
		allowed = append(allowed, candidate.method)
	}
	if allowed == nil {
		writeError(w, r, http.StatusNotFound, "no such path")
		return
	}
	sort.Strings(allowed)
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	writeError(w, r, http.StatusMethodNotAllowed, "method not allowed")
}

// write runs a handler and writes its answer or its error.
func write(w http.ResponseWriter, r *http.Request, handle handlerFunc, id string) {
	result, err := handle(r, id)
	switch {
	case err != nil:
		status, message := statusOf(err), err.Error()
		if status == http.StatusInternalServerError {
			noteError(r, err)
			message = "internal error" // the details are for the log, not for the client
		}
		writeError(w, r, status, message)
	case result.body == nil:
		w.WriteHeader(result.status)
	default:
		utils.WriteJSON(w, result.status, result.body)
	}
}

func writeError(w http.ResponseWriter, r *http.Request, status int, message string) {
	utils.WriteJSON(w, status, utils.ErrorBody{Error: message, RequestID: requestID(r)})
}

// match compares a path with a pattern and returns what stands for "{id}".
func match(pattern, path []string) (id string, matches bool) {
	if len(pattern) != len(path) {
		return "", false
	}
	for i, part := range pattern {
		switch {
		case part == "{id}" && path[i] != "":
			id = path[i]
		case part != path[i]:
			return "", false
		}
	}
	return id, true
}

func split(path string) []string {
	return strings.Split(strings.TrimPrefix(path, "/"), "/")
}
