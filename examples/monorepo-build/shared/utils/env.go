package utils

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Env reads settings from the environment. It remembers what it could not
// read, so that a program can report all mistakes at once.
type Env struct {
	lookup   func(string) (string, bool)
	prefix   string
	problems []string
}

// NewEnv reads variables whose names begin with prefix, by way of lookup, which
// is os.LookupEnv outside tests.
func NewEnv(prefix string, lookup func(string) (string, bool)) *Env {
	return &Env{lookup: lookup, prefix: prefix}
}

// String returns the variable, or fallback if it is unset or empty.
func (e *Env) String(name, fallback string) string {
	return setting(e, name, fallback, func(s string) (string, error) { return s, nil })
}

// Int is String for whole numbers.
func (e *Env) Int(name string, fallback int) int {
	return setting(e, name, fallback, strconv.Atoi)
}

// Duration is String for durations, such as "1.5s".
func (e *Env) Duration(name string, fallback time.Duration) time.Duration {
	return setting(e, name, fallback, time.ParseDuration)
}

// Level is String for log levels.
func (e *Env) Level(name string, fallback Level) Level {
	return setting(e, name, fallback, ParseLevel)
}

// Err returns one error for all variables that could not be read.
func (e *Env) Err() error {
	if len(e.problems) == 0 {
		return nil
	}
	return fmt.Errorf("environment: %s", strings.Join(e.problems, "; "))
}

func setting[T any](e *Env, name string, fallback T, parse func(string) (T, error)) T {
	text, ok := e.lookup(e.prefix + name)
	if !ok || text == "" {
		return fallback
	}
	value, err := parse(text)
	if err != nil {
		e.problems = append(e.problems, fmt.Sprintf("%s%s: %v", e.prefix, name, err))
		return fallback
	}
	return value
}
