package server

import (
	"net/http"

	"example.com/monorepo/shared/models"
)

// userRequest is what a client may say of a user.
type userRequest struct {
	Name  string      `json:"name"`
	Email string      `json:"email"`
	Role  models.Role `json:"role"`
}

func (u userRequest) apply(user *models.User) {
	user.Name, user.Email, user.Role = u.Name, u.Email, u.Role
	user.Normalize()
}

func (s *Server) listUsers(r *http.Request, _ string) (answer, error) {
	users, err := s.store.Users(r.Context())
	return ok(users), err
}

func (s *Server) getUser(r *http.Request, id string) (answer, error) {
	user, err := s.store.User(r.Context(), id)
	return ok(user), err
}

func (s *Server) addUser(r *http.Request, _ string) (answer, error) {
	var request userRequest
	if err := readBody(r, &request); err != nil {
		return answer{}, err
	}
	user := models.User{ID: s.newID("usr"), CreatedAt: s.now().UTC()}
	request.apply(&user)
	return created(user), s.store.AddUser(r.Context(), user)
}

func (s *Server) updateUser(r *http.Request, id string) (answer, error) {
	var request userRequest
	if err := readBody(r, &request); err != nil {
		return answer{}, err
	}
	user, err := s.store.UpdateUser(r.Context(), id, func(user *models.User) error {
		request.apply(user)
		return nil
	})
	return ok(user), err
}

func (s *Server) removeUser(r *http.Request, id string) (answer, error) {
	return noContent(), s.store.RemoveUser(r.Context(), id)
}
