// Package orders sells what is in stock to customers.
package orders

import (
	"fmt"

	"example.com/test-caching/client"
	"example.com/test-caching/customers"
	"example.com/test-caching/stock"
)

// Order is what a customer has bought.
type Order struct {
	ID       int64        `json:"id"`
	Customer int64        `json:"customer"`
	Lines    []stock.Item `json:"lines"`
}

// Place sells all of lines, or nothing.
func Place(service *client.Client, customer customers.Customer, lines ...stock.Item) (Order, error) {
	if len(lines) == 0 {
		return Order{}, fmt.Errorf("%s orders nothing", customer.Name)
	}
	order := Order{Customer: customer.ID, Lines: lines}
	err := service.Post("/orders", order, &order)
	return order, err
}

// Find says what was sold under the number id.
func Find(service *client.Client, id int64) (Order, error) {
	var order Order
	err := service.Get(fmt.Sprintf("/orders/%d", id), &order)
	return order, err
}
