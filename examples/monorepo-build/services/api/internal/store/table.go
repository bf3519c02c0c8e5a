package store

import (
	"fmt"
	"sort"
)

// table holds the values of one type by identifier. It is not locked.
type table[T interface{ Validate() error }] struct {
	kind string // for error messages
	rows map[string]T
}

func newTable[T interface{ Validate() error }](kind string) table[T] {
	return table[T]{kind, map[string]T{}}
}

// list returns the values that pass, sorted by identifier.
func (t table[T]) list(pass func(T) bool) []T {
	ids := make([]string, 0, len(t.rows))
	for id, row := range t.rows {
		if pass(row) {
			ids = append(ids, id)
		}
	}
	sort.Strings(ids)
	rows := make([]T, len(ids))
	for i, id := range ids {
		rows[i] = t.rows[id]
	}
	return rows
}

func (t table[T]) get(id string) (T, error) {
	row, ok := t.rows[id]
	if !ok {
		return row, fmt.Errorf("%s %s: %w", t.kind, id, ErrNotFound)
	}
	return row, nil
}

func (t table[T]) add(id string, row T) error {
	if err := row.Validate(); err != nil {
		return err
	}
	if _, ok := t.rows[id]; ok {
		return fmt.Errorf("%s %s: %w: identifier is taken", t.kind, id, ErrConflict)
	}
	t.rows[id] = row
	return nil
}

func (t table[T]) update(id string, update func(*T) error) (T, error) {
	row, err := t.get(id)
	if err != nil {
		return row, err
	}
	if err := update(&row); err != nil {
		return row, err
	}
	if err := row.Validate(); err != nil {
		return row, err
	}
	t.rows[id] = row
	return row, nil
}

func (t table[T]) remove(id string) error {
	if _, err := t.get(id); err != nil {
		return err
	}
	delete(t.rows, id)
	return nil
}
