// Package customers knows who buys.
package customers

import (
	"fmt"
	"strings"

	"example.com/test-caching/client"
)

// Customer is somebody who buys.
type Customer struct {
	ID    int64  `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

// Register adds a customer. An address counts as the same in upper and in lower case.
func Register(service *client.Client, name, email string) (Customer, error) {
	customer := Customer{Name: strings.TrimSpace(name), Email: strings.ToLower(strings.TrimSpace(email))}
	if !strings.Contains(customer.Email, "@") {
		return Customer{}, fmt.Errorf("%q is no address", email)
	}
	err := service.Post("/customers", customer, &customer)
	return customer, err
}

// Find says who has the number id.
func Find(service *client.Client, id int64) (Customer, error) {
	var customer Customer
	err := service.Get(fmt.Sprintf("/customers/%d", id), &customer)
	return customer, err
}
