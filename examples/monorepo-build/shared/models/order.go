package models

import (
	"errors"
	"fmt"
	"time"
)

// OrderStatus is how far an order has come.
type OrderStatus string

// The states of an order.
const (
	OrderPending   OrderStatus = "pending"
	OrderPaid      OrderStatus = "paid"
	OrderShipped   OrderStatus = "shipped"
	OrderCancelled OrderStatus = "cancelled"
)

// orderSteps lists what may follow each status.
var orderSteps = map[OrderStatus][]OrderStatus{
	OrderPending:   {OrderPaid, OrderCancelled},
	OrderPaid:      {OrderShipped, OrderCancelled},
	OrderShipped:   nil,
	OrderCancelled: nil,
}

// Valid reports whether the status is one of ours.
func (s OrderStatus) Valid() bool {
	_, ok := orderSteps[s]
	return ok
}

// CanBecome reports whether next may follow the status.
func (s OrderStatus) CanBecome(next OrderStatus) bool {
	for _, allowed := range orderSteps[s] {
		if allowed == next {
			return true
		}
	}
	return false
}

// Line is a number of equal items in an order.
type Line struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
	Price    Money  `json:"price"` // of one item
}

// Order is what a user bought.
type Order struct {
	ID        string      `json:"id"`
	UserID    string      `json:"user_id"`
	Lines     []Line      `json:"lines"`
	Status    OrderStatus `json:"status"`
	CreatedAt time.Time   `json:"created_at"`
}

// Total adds up the lines, which must share one currency.
func (o Order) Total() (Money, error) {
	if len(o.Lines) == 0 {
		return Money{}, errors.New("order has no lines")
	}
	total := Money{Currency: o.Lines[0].Price.Currency}
	for i, line := range o.Lines {
		amount, err := line.Price.Times(line.Quantity)
		if err == nil {
			total, err = total.Add(amount)
		}
		if err != nil {
			return Money{}, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return total, nil
}

// Validate reports everything that is wrong with the order.
func (o Order) Validate() error {
	c := checker{subject: "order"}
	c.require(o.ID != "", "id", "is missing")
	c.require(o.UserID != "", "user_id", "is missing")
	c.require(o.Status.Valid(), "status", "%q is unknown", o.Status)
	c.require(len(o.Lines) > 0, "lines", "are missing")
	for i, line := range o.Lines {
		field := fmt.Sprintf("lines[%d]", i)
		c.require(line.SKU != "", field+".sku", "is missing")
		c.require(line.Quantity > 0, field+".quantity", "must be above zero")
		c.require(line.Price.Minor >= 0, field+".price", "must not be negative")
		c.require(line.Price.Currency.Valid(), field+".price", "has no known currency")
	}
	if len(c.fields) == 0 {
		_, err := o.Total()
		c.require(err == nil, "lines", "have no total: %v", err)
	}
	return c.err()
}

// Advance moves the order on to the next status.
func (o *Order) Advance(next OrderStatus) error {
	if !o.Status.CanBecome(next) {
		return &TransitionError{"order " + o.ID, string(o.Status), string(next)}
	}
	o.Status = next
	return nil
}
