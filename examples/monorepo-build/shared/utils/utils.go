// Package utils holds what the services need besides their own logic: flags and
// settings from the environment, logging, identifiers, retries, bounded groups
// of goroutines, text tables and JSON over HTTP.
package utils
