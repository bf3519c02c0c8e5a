// Package stock knows what can be sold.
package stock

import (
	"net/url"

	"example.com/test-caching/client"
)

// Item is how many there are of something.
type Item struct {
	SKU   string `json:"sku"`
	Count int    `json:"count"`
}

// Receive adds to the stock.
func Receive(service *client.Client, sku string, count int) (Item, error) {
	item := Item{SKU: sku, Count: count}
	err := service.Post("/stock", item, &item)
	return item, err
}

// Count says how many there are.
func Count(service *client.Client, sku string) (int, error) {
	var item Item
	err := service.Get("/stock/"+url.PathEscape(sku), &item)
	return item.Count, err
}
