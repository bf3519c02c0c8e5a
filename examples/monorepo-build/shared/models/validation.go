package models

import (
	"fmt"
	"strings"
)

// FieldError says what is wrong with one field.
type FieldError struct {
	Field   string `json:"field"`
	Problem string `json:"problem"`
}

// ValidationError lists everything that is wrong with a value.
type ValidationError struct {
	Subject string       `json:"subject"`
	Fields  []FieldError `json:"fields"`
}

func (e *ValidationError) Error() string {
	problems := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		problems[i] = f.Field + " " + f.Problem
	}
	return fmt.Sprintf("invalid %s: %s", e.Subject, strings.Join(problems, "; "))
}

// checker collects the problems of one value.
type checker struct {
	subject string
	fields  []FieldError
}

// require notes a problem with field unless ok.
func (c *checker) require(ok bool, field, format string, args ...any) {
	if !ok {
		c.fields = append(c.fields, FieldError{field, fmt.Sprintf(format, args...)})
	}
}

// err returns a *ValidationError, or nil if there was no problem.
func (c *checker) err() error {
	if len(c.fields) == 0 {
		return nil
	}
	return &ValidationError{Subject: c.subject, Fields: c.fields}
}

// TransitionError says that a value may not go from one state to another.
type TransitionError struct {
	Subject  string // "order ord_1"
	From, To string
}

func (e *TransitionError) Error() string {
	return fmt.Sprintf("%s cannot go from %s to %s", e.Subject, e.From, e.To)
}
