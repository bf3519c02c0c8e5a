package models

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
)

// Dataset is everything there is, as one JSON document.
type Dataset struct {
	Users  []User  `json:"users"`
	Orders []Order `json:"orders"`
	Jobs   []Job   `json:"jobs"`
}

// DecodeDataset reads one document, fills in defaults and validates it. A field
// it does not know is a mistake.
func DecodeDataset(r io.Reader) (*Dataset, error) {
	decoder := json.NewDecoder(r)
	decoder.DisallowUnknownFields()
	var d Dataset
	if err := decoder.Decode(&d); err != nil {
		return nil, fmt.Errorf("read data set: %w", err)
	}
	for i := range d.Users {
		d.Users[i].Normalize()
	}
	for i := range d.Jobs {
		d.Jobs[i].Normalize()
	}
	if err := d.Validate(); err != nil {
		return nil, err
	}
	return &d, nil
}

// Encode writes the document, sorted by identifier, so that equal data sets
// have equal bytes.
func (d *Dataset) Encode(w io.Writer) error {
	d.Sort()
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(d)
}

// Sort orders everything by identifier.
func (d *Dataset) Sort() {
	sort.Slice(d.Users, func(i, j int) bool { return d.Users[i].ID < d.Users[j].ID })
	sort.Slice(d.Orders, func(i, j int) bool { return d.Orders[i].ID < d.Orders[j].ID })
	sort.Slice(d.Jobs, func(i, j int) bool { return d.Jobs[i].ID < d.Jobs[j].ID })
}

// Validate checks each value, that identifiers and addresses are unique, and
// that each order belongs to a user.
func (d *Dataset) Validate() error {
	ids, emails, users := map[string]bool{}, map[string]bool{}, map[string]bool{}
	check := func(kind, id string, err error) error {
		if err == nil && ids[id] {
			err = errors.New("identifier is taken")
		}
		if err != nil {
			return fmt.Errorf("%s %q: %w", kind, id, err)
		}
		ids[id] = true
		return nil
	}
	for _, u := range d.Users {
		if err := check("user", u.ID, u.Validate()); err != nil {
			return err
		}
		if emails[u.Email] {
			return fmt.Errorf("user %q: address %s is taken", u.ID, u.Email)
		}
		emails[u.Email], users[u.ID] = true, true
	}
	for _, o := range d.Orders {
		if err := check("order", o.ID, o.Validate()); err != nil {
			return err
		}
		if !users[o.UserID] {
			return fmt.Errorf("order %q: user %q is unknown", o.ID, o.UserID)
		}
	}
	for _, j := range d.Jobs {
		if err := check("job", j.ID, j.Validate()); err != nil {
			return err
		}
	}
	return nil
}
