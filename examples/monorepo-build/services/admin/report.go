package main

import (
	"fmt"
	"sort"

	"example.com/monorepo/shared/models"
)

// ReportRow sums up the orders of one group in one currency.
type ReportRow struct {
	Group  string       `json:"group"`
	Orders int          `json:"orders"`
	Items  int64        `json:"items"`
	Total  models.Money `json:"total"`
}

// reportOrders sums up orders by what groupOf says, sorted by group and
// currency.
func reportOrders(orders []models.Order, groupOf func(models.Order) string) ([]ReportRow, error) {
	type key struct {
		group    string
		currency models.Currency
	}
	sums := map[key]ReportRow{}
	for _, order := range orders {
		total, err := order.Total()
		if err != nil {
			return nil, fmt.Errorf("order %s: %w", order.ID, err)
		}
		k := key{groupOf(order), total.Currency}
		row, seen := sums[k]
		if !seen {
			row = ReportRow{Group: k.group, Total: models.Money{Currency: k.currency}}
		}
		if row.Total, err = row.Total.Add(total); err != nil {
			return nil, fmt.Errorf("%s in %s: %w", k.group, k.currency, err)
		}
		row.Orders++
		for _, line := range order.Lines {
			row.Items += line.Quantity
		}
		sums[k] = row
	}
	rows := make([]ReportRow, 0, len(sums))
	for _, row := range sums {
		rows = append(rows, row)
	}
	sort.Slice(rows, func(i, j int) bool {
		if rows[i].Group != rows[j].Group {
			return rows[i].Group < rows[j].Group
		}
		return rows[i].Total.Currency < rows[j].Total.Currency
	})
	return rows, nil
}

// byStatus groups orders by how far they have come.
func byStatus(order models.Order) string { return string(order.Status) }

// byUser groups orders by the name of the user; a user who is not known keeps
// the identifier.
func byUser(users []models.User) func(models.Order) string {
	names := make(map[string]string, len(users))
	for _, u := range users {
		names[u.ID] = u.Name
	}
	return func(order models.Order) string {
		if name, ok := names[order.UserID]; ok {
			return name
		}
		return order.UserID
	}
}
