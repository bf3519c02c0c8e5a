package models

import (
	"strings"
	"time"
)

// Role says what a user may do.
type Role string

// The roles there are.
const (
	RoleCustomer Role = "customer"
	RoleSupport  Role = "support"
	RoleAdmin    Role = "admin"
)

// Valid reports whether the role is one of ours.
func (r Role) Valid() bool {
	return r == RoleCustomer || r == RoleSupport || r == RoleAdmin
}

const maxNameLen = 100

// User is a person with an account.
type User struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Email     string    `json:"email"`
	Role      Role      `json:"role"`
	CreatedAt time.Time `json:"created_at"`
}

// Normalize trims the fields a person typed and fills in the default role.
func (u *User) Normalize() {
	u.Name = strings.Join(strings.Fields(u.Name), " ")
	u.Email = strings.ToLower(strings.TrimSpace(u.Email))
	if u.Role == "" {
		u.Role = RoleCustomer
	}
}

// Validate reports everything that is wrong with the user.
func (u User) Validate() error {
	c := checker{subject: "user"}
	c.require(u.ID != "", "id", "is missing")
	c.require(u.Name != "", "name", "is missing")
	c.require(len(u.Name) <= maxNameLen, "name", "is longer than %d bytes", maxNameLen)
	c.require(validEmail(u.Email), "email", "is not an address")
	c.require(u.Role.Valid(), "role", "%q is unknown", u.Role)
	return c.err()
}

// validEmail accepts what looks deliverable, not all that RFC 5322 allows.
func validEmail(address string) bool {
	local, domain, ok := strings.Cut(address, "@")
	return ok && local != "" &&
		strings.Contains(strings.Trim(domain, "."), ".") &&
		!strings.ContainsAny(address, " \t\r\n<>,;") &&
		!strings.Contains(domain, "@")
}
